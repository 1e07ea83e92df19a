"""A value of the wrong shape, wherever it stands in a file, is a mistake in words of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from paychain.declaration.schema import Declared
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks import STEPS
from paychain.model.files import available
from paychain.model.sentence import sentence
from tests.support.chains import shop

# What YAML can hold in place of any value.
WRONG = (
    *("skip", 5, 5.5, -1, True, None, "", "10s", "²", float("nan")),
    *([], [5], [None], ["x"], [[]], {}, {"x": 1}, [{}], [{"x": 1}], [{"skip": 5}]),
)
# Pydantic's and Python's own words.
FOREIGN = re.compile(
    r"[Ii]nput should|should have|Unable to|pydantic|discriminator|<class|NoneType|object at"
    r"|\b(dict|str|int|float|tuple)\b|[Ii]nstance"
)


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield at
    for key, part in value.items() if isinstance(value, dict) else ():
        yield from places(part, (*at, key))
    for number, part in enumerate(value if isinstance(value, list) else ()):
        yield from places(part, (*at, number))


def with_value(document: Any, at: tuple[str | int, ...], value: Any) -> Any:
    """The document with another value at a place; what is around it is copied."""
    if not at:
        return value
    copied = document.copy()
    copied[at[0]] = with_value(document[at[0]], at[1:], value)
    return copied


def refusals(model: type[Declared], document: Any) -> list[tuple[str, str]]:
    """What is wrong with a document, and how to write it; any other error is one of ours."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        details = [dict(detail) for detail in error.errors()]
        return [sentence(each, model, tuple(each["loc"]))[:2] for each in details]
    return []


@pytest.mark.parametrize(
    ("kind", "model", "names"),
    [
        ("chain", Chain, ["card-ecommerce", "sepa-instant"]),
        ("experiment", Experiment, sorted(available("experiment"))),
    ],
)
def test_no_word_of_a_library_is_in_a_mistake(
    kind: str, model: type[Declared], names: list[str]
) -> None:
    seen, foreign = set(), set()
    for name in names:
        document = yaml.safe_load(available(kind)[name].read_text("utf-8"))
        for at in places(document):
            shape = tuple("an item" if isinstance(step, int) else step for step in at)
            if shape in seen:
                continue
            seen.add(shape)
            for wrong in WRONG:
                for what, hint in refusals(model, with_value(document, at, wrong)):
                    if FOREIGN.search(f"{what}; {hint}"):
                        foreign.add((at, str(wrong), what))
    assert foreign == set()
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("skip", "write {skip: {}}"),
        ("queue", "write {queue: {}}"),
        ("stand_in", "write {stand_in: …}"),
        ("processor-b", "write {to: processor-b} for a link of that name"),
        (5, f"its key is one of: {', '.join(STEPS)}"),
    ],
)
def test_a_fallback_that_is_no_mapping_is_shown_as_one(written: Any, hint: str) -> None:
    text = shop(authorise={"fallback": [written]})
    with pytest.raises(ValidationError) as refused:
        Chain.model_validate(yaml.safe_load(text))
    (detail,) = refused.value.errors()
    assert sentence(dict(detail), Chain, tuple(detail["loc"])) == (
        "a fallback must be a mapping",
        hint,
        False,
    )
