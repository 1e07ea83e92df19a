"""From a name or a file to a checked model; every mistake of a file at once, with its place.

find → read_text → parse (YAML with places) → pydantic → check → Loaded
          any of them: FileMistakes, one line `file:line:column: what; hint` each
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from paychain.declaration.problem import Problem
from paychain.declaration.schema import Declared
from paychain.declaration.text import Document, KeyPath, Mistake, read_text
from paychain.declaration.yaml_text import parse
from paychain.model.adapters import check_adapters
from paychain.model.assurance import Assurance
from paychain.model.chain import Chain
from paychain.model.checks import check_chain, check_experiment, check_links
from paychain.model.experiment import Experiment
from paychain.model.files import FOLDERS, find, give_here
from paychain.model.judgeable import check_judgeable, check_magic
from paychain.model.ledger_checks import finality_s
from paychain.model.load_checks import read_recorded
from paychain.model.partial import path_in, without_mistakes
from paychain.model.renaming import Names, renamed, used_of
from paychain.model.sentence import sentence
from paychain.payments.errors import UserError, one_line

Model = TypeVar("Model", bound=Declared)
MAX_TEXT = 2_000  # characters of a mistake or a hint: a value in it may be the whole file
NO_NAMES: Names = MappingProxyType({})
NOTHING_KEPT: Mapping[str, Path] = MappingProxyType({})


class FileMistakes(UserError):
    """All mistakes of one file, each a line `file:line:column: what; hint`."""

    is_one_line = False

    def __init__(self, path: str, mistakes: list[Mistake]) -> None:
        self.path = path
        self.mistakes = sorted({_shortened(mistake) for mistake in mistakes})
        self.lines = [
            one_line(
                f"{path}:{mistake.line}:{mistake.column}: {mistake.what}"
                + (f"; {mistake.hint}" if mistake.hint else "")
            )
            for mistake in self.mistakes
        ]
        count = f"{len(self.lines)} mistake{'s' if len(self.lines) > 1 else ''}"
        super().__init__("\n".join([*self.lines, f"{count}; nothing was run"]))


def _shortened(mistake: Mistake) -> Mistake:
    return replace(mistake, what=_ends_of(mistake.what), hint=_ends_of(mistake.hint))


def _ends_of(text: str) -> str:
    half = MAX_TEXT // 2
    return text if len(text) <= MAX_TEXT else f"{text[:half]}…{text[-half:]}"


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A checked model with the file it was read from."""

    model: Model
    path: Path
    text: str
    document: Document

    @property
    def sha256(self) -> str:
        """Digest of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def place(self, *keys: str | int) -> str:
        """`file:line:column` of the nearest known part of a key path."""
        line, column = self.document.place(keys)
        return f"{self.path}:{line}:{column}"


def load_chain(spec: str, *, kept: Mapping[str, Path] = NOTHING_KEPT) -> Loaded[Chain]:
    """A chain by name or path. Raises FileMistakes for its mistakes, UserError without a file.

    `kept`: where files that it names lie, by the name in it, if not where it says.
    """
    path = find(spec, "chain")

    def check(chain: Chain) -> list[Problem]:
        return check_chain(chain) or list(check_adapters(chain, path.parent, kept))

    return _load(path, Chain, check, check_links)


def load_experiment(
    spec: str,
    chain: Chain | None = None,
    names: Names = NO_NAMES,
    *,
    shares_names: bool = False,
    needs_tolerances: bool = False,
    replay: Path | None = None,
    has_load: bool = True,
) -> Loaded[Experiment]:
    """An experiment by name or path, checked against a chain when one is given.

    `names`: what the chain calls the providers and links that the experiment names; `shares_names`:
    some of them may be for other experiments; `needs_tolerances`: an experiment that does not say
    by what it is judged is a mistake; `replay`: where the recorded payments lie, if not where it
    says; `has_load`: its load pays, and not somebody's own tests. Raises FileMistakes for its
    mistakes, UserError without a file or for a name it does not use.
    """
    path = find(spec, "experiment")

    def with_names(experiment: Experiment) -> Experiment:
        used = used_of(names, experiment) if shares_names else names
        return renamed(experiment, used, chain)

    def check(experiment: Experiment) -> list[Problem]:
        experiment = with_names(experiment)
        found = check_experiment(experiment, chain)
        if not found:
            currency = chain.currency if chain is not None else None
            lasts_s = experiment.load_lasts
            found = list(read_recorded(experiment.load, path.parent, replay, lasts_s, currency))
            found = found or list(check_judgeable(experiment))
            found += list(check_magic(experiment)) if has_load else []
        return [*_no_tolerances(experiment), *found] if needs_tolerances else found

    loaded = _load(path, Experiment, check)
    model = with_names(loaded.model).with_ids()
    if chain is not None and "tolerances" in model.model_fields_set:
        limits = model.tolerances.after(finality_s(chain))
        model = model.model_copy(update={"tolerances": limits})
    return Loaded(model, loaded.path, loaded.text, loaded.document)


def _no_tolerances(experiment: Experiment) -> list[Problem]:
    """To be judged by the money rules alone is a decision, so a file that is kept says it."""
    if "tolerances" in experiment.model_fields_set:
        return []
    hint = "add tolerances:, or tolerances: {} to judge by the money rules alone"
    return [Problem((), "the experiment has no tolerances", hint)]


def load_assurance(path: Path) -> Loaded[Assurance]:
    """An assurance file. Raises FileMistakes for its mistakes, UserError without a file."""
    if not path.is_file():
        raise UserError(f"no such assurance file: {path}", hint="check the path")
    return _load(path, Assurance, lambda _: [])


def _load(
    path: Path,
    model: type[Model],
    check: Callable[[Any], list[Problem]],
    check_parts: Callable[[Any], list[Problem]] | None = None,
) -> Loaded[Model]:
    """A checked model of a file.

    `check_parts`: what of `check` can be said of a file that has other mistakes; all without it.
    """
    text, unreadable = read_text(path)
    if unreadable is not None:
        raise FileMistakes(str(path), [unreadable])
    document = parse(text)
    if document.mistakes:
        raise FileMistakes(str(path), document.mistakes)
    _refuse_the_other_kind(path, document, model)
    try:
        loaded = model.model_validate(document.value)
    except ValidationError as error:
        mistakes = _mistakes(error, document, model)
        rest, cut = without_mistakes(document, model, error)
        problems = _in_file(rest, (check_parts or check)(rest)) if rest is not None else []
        # What was cut out is missing on purpose: only what still stands there is judged.
        mistakes += _as_mistakes(document, [item for item in problems if not cut.explains(item)])
        raise FileMistakes(str(path), mistakes) from None
    problems = _in_file(loaded, check(loaded))
    if problems:
        raise FileMistakes(str(path), _as_mistakes(document, problems))
    return Loaded(loaded, path, text, document)


def _in_file(model: Declared, problems: list[Problem]) -> list[Problem]:
    """The problems with their paths as the file has them."""
    if not isinstance(model, Chain):
        return problems
    return [replace(problem, path=model.path_in_file(problem.path)) for problem in problems]


def _as_mistakes(document: Document, problems: Iterable[Problem]) -> list[Mistake]:
    return [
        Mistake(*_place_of_value(document, problem.path), problem.what, problem.hint)
        for problem in problems
    ]


def _place_of_value(document: Document, path: KeyPath) -> tuple[int, int]:
    """Line and column of the value at a path, or of the nearest known part of the path.

    A part that is written in its short form (`funding: 500`) has that value for all that is in it.
    """
    while path and path not in document.places and (*path[:-1], "") in document.places:
        if isinstance(document.value_at(path[:-1]), dict | list):
            break
        path = path[:-1]
    return document.place((*path, "") if (*path, "") in document.places else path)


def _refuse_the_other_kind(path: Path, document: Document, model: type[Declared]) -> None:
    """A chain where an experiment is meant, or the other way round, is one mistake, not ten."""
    kinds = [kind for kind in FOLDERS if kind in model.model_fields]
    others = [kind for kind in FOLDERS if kind in document.value and kind not in kinds]
    if kinds and others and kinds[0] not in document.value:
        what = f"{path} is a file of kind {others[0]}, not {kinds[0]}"
        raise UserError(what, hint=give_here(kinds[0]))


def _mistakes(error: ValidationError, document: Document, model: type[Declared]) -> list[Mistake]:
    found: dict[KeyPath, Mistake] = {}
    for detail in error.errors(include_url=False):
        path = path_in(document, detail["loc"])
        what, hint, at_key = sentence(dict(detail), model, path)
        place = path if at_key or (*path, "") not in document.places else (*path, "")
        # A union reports every branch it tried: the first report for a place is enough. Each
        # missing key is a mistake of its own.
        distinct = (*place, str(detail["loc"][-1])) if detail["type"] == "missing" else place
        found.setdefault(distinct, Mistake(*document.place(place), what, hint))
    # Where the intended branch has a mistake further down, that mistake explains this one.
    above = Counter(place[:length] for place in found for length in range(len(place)))
    return [mistake for place, mistake in found.items() if not _is_explained(place, above)]


def _is_explained(place: KeyPath, above: Mapping[KeyPath, int]) -> bool:
    """Whether a mistake about a value has another mistake inside that value.

    `above`: how many mistakes there are inside each place.
    """
    return place[-1:] == ("",) and above[place[:-1]] > 1
