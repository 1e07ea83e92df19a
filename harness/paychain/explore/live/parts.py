"""A search on running chains, made on several machines: what each part found, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from paychain.explore.live.result import FoundScript, LiveResult, LiveSpec
from paychain.explore.live.steps import size
from paychain.explore.parts import ExplorePart, LiveCounts, Merged, PartFinding, keep_part

_THROUGH_OUTAGE = 100  # steps that an outage counts as: more than any script has


def write_live_part(
    result: LiveResult,
    spec: LiveSpec,
    chain: str,
    *,
    files: Mapping[str, tuple[Path, Sequence[str]]],
    warnings: Sequence[str],
    search: dict[str, str],
    folder: Path,
) -> Path:
    """Write what a part found; the file's path.

    `files`: for each rule that broke the experiment that replays it, and the lines that describe
    it. `search`: what was asked for; the same for all parts.
    """
    found = [
        PartFinding(
            rule=rule,
            size=preference(script),
            lines=list(files[rule][1]),
            file=files[rule][0].name,
            text=files[rule][0].read_text("utf-8"),
        )
        for rule, script in result.found.items()
    ]
    counts = LiveCounts(
        scripts=result.scripts,
        met=result.met,
        requests=result.requests,
        controls=result.controls,
        payment_s=result.payment_s,
        warnings=list(warnings),
    )
    part = ExplorePart(
        part=str(spec.part),
        chain=chain,
        search=search,
        took_s=result.took_s,
        was_interrupted=result.was_interrupted,
        found=found,
        live=counts,
    )
    return keep_part(part, folder)


def preference(found: FoundScript) -> tuple[int, int, int, int, int, str]:
    """Orders what parts found, the preferred first: fewer steps, then certain, then simpler ones.

    What needs no outage is preferred to what does.
    """
    steps, ranks, numbers, ms = size(found.steps)
    steps += _THROUGH_OUTAGE if found.outage is not None else 0
    is_certain = found.is_minimal and bool(found.reproduced)
    return steps, int(not is_certain), ranks, numbers, ms, found.words


def tried(merged: Merged) -> LiveResult:
    """How much all parts have tried. A payment takes as long as in the median part."""
    whole = LiveResult(took_s=merged.took_s, was_interrupted=merged.was_interrupted)
    for counts in (part.live for part in merged.parts if part.live is not None):
        whole.scripts += counts.scripts
        whole.met += counts.met
        whole.requests += counts.requests
        whole.controls += counts.controls
        whole.controls_s.append(counts.payment_s)
    return whole


def warnings_of(merged: Merged) -> list[str]:
    """What a reader must know of how each part went."""
    return [
        f"part {part.part}: {line}"
        for part in merged.parts
        for line in (part.live.warnings if part.live is not None else ())
    ]
