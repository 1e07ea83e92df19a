"""A recording as an experiment file that replays it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from paychain.board.timeline import FaultTimeline, Step
from paychain.payments.errors import UserError

FOLDER = Path("chaos/recorded")
MIN_BEFORE = 20  # payments: with fewer, a share before the faults is not judged
MAX_STEPS = 1_000  # of the load in one file: the limit of the model
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def experiment_of(
    timeline: FaultTimeline, now_s: float, *, name: str, title: str
) -> dict[str, Any]:
    """The experiment that replays a timeline, as a file declares it.

    Faults start at the moments they did; those that are still on end with the timeline.
    """
    assert timeline.rates  # a load began
    end_s = round(timeline.end_s(now_s), 3)
    windows = sorted(timeline.faults.values(), key=lambda window: window.from_s)
    # An experiment counts `at` from the end of its `before` phase: the first fault is at 0 s.
    first_s = min((window.from_s for window in windows), default=end_s)
    last_s = max((window.until_s or end_s for window in windows), default=end_s)
    steps = _limited([step for step in timeline.rates if step[0] < end_s], end_s)
    faults = [
        window.fault
        | {
            "at": _seconds(window.from_s - first_s),
            "for": _seconds((window.until_s or end_s) - window.from_s),
        }
        for window in windows
    ]
    if len(steps) == 1:
        arrivals: Any = f"{steps[0][1]:g}/s"
    else:
        arrivals = {
            "steps": [{"at": _seconds(at_s), "rate": f"{rate:g}/s"} for at_s, rate in steps]
        }
    return {
        "experiment": name,
        "title": title,
        "load": {
            "arrivals": arrivals,
            "warm_up": "0s",
            "before": _seconds(first_s),
            "after": _seconds(end_s - last_s),
        },
        "faults": [_in_order(fault) for fault in faults],
        "tolerances": _tolerances(steps, first_s, bool(faults)),
    }


def file_text(declared: dict[str, Any], *, chain: str, seed: int, command: str) -> str:
    """The text of the file, with comments on its origin and how to reproduce it."""
    lines = (
        f"# Recorded by hand on {chain} with paychain load; seed {seed}.",
        f"# Reproduce: {command}",
        "# Times are relative to the end of `before`: the moment the first fault took effect.",
        "# The tolerances are defaults: replace them with those of your chain.",
    )
    body = yaml.dump(declared, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100)
    # A line break in a name or command must not end the comment.
    comments = [line.replace("\n", " ").replace("\r", " ") for line in lines]
    return "\n".join(comments) + "\n" + body


def file_name(name: str, day: str) -> str:
    """`2026-11-24-processor-a-down`. Raises UserError for an invalid name."""
    name = name.strip().lower().replace(" ", "-") or "by-hand"
    if _NAME.fullmatch(name) is None:
        raise UserError(
            f"'{name[:60]}' is not a valid name",
            hint="use at most 40 lowercase letters, digits and hyphens",
        )
    return f"{day}-{name}"


def free_name(name: str, folder: Path) -> str:
    """The name, with a number if such a file exists already. Raises UserError."""
    candidates = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    for candidate in candidates:
        if not (folder / f"{candidate}.yaml").exists():
            return candidate
    raise UserError(
        f"{folder} has {len(candidates)} files with that name", hint="choose another name"
    )


def _limited(steps: list[Step], end_s: float) -> list[Step]:
    """Merge neighbouring steps, with the same number of payments, until they fit into one file.

    Only a slow ramp on Locust's own page has that many: one step for each payment per second.
    """
    while len(steps) > MAX_STEPS:
        ends = [*(at_s for at_s, _ in steps[1:]), end_s]
        merged = []
        for first in range(0, len(steps), 2):
            pair = list(zip(steps[first : first + 2], ends[first : first + 2], strict=True))
            payments = sum(rate * (until_s - at_s) for (at_s, rate), until_s in pair)
            start_s, until_s = pair[0][0][0], pair[-1][1]
            merged.append((start_s, payments / (until_s - start_s)))
        steps = merged
    return steps


def _tolerances(steps: list[Step], first_s: float, has_faults: bool) -> dict[str, Any]:
    ends = [*(at_s for at_s, _ in steps[1:]), first_s]
    offered = sum(
        rate * max(0.0, min(end_s, first_s) - at_s)
        for (at_s, rate), end_s in zip(steps, ends, strict=True)
    )
    success: Any = ">= 95%"
    if has_faults:
        before = {"before": ">= 99%"} if offered >= MIN_BEFORE else {}
        success = before | {"during": ">= 95%"}
    return {"technical_success": success, "double_charges": 0, "orphaned_authorisations": 0}


def _in_order(fault: dict[str, Any]) -> dict[str, Any]:
    """Its id, time and target first, as people write a fault."""
    first = {key: fault[key] for key in ("id", "at", "for", "target")}
    return first | {key: value for key, value in fault.items() if key not in first}


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}".rstrip("0").rstrip(".") + "s"


class _Readable(yaml.SafeDumper):
    """Writes small mappings on one line, as people do."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """Flow style for a fault, a step or anything smaller."""
        node = super().represent_mapping(tag, mapping, flow_style)
        keys = set(mapping)
        if keys & {"id", "at", "arrivals", "during"} or not keys & {"experiment", "steps"}:
            node.flow_style = not ("arrivals" in keys and isinstance(mapping["arrivals"], dict))
        if "double_charges" in keys:
            node.flow_style = False
        return node
