"""What was done by hand, as a timeline; and that timeline as an experiment file that replays it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from harness.payments.errors import UserError

FOLDER = Path("chaos/recorded")
FEW_BEFORE = 20  # payments: with fewer, a share before the faults is not judged
MOST_STEPS = 1_000  # of the load in one file, as the model allows
MOST_FAULTS = 1_000
Step = tuple[float, float]  # from this second on, payments a second
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Switched:
    """A fault that was on from one moment to another, in seconds since the load began."""

    fault: dict[str, Any]  # as a file writes it, without its times
    from_s: float
    until_s: float | None = None  # None: it is on


@dataclass
class Recording:
    """Everything that was done since the load began. Times are seconds since then."""

    rates: list[Step] = field(default_factory=list)
    faults: dict[str, Switched] = field(default_factory=dict)  # by id, in the order they came

    def on(self, fault_id: str, fault: dict[str, Any], at_s: float) -> None:
        """A fault took effect; one that was on before the load counts from its start."""
        self.faults[fault_id] = Switched(fault, round(max(0.0, at_s), 3))

    def off(self, fault_id: str, at_s: float) -> None:
        """A fault was healed; one that was over before the load began is no part of it."""
        one = self.faults.pop(fault_id)
        if at_s > 0:
            until_s = max(round(at_s, 3), one.from_s + 0.001)
            self.faults[fault_id] = replace(one, until_s=until_s)

    @property
    def is_full(self) -> bool:
        """It holds all the faults that a file may."""
        return len(self.faults) >= MOST_FAULTS

    def end_s(self, now_s: float) -> float:
        """Where it ends: idle time after the last payment and the last heal is no part of it."""
        if any(one.until_s is None for one in self.faults.values()) or not self.rates:
            return now_s
        last_s, rate = self.rates[-1]
        ends = [one.until_s or 0.0 for one in self.faults.values()]
        return max([last_s if rate == 0 else now_s, *ends])


def experiment_of(recording: Recording, now_s: float, *, name: str, title: str) -> dict[str, Any]:
    """The experiment that repeats a recording. All in it is healed; faults at their moments."""
    assert recording.rates  # a load began
    end_s = round(recording.end_s(now_s), 3)
    ons = sorted(recording.faults.values(), key=lambda one: one.from_s)
    first_s = min((one.from_s for one in ons), default=end_s)
    last_s = max((one.until_s or end_s for one in ons), default=end_s)
    steps = _few_enough([step for step in recording.rates if step[0] < end_s], end_s)
    faults = [
        one.fault | {"at": _s(one.from_s - first_s), "for": _s((one.until_s or end_s) - one.from_s)}
        for one in ons
    ]
    if len(steps) == 1:
        arrivals: Any = f"{steps[0][1]:g}/s"
    else:
        arrivals = {"steps": [{"at": _s(at_s), "rate": f"{rate:g}/s"} for at_s, rate in steps]}
    return {
        "experiment": name,
        "title": title,
        "load": {
            "arrivals": arrivals, "warm_up": "0s", "before": _s(first_s),
            "after": _s(end_s - last_s),
        },
        "faults": [_in_order(one) for one in faults],
        "tolerances": _tolerances(steps, first_s, bool(faults)),
    }  # fmt: skip


def file_text(declared: dict[str, Any], *, chain: str, seed: int, command: str) -> str:
    """The file, with what it is and how to repeat it."""
    lines = (
        f"# Recorded by hand on {chain} with paychain load; seed {seed}.",
        f"# Repeat it: {command}",
        "# Times count from the end of `before`: the moment the first fault took effect. The",
        "# tolerances are the usual ones: write those that your chain has to keep.",
    )
    body = yaml.dump(declared, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines) + "\n" + body


def file_name(name: str, day: str) -> str:
    """`2026-11-24-processor-a-down`. Raises UserError for what cannot be a name."""
    name = name.strip().lower().replace(" ", "-") or "by-hand"
    if _NAME.fullmatch(name) is None:
        raise UserError(
            f"'{name[:60]}' cannot be a name", mend="small letters, digits and hyphens, at most 40"
        )
    return f"{day}-{name}"


def free_name(name: str, folder: Path) -> str:
    """The name, or with a number when there is such a file already."""
    tried = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    for one in tried:
        if not (folder / f"{one}.yaml").exists():
            return one
    raise UserError(f"{folder} has {len(tried)} files of that name", mend="give another name")


def _few_enough(steps: list[Step], end_s: float) -> list[Step]:
    """Neighbours are merged, at the rate that brings as many payments, until a file may hold all.

    Only a slow ramp of Locust's own has so many steps, each a payment a second higher.
    """
    while len(steps) > MOST_STEPS:
        ends = [*(at_s for at_s, _ in steps[1:]), end_s]
        merged = []
        for one in range(0, len(steps), 2):
            pair = list(zip(steps[one : one + 2], ends[one : one + 2], strict=True))
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
        before = {"before": ">= 99%"} if offered >= FEW_BEFORE else {}
        success = before | {"during": ">= 95%"}
    return {"technical_success": success, "double_charges": 0, "orphaned_authorisations": 0}


def _in_order(fault: dict[str, Any]) -> dict[str, Any]:
    """Id, time, place, and then what it is."""
    first = {key: fault[key] for key in ("id", "at", "for", "target")}
    return first | {key: value for key, value in fault.items() if key not in first}


def _s(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}".rstrip("0").rstrip(".") + "s"


class _Readable(yaml.SafeDumper):
    """Small things on one line, as people write them."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """In flow style when it is one fault, one step or less."""
        node = super().represent_mapping(tag, mapping, flow_style)
        keys = set(mapping)
        if keys & {"id", "at", "arrivals", "during"} or not keys & {"experiment", "steps"}:
            node.flow_style = not ("arrivals" in keys and isinstance(mapping["arrivals"], dict))
        if "double_charges" in keys:
            node.flow_style = False
        return node
