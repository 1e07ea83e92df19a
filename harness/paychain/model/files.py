"""The files of chains and experiments: by name or path, the user's own and the shipped ones.

Imports nothing heavy: a shell asks for the names while somebody types.
"""

from __future__ import annotations

from pathlib import Path

from paychain.payments.errors import UserError, meant

SUFFIXES = (".yaml", ".yml")
FOLDERS = {"chain": "chains", "experiment": "chaos"}
_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = (_PACKAGE.parents[1], _PACKAGE / "shipped")  # in a checkout, and installed


def find(spec: str, kind: str) -> Path:
    """The file of a name or path: the user's own files come before the shipped ones.

    Raises UserError when there is none.
    """
    # What has a slash or an ending is a path, anything else is a name.
    if "/" in spec or spec.endswith(SUFFIXES):
        path = Path(spec)
        if path.is_dir():
            raise _folder(spec, kind)
        if not path.is_file():
            raise UserError(f"no such {kind} file: {spec}", hint="check the path")
        return path
    known = available(kind)
    if spec not in known:
        if Path(spec).is_dir():
            raise _folder(spec, kind)
        if Path(f"{spec}.yaml").is_file():
            raise UserError(f"no {kind} named '{spec}'", hint=f"did you mean '{spec}.yaml'?")
        raise UserError(f"no {kind} named '{spec}'", hint=meant(spec, sorted(known)))
    return known[spec]


def _folder(spec: str, kind: str) -> UserError:
    return UserError(f"{spec} is a folder", hint=f"name one {kind} file in it")


def available(kind: str) -> dict[str, Path]:
    """Names and files of the user's and the shipped chains or experiments."""
    found: dict[str, Path] = {}
    for root in (Path(), *SHIPPED):
        for path in sorted((root / FOLDERS[kind]).rglob("*.y*ml")):
            if path.suffix in SUFFIXES:
                found.setdefault(path.stem, path)
    return found
