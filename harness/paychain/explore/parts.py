"""A search made on several machines, each with seeds of its own: what each found, put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from paychain.declaration.reading import read_bounded
from paychain.explore.findings import outage_lines, write_outage
from paychain.explore.jobs import SEEDS_APART, preference
from paychain.explore.result import SearchResult
from paychain.explore.spec import SearchSpec
from paychain.payments.errors import UserError
from paychain.processes.files import make_folder, write_atomically
from paychain.processes.part import Part, missing

SCHEMA = "paychain/explore-part/v2"
MAX_BYTES = 16_000_000
PARTS_APART = SEEDS_APART * 4_096  # jobs of one part never use the seeds of another's


class PartFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest outage of one rule that a part found. `size`: the smallest of all counts."""

    rule: str
    size: tuple[int, int, int, int, int, str]
    lines: list[str]
    file: str  # name of the experiment file that replays it
    text: str  # and what is in it


class LiveCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a part of a search on a running chain has tried."""

    scripts: int
    met: int  # of them changed something
    requests: int
    controls: int  # payments without a script
    payment_s: float  # how long one of those takes, the median
    warnings: list[str]  # what a reader must know of how the part went


class ExplorePart(msgspec.Struct, frozen=True, kw_only=True):
    """What one part searched and found. `search`: its specification, the same for all parts."""

    schema: str = SCHEMA
    part: str
    chain: str
    search: dict[str, str]
    took_s: float
    was_interrupted: bool
    found: list[PartFinding]
    schedules: int = 0  # in virtual time
    virtual_s: float = 0.0
    live: LiveCounts | None = None  # on a running chain


class _Versioned(msgspec.Struct):
    """What a part of any version has. The first version did not write its schema."""

    part: str
    schema: str = ""


class Merged(NamedTuple):
    """The parts of one search, each rule's smallest outage with its file, and what is missing."""

    parts: list[ExplorePart]
    written: list[tuple[PartFinding, Path]]
    absent: list[Part]

    @property
    def was_interrupted(self) -> bool:
        """Whether any part was."""
        return any(part.was_interrupted for part in self.parts)

    @property
    def took_s(self) -> float:
        """How long the longest part took."""
        return max(part.took_s for part in self.parts)

    @property
    def result(self) -> SearchResult:
        """How much all parts searched in virtual time."""
        return SearchResult(
            schedules=sum(part.schedules for part in self.parts),
            virtual_s=sum(part.virtual_s for part in self.parts),
            took_s=self.took_s,
            was_interrupted=self.was_interrupted,
        )


def share_of(spec: SearchSpec, part: Part) -> SearchSpec:
    """A part's share of the schedules, with seeds of its own. Seconds are not shared out."""
    most = spec.max_schedules
    return replace(
        spec,
        seed_of_search=spec.seed_of_search + PARTS_APART * (part.number - 1),
        max_schedules=None if most is None else -(-most // part.of),
    )


def write_part(
    result: SearchResult, spec: SearchSpec, part: Part, search: dict[str, str], folder: Path
) -> Path:
    """Write what a part found, beside the experiments of its outages; the file's path."""
    found = []
    for outage in result.found.values():
        path = write_outage(outage, spec, folder)
        found.append(
            PartFinding(
                rule=outage.rule,
                size=preference(outage),
                lines=outage_lines(outage),
                file=path.name,
                text=path.read_text("utf-8"),
            )
        )
    written = ExplorePart(
        part=str(part),
        chain=spec.chain.chain,
        search=search,
        schedules=result.schedules,
        virtual_s=result.virtual_s,
        took_s=result.took_s,
        was_interrupted=result.was_interrupted,
        found=found,
    )
    return keep_part(written, folder)


def keep_part(part: ExplorePart, folder: Path) -> Path:
    """Write a part into a folder, with the version that made it; the file's path."""
    part = msgspec.structs.replace(part, search={**part.search, "version": version("paychain")})
    make_folder(folder)
    path = folder / f"explore-{part.chain}-{Part.read(part.part).slug}.json"
    write_atomically(path, part)
    return path


def read_part(path: Path) -> ExplorePart:
    """The part in a file. Raises UserError when there is none."""
    try:
        data = read_bounded(path, MAX_BYTES)
        # First of all: what else is there may have another form in another version.
        if msgspec.json.decode(data, type=_Versioned).schema == SCHEMA:
            part = msgspec.json.decode(data, type=ExplorePart)
            if all(_FILE.fullmatch(found.file) for found in part.found):
                return part
    except FileNotFoundError:
        raise UserError(f"no such file or folder: {path}", hint=_HINT) from None
    except (OSError, UserError, msgspec.MsgspecError) as error:
        raise UserError(f"{path} is not a part of a search", hint=_HINT) from error
    raise UserError(f"{path} is not a part of a search that this version can read", hint=_HINT)


def merge_parts(paths: Sequence[Path], out: Path) -> Merged:
    """All parts, each rule's smallest outage with its file in `out`, and what is missing.

    Raises UserError when the files are not the parts of one search.
    """
    parts = [(path, read_part(path)) for path in paths]
    first_path, first = parts[0]
    for path, part in parts[1:]:
        if differing := _differences(part, first):
            raise UserError(
                f"{path} belongs to a different search than {first_path}; they differ in "
                f"{', '.join(differing)}",
                hint="make all parts with the same chain, options and version of paychain",
            )
    absent = missing(Part.read(part.part) for _, part in parts)
    smallest: dict[str, PartFinding] = {}
    for _, part in parts:
        for found in part.found:
            known = smallest.get(found.rule)
            if known is None or found.size < known.size:
                smallest[found.rule] = found
    make_folder(out)
    written = []
    for rule in sorted(smallest):
        found = smallest[rule]
        path = out / found.file
        write_atomically(path, found.text)
        written.append((found, path))
    return Merged([part for _, part in parts], written, absent)


def _differences(part: ExplorePart, first: ExplorePart) -> list[str]:
    if part.chain != first.chain:
        return ["chain"]
    keys = sorted({*part.search, *first.search})
    return [_WORDS.get(key, key) for key in keys if part.search.get(key) != first.search.get(key)]


_WORDS = {
    "chain": "the file of the chain",
    "version": "version of paychain",
    "live": "--live",
    "budget_s": "time of search",
    "for": "time of search",
    "success": "required success",
    "works_again_s": "time until it works again",
}
_FILE = re.compile(r"[a-z0-9][a-z0-9-]*\.yaml")  # as write_outage names them: in the folder
_HINT = "name the files that paychain explore --part I/N wrote"
