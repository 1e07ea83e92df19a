"""From a file or a name to a checked model; every mistake of a file at once, with its place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches
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
from harness.model.text import Document, KeyPath, Mistake, parse, read_text
from harness.payments.errors import UserError

Model = TypeVar("Model", bound=Declared)
_PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = (_PACKAGE.parent, _PACKAGE / "shipped")
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
    if "/" in spec or spec.endswith((".yaml", ".yml")):
        path = Path(spec)
        if not path.is_file():
            raise UserError(f"no such {kind} file: {spec}", mend="check the path")
        return path
    known = available(kind)
    if spec not in known:
        close = get_close_matches(spec, known, n=1)
        mend = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(sorted(known))}"
        raise UserError(f"no {kind} named '{spec}'", mend=mend)
    return known[spec]


def available(kind: str) -> dict[str, Path]:
    """Names and files of the user's and the shipped chains or experiments."""
    found: dict[str, Path] = {}
    for root in (Path(), *_SHIPPED):
        for path in sorted((root / _FOLDERS[kind]).rglob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def _load(path: Path, model: type[Model], check: Any) -> Loaded[Model]:
    text, unreadable = read_text(path)
    if unreadable is not None:
        raise FileMistakes(str(path), [unreadable])
    document = parse(text)
    if document.mistakes:
        raise FileMistakes(str(path), document.mistakes)
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


def _mistakes(error: ValidationError, document: Document, model: type[Declared]) -> list[Mistake]:
    found: dict[KeyPath, Mistake] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(document, detail["loc"])
        what, mend, at_key = _sentence(dict(detail), model)
        place = path if at_key or (*path, "") not in document.places else (*path, "")
        # A union reports every branch it tried: the first one for a place says enough.
        found.setdefault(place, Mistake(*document.place(place), what, mend))
    return list(found.values())


def _path_in(document: Document, location: tuple[Any, ...]) -> KeyPath:
    """The part of pydantic's location that exists in the file (it adds names of union branches)."""
    path: KeyPath = ()
    for step in location:
        if (*path, step) in document.places:
            path = (*path, step)
    return path


def _sentence(detail: dict[str, Any], model: type[Declared]) -> tuple[str, str, bool]:
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    match detail["type"]:
        case "extra_forbidden":
            close = get_close_matches(key, _keys(model), n=1, cutoff=0.6)
            mend = f"did you mean '{close[0]}'?" if close else "remove it"
            return f"unknown key '{key}'", mend, True
        case "missing":
            return f"'{key}' is missing", f"add {key}:", True
        case "value_error":
            what, _, mend = str(detail["ctx"]["error"]).partition("; ")
            return what, mend, False
        case "literal_error":
            close = get_close_matches(str(detail["input"]), _words(detail), n=1)
            mend = f"did you mean '{close[0]}'?" if close else f"one of {detail['ctx']['expected']}"
            return f"unknown {_thing(detail)} '{detail['input']}'", mend, False
        case "string_pattern_mismatch":
            return f"'{detail['input']}' is not written as it should be", "see the schema", False
        case "bool_parsing" | "bool_type":
            return f"'{detail['input']}' is neither true nor false", f"write {key}: true", False
        case _:
            return f"{key}: {detail['msg']}", "", False


def _thing(detail: dict[str, Any]) -> str:
    names = [step for step in detail["loc"] if isinstance(step, str) and step != "[key]"]
    return "operation" if "[key]" in detail["loc"] else (names[-1] if names else "value")


def _words(detail: dict[str, Any]) -> list[str]:
    return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")


def _keys(model: type[Declared]) -> list[str]:
    """Every key that any part of a file may have."""
    keys: set[str] = set()
    for definition in [model.model_json_schema(), *model.model_json_schema()["$defs"].values()]:
        keys.update(definition.get("properties", {}))
    return sorted(keys)


def _with_ids(experiment: Experiment) -> Experiment:
    """Faults without an id are called by their kind and number."""
    faults = [
        fault if fault.id else fault.model_copy(update={"id": f"{fault.kind}-{number}"})
        for number, fault in enumerate(experiment.faults, start=1)
    ]
    return experiment.model_copy(update={"faults": faults})
