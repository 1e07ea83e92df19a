"""What every fault kind must have, so that all that is derived from the kinds holds."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from paychain.faults.kind import (
    HopFaultKind,
    LinkFaultKind,
    ProcessFaultKind,
    RequestFaultKind,
    SharedFaultKind,
    StateFaultKind,
)
from paychain.faults.kinds import KINDS
from paychain.faults.kinds.http_error import HttpError
from paychain.faults.kinds.late_answer import LateAnswer
from paychain.faults.kinds.slow_answer import SlowAnswer
from paychain.faults.kinds.wrong_answer import WrongAnswer
from paychain.faults.toxic_spec import TOXIPROXY_TOXICS
from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, Error, ErrorKind, PaymentRequest
from paychain.toxics.registry import TOXICS, wrong_attributes
from tests.support.paths import DOCS

APPROVED = Answer(Outcome.APPROVED, "00", "issuer", "r1", 1_000)
REQUEST = PaymentRequest("p1", 1_000, "EUR", TEST_CARDS[0], reference="r1")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_acts_either_on_hops_or_in_links(name: str) -> None:
    kind = KINDS[name]
    assert issubclass(kind, HopFaultKind) != issubclass(kind, LinkFaultKind)
    assert issubclass(kind, SharedFaultKind | ProcessFaultKind | StateFaultKind)
    assert kind.__doc__


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.facts.search])
def test_what_a_search_writes_of_a_kind_is_what_the_schema_that_editors_get_has(name: str) -> None:
    search = KINDS[name].facts.search
    assert search is not None
    schema = jsonschema.Draft202012Validator(KINDS[name].model_json_schema())
    assert [error.message for error in schema.iter_errors(search.parameters(100))] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_kinds_switch_and_search_have_values_that_it_takes(name: str) -> None:
    facts = KINDS[name].facts
    assert facts.meaning
    assert facts.switch
    drawn: list[dict[str, Any]] = [dict(values) for values in facts.switch]
    if facts.search is not None:
        drawn.append(facts.search.parameters(50))
    for values in drawn:
        KINDS[name].model_validate(values)


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if issubclass(kind, HopFaultKind)]
)
def test_the_toxics_of_a_kind_are_those_of_the_engine(name: str) -> None:
    for values in KINDS[name].facts.switch:
        parameters = KINDS[name].model_validate(dict(values))
        assert isinstance(parameters, HopFaultKind)
        for toxic in parameters.toxics():
            assert wrong_attributes(toxic.kind, toxic.attributes) is None


def test_the_embedded_engine_has_all_toxics_of_toxiproxy_and_two_of_its_own() -> None:
    assert set(TOXICS) - TOXIPROXY_TOXICS == {"refuse", "blackhole"}
    assert set(TOXICS) >= TOXIPROXY_TOXICS


@pytest.mark.parametrize("after_work", [False, True])
def test_an_http_error_comes_instead_of_the_work_or_after_it(after_work: bool) -> None:
    fault = HttpError(status=503, after_work=after_work)
    injected = Error(ErrorKind.INJECTED, "injected", 503, is_after_work=after_work)
    assert fault.instead_of_work("issuer") == (None if after_work else injected)
    assert fault.change_answer(APPROVED, REQUEST) == (injected if after_work else APPROVED)
    assert fault.fails_in_front is not after_work


def test_jitter_is_around_the_delay_and_never_before_the_request() -> None:
    late = LateAnswer.model_construct(delay=0.3, jitter=0.1)
    assert late.delay_before_s(0.5) == pytest.approx(0.3)
    assert late.delay_before_s(0.0) == pytest.approx(0.2)
    assert late.delay_after_s(0.5) == 0
    slow = SlowAnswer.model_construct(delay=0.1, jitter=0.3)
    assert slow.delay_after_s(0.0) == 0
    assert slow.delay_after_s(1.0) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("says", "field", "value"),
    [
        ("declined", "outcome", Outcome.DECLINED),
        ("another_amount", "amount_minor", 10_000),
        ("another_payment", "reference", "nobody-1"),
    ],
)
def test_a_wrong_answer_differs_in_what_it_says(says: Any, field: str, value: object) -> None:
    changed = WrongAnswer(says=says).change_answer(APPROVED, REQUEST)
    assert getattr(changed, field) == value
    error = Error(ErrorKind.OVERLOADED)
    assert WrongAnswer(says=says).change_answer(error, REQUEST) is error


def test_a_link_fault_does_nothing_that_its_kind_does_not_say() -> None:
    for kind in KINDS.values():
        if not issubclass(kind, RequestFaultKind) or kind.facts.search is None:
            continue
        parameters = kind.model_validate(kind.facts.search.parameters(50))
        effects = (
            parameters.instead_of_work("issuer") is not None,
            parameters.change_answer(APPROVED, REQUEST) != APPROVED,
            parameters.delay_before_s(0.5) > 0,
            parameters.delay_after_s(0.5) > 0,
            parameters.loses_answer,
            parameters.repeats_last,
            parameters.holds_requests,
            parameters.arrivals != (),
        )
        is_delivered_otherwise = kind in (KINDS["malformed"], KINDS["duplicate_answer"])
        assert sum(effects) == (0 if is_delivered_otherwise else 1), kind


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_that_leaves_a_call_no_answer_says_so(name: str) -> None:
    for values in KINDS[name].facts.switch:
        parameters = KINDS[name].model_validate(
            {**values, "share": "100%"} if "share" in values else dict(values)
        )
        if isinstance(parameters, HopFaultKind):
            is_fatal = parameters.refuses_all
        elif isinstance(parameters, RequestFaultKind):
            instead = parameters.instead_of_work("issuer")
            is_fatal = parameters.loses_answer or isinstance(instead, Error)
        else:
            continue
        assert parameters.fails_calls or not is_fatal


def test_every_kind_is_searched_or_the_docs_say_why_not() -> None:
    text = (DOCS / "explore.md").read_text("utf-8")
    begins = text.index("These kinds are never injected:")
    table = text[begins : text.index("\n\nDrawn schedules", begins)]
    rows = (row.split(" | ")[0] for row in table.splitlines())
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert named == {name for name, kind in KINDS.items() if kind.facts.search is None}
    searched = {name: kind.facts.search for name, kind in KINDS.items() if kind.facts.search}
    on_request = {name for name, search in searched.items() if search.is_on_request}
    assert all(f"`--kind {name}`" in text for name in on_request)
    # As the help says it.
    cli = (DOCS / "cli.md").read_text("utf-8")
    assert f"default: all but {' and '.join(sorted(on_request, reverse=True))}" in cli
