"""The recipes of CONTRIBUTING.md, followed literally in a copy of the package."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import paychain

PACKAGE = Path(paychain.__file__).parent
CONTRIBUTING = PACKAGE.parents[1] / "CONTRIBUTING.md"
_ROW = re.compile(r"^\| ([a-z' ]+) \| `([^`]+\.py)` \| `(\w+)` of `([^`]+\.py)` \|$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A row of the table: paths within the package, and the name of the registry."""

    thing: str
    copied: str
    registry: str
    registry_file: str


def recipes() -> dict[str, Recipe]:
    """The table of CONTRIBUTING.md by what is new."""
    rows = (Recipe(*row) for row in _ROW.findall(CONTRIBUTING.read_text("utf-8")))
    return {row.thing: row for row in rows}


@dataclass(frozen=True)
class NewThing:
    """Something new of a kind: the module's name, the words replaced in the copy, and the entry.

    `imported` is the name that the entry needs, "" for none. `field` is a line that `Result` gets.
    """

    module: str
    replaced: dict[str, str]
    imported: str
    entry: str
    field: str = ""


def copy_package(folder: Path) -> Path:
    """A copy of the package that a test may change."""
    copy = folder / "paychain"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*-pytest-*.pyc"))
    return copy


def follow(recipe: Recipe, new: NewThing, package: Path) -> None:
    """Copy the module, rename what is in it, and enter it with its import."""
    copied = package / recipe.copied
    module = copied.with_name(f"{new.module}.py")
    assert not module.exists()
    text = copied.read_text("utf-8")
    for old, word in new.replaced.items():
        assert old in text, f"{recipe.copied} has no {old}"
        text = text.replace(old, word)
    module.write_text(text, "utf-8")
    if new.field:
        result = package / "report" / "result.py"
        result.write_text(_with_field(result.read_text("utf-8"), new.field), "utf-8")
    registry = package / recipe.registry_file
    registry.write_text(_entered(registry.read_text("utf-8"), recipe, new), "utf-8")


def _with_field(text: str, field: str) -> str:
    last = re.compile(r"^class Result\(.*?(?=\n\n\n)", re.MULTILINE | re.DOTALL)
    assert last.search(text)
    return last.sub(lambda match: f"{match[0]}\n    {field}", text, count=1)


def _entered(text: str, recipe: Recipe, new: NewThing) -> str:
    opening = re.compile(rf"^{recipe.registry}\b[^=\n]* = [{{(]\n", re.MULTILINE)
    assert opening.search(text), f"{recipe.registry_file} has no {recipe.registry}"
    text = opening.sub(lambda match: f"{match[0]}    {new.entry},\n", text, count=1)
    if not new.imported:
        return text
    dotted = ".".join(("paychain", *Path(recipe.copied).with_name(new.module).parts))
    line = f"from {dotted} import {new.imported}\n"
    future = "from __future__ import annotations\n\n"
    assert future in text
    return text.replace(future, future + line, 1)
