"""paychain list: the chains and experiments that commands take by name."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.options import ListFormat
from paychain.cli.say import say

if TYPE_CHECKING:
    from pathlib import Path

STANDARD_FAULT = "standard fault"
_TITLE = re.compile(r"^title:.*(?:\n[ \t]+\S.*)*", re.MULTILINE)


class ListedKind(StrEnum):
    """What can be listed."""

    CHAINS = "chains"
    EXPERIMENTS = "experiments"


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """One file: `kind` is chain, experiment or standard fault (one that a matrix puts anywhere)."""

    name: str
    kind: str
    title: str
    file: str
    shipped: bool


def list_(
    what: Annotated[
        ListedKind | None, typer.Argument(metavar="chains|experiments", help="default: both")
    ] = None,
    format: Annotated[
        ListFormat, typer.Option("--format", help="how to print them")
    ] = ListFormat.TEXT,
) -> None:
    """List chains and experiments with their titles: yours in chains/ and chaos/, and shipped ones.

    A standard fault has no link of its own: paychain matrix injects it into every link in turn.

    Example: paychain list experiments
    """
    items = [
        item
        for kind in ("chain", "experiment")
        if what is None or what.value == f"{kind}s"
        for item in listed(kind)
    ]
    if format is ListFormat.JSON:
        import json

        print(json.dumps([asdict(item) for item in items], indent=2, ensure_ascii=False))
        return
    say(*_lines(items))


def listed(kind: str) -> list[ListedFile]:
    """All files of a kind, chain or experiment, sorted by name within each folder."""
    from paychain.declaration.text import read_text
    from paychain.faults.target import may_be_for_every_link
    from paychain.model.files import SHIPPED, available

    found = []
    for name, path in available(kind).items():
        text, _ = read_text(path)
        is_standard = kind == "experiment" and may_be_for_every_link(text)
        found.append(
            ListedFile(
                name=name,
                kind=STANDARD_FAULT if is_standard else kind,
                title=_title(text),
                file=str(path),
                shipped=any(_is_below(path, root) for root in SHIPPED),
            )
        )
    return found


def _is_below(path: Path, root: Path) -> bool:
    return path.is_absolute() and path.is_relative_to(root)


def _title(text: str) -> str:
    """The title of a file, which may have mistakes elsewhere; empty without one."""
    import yaml

    match = _TITLE.search(text)
    if match is None:
        return ""
    try:
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        # A BaseLoader makes nothing but texts, lists and mappings.
        value = yaml.load(match[0], loader)["title"]  # noqa: S506  (see above)
    except yaml.YAMLError:
        return ""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _lines(items: list[ListedFile]) -> list[str]:
    """A heading for each kind, yours before the shipped ones."""
    lines: list[str] = []
    width = max((len(item.name) for item in items), default=0)
    for kind in ("chain", "experiment", STANDARD_FAULT):
        for is_shipped in (False, True):
            part = [item for item in items if item.kind == kind and item.shipped is is_shipped]
            if not part:
                continue
            lines += [""] if lines else []
            lines.append(f"{'shipped ' if is_shipped else 'your '}{kind}s")
            lines += [f"  {item.name:<{width}}  {item.title}".rstrip() for item in part]
    return lines or ["no chains and experiments here: paychain init writes some"]
