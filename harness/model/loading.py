"""From a file or a name to a checked model; every mistake of a file at once, with its place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from harness.model.assurance import Assurance
from harness.model.chain import Chain
from harness.model.checks import check_chain, check_experiment
from harness.model.experiment import Experiment
from harness.model.load import read_recorded
from harness.model.problem import Problem
from harness.model.schema import Declared
from harness.model.sentence import sentence
from harness.model.text import Document, KeyPath, Mistake, parse, read_text
from harness.payments.errors import UserError, meant

Model = TypeVar("Model", bound=Declared)
_PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = (_PACKAGE.parent, _PACKAGE / "shipped")
SUFFIXES = (".yaml", ".yml")
_FOLDERS = {"chain": "chains", "experiment": "chaos"}


class FileMistakes(UserError):
    """All mistakes of one file, each as `file:line:column: what; how to mend`."""

    def __init__(self, path: str, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        self.lines = [
            f"{path}:{one.line}:{one.column}: {one.what}" + (f"; {one.mend}" if one.mend else "")
            for one in self.mistakes
        ]
        count = f"{len(self.lines)} mistake{'s' if len(self.lines) > 1 else ''}"
        super().__init__("\n".join([*self.lines, f"{count}; nothing was run"]))


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A checked model with the file it came from."""

    model: Model
    path: Path
    text: str
    document: Document

    @property
    def sha256(self) -> str:
        """Digest of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def place(self, *keys: str | int) -> str:
        """`file:line:column` of a part of the file."""
        line, column = self.document.place(keys)
        return f"{self.path}:{line}:{column}"


def load_chain(spec: str) -> Loaded[Chain]:
    """A chain by name or path. Raises FileMistakes or UserError."""
    return _load(find(spec, "chain"), Chain, check_chain)


def load_experiment(spec: str, chain: Chain | None = None) -> Loaded[Experiment]:
    """An experiment by name or path, checked against a chain when one is given.

    Raises FileMistakes or UserError.
    """

    path = find(spec, "experiment")

    def check(experiment: Experiment) -> list[Problem]:
        found = check_experiment(experiment, chain)
        return found or list(read_recorded(experiment.load, path.parent, experiment.load_lasts))

    loaded = _load(path, Experiment, check)
    return Loaded(_with_ids(loaded.model), loaded.path, loaded.text, loaded.document)


def load_assurance(path: Path) -> Loaded[Assurance]:
    """An assurance file. Raises FileMistakes, or UserError when there is none."""
    if not path.is_file():
        raise UserError(f"no such assurance file: {path}", mend="check the path")
    return _load(path, Assurance, lambda _: [])


def find(spec: str, kind: str) -> Path:
    """The file of a name or path: the user's own first, then the shipped ones.

    Raises UserError when there is none.
    """
    if "/" in spec or spec.endswith(SUFFIXES):
        path = Path(spec)
        if path.is_dir():
            raise _folder(spec, kind)
        if not path.is_file():
            raise UserError(f"no such {kind} file: {spec}", mend="check the path")
        return path
    known = available(kind)
    if spec not in known:
        if Path(spec).is_dir():
            raise _folder(spec, kind)
        if Path(f"{spec}.yaml").is_file():
            raise UserError(f"no {kind} named '{spec}'", mend=f"did you mean '{spec}.yaml'?")
        raise UserError(f"no {kind} named '{spec}'", mend=meant(spec, sorted(known)))
    return known[spec]


def _folder(spec: str, kind: str) -> UserError:
    return UserError(f"{spec} is a folder", mend=f"name one {kind} file in it")


def available(kind: str) -> dict[str, Path]:
    """Names and files of the user's and the shipped chains or experiments."""
    found: dict[str, Path] = {}
    for root in (Path(), *_SHIPPED):
        for path in sorted((root / _FOLDERS[kind]).rglob("*.y*ml")):
            if path.suffix in SUFFIXES:
                found.setdefault(path.stem, path)
    return found


def _load(path: Path, model: type[Model], check: Any) -> Loaded[Model]:
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
        raise FileMistakes(str(path), _mistakes(error, document, model)) from None
    problems: list[Problem] = check(loaded)
    if problems:
        raise FileMistakes(
            str(path),
            [
                Mistake(*document.place((*one.path, "")), one.what, one.mend)
                if (*one.path, "") in document.places
                else Mistake(*document.place(one.path), one.what, one.mend)
                for one in problems
            ],
        )
    return Loaded(loaded, path, text, document)


def _refuse_the_other_kind(path: Path, document: Document, model: type[Declared]) -> None:
    """A chain where an experiment is meant, or the other way round, is one mistake, not ten."""
    kinds = [kind for kind in _FOLDERS if kind in model.model_fields]
    others = [kind for kind in _FOLDERS if kind in document.value and kind not in kinds]
    if kinds and others and kinds[0] not in document.value:
        mend = f"give the {kinds[0]} here: the chain comes first, then the experiment"
        raise UserError(f"{path} is of kind {others[0]}, not {kinds[0]}", mend=mend)


def _mistakes(error: ValidationError, document: Document, model: type[Declared]) -> list[Mistake]:
    found: dict[KeyPath, Mistake] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(document, detail["loc"])
        what, mend, at_key = sentence(dict(detail), model)
        place = path if at_key or (*path, "") not in document.places else (*path, "")
        # A union reports every branch it tried: the first one for a place says enough.
        found.setdefault(place, Mistake(*document.place(place), what, mend))
    # … and where the branch that was meant has a mistake further down, that one says enough.
    return [mistake for place, mistake in found.items() if not _is_told_within(place, found)]


def _is_told_within(place: KeyPath, found: Iterable[KeyPath]) -> bool:
    """Whether a mistake about a whole has another one inside it."""
    whole = place[:-1]
    return place[-1:] == ("",) and any(
        one != place and len(one) > len(whole) and one[: len(whole)] == whole for one in found
    )


def _path_in(document: Document, location: tuple[Any, ...]) -> KeyPath:
    """The part of pydantic's location that exists in the file (it adds names of union branches)."""
    path: KeyPath = ()
    for step in location:
        if (*path, step) in document.places:
            path = (*path, step)
    return path


def _with_ids(experiment: Experiment) -> Experiment:
    """Faults without an id are called by their kind and number."""
    faults = [
        fault if fault.id else fault.model_copy(update={"id": f"{fault.kind}-{number}"})
        for number, fault in enumerate(experiment.faults, start=1)
    ]
    return experiment.model_copy(update={"faults": faults})
