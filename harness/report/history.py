"""Many runs over time: verdicts, tolerances and recoveries, and evidence that has grown old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.analysis.measured import Verdict
from harness.payments.errors import UserError
from harness.report.evidence import is_signed
from harness.report.html import asset, csp_hash, stylesheet
from harness.report.result import FILE_NAME, Result, read
from harness.report.wording import JUDGED, MARKS, seconds

STALE_DAYS = 365  # critical functions are tested at least yearly (DORA 24(6), domain.md §4.1)
SHOWN = 50  # runs of one experiment, the newest ones
DAY_S = 86_400


@dataclass(frozen=True)
class Entry:
    """One run of a history."""

    folder: str
    result: Result
    is_signed: bool

    @property
    def ended(self) -> datetime:
        """When it was over."""
        return datetime.fromisoformat(self.result.ended_at)


@dataclass(frozen=True)
class Line:
    """All runs of one experiment on one chain, oldest first."""

    chain: str
    experiment: str
    entries: Sequence[Entry]
    now: datetime
    stale_days: int

    @property
    def last(self) -> Entry:
        """The newest run."""
        return self.entries[-1]

    @property
    def evidence(self) -> Entry | None:
        """The newest conclusive run: what can be shown today."""
        known = [one for one in self.entries if one.result.verdict is not Verdict.INCONCLUSIVE]
        return known[-1] if known else None

    @property
    def age_days(self) -> float | None:
        """Days since the evidence, None when there is none."""
        if self.evidence is None:
            return None
        return (self.now - self.evidence.ended).total_seconds() / DAY_S

    @property
    def is_stale(self) -> bool:
        """There is no evidence, or it has grown old."""
        return self.age_days is None or self.age_days > self.stale_days

    @property
    def verdicts(self) -> str:
        """A mark per run, the newest last."""
        return "".join(MARKS[one.result.verdict] for one in self.entries[-SHOWN:])

    @property
    def tolerances(self) -> list[str]:
        """Ids of every tolerance that any of the shown runs had."""
        found = {one.id: None for entry in self.entries[-SHOWN:] for one in entry.result.tolerances}
        return list(found)

    def cell(self, entry: Entry, tolerance: str) -> tuple[str, bool | None]:
        """What a run observed, with its mark, and whether it held."""
        for one in entry.result.tolerances:
            if one.id == tolerance:
                return f"{JUDGED[one.passed][0]} {one.observed_text}", one.passed
        return "–", None


def history(folder: Path, now: datetime, stale_days: int = STALE_DAYS) -> list[Line]:
    """Every chain and experiment that has runs in a folder, by name.

    Runs of another version are left out. Raises UserError when there is no run at all.
    """
    found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for path in sorted(folder.rglob(FILE_NAME)):
        try:
            result = read(path.parent)
        except UserError:
            continue
        name = path.parent.relative_to(folder).as_posix()
        key = (result.chain.name, result.experiment.name)
        found[key].append(Entry(name, result, is_signed(path.parent)))
    if not found:
        raise UserError(f"there are no runs in {folder}", mend="name the folder of run directories")
    return [
        Line(*key, sorted(entries, key=lambda one: one.ended), now, stale_days)
        for key, entries in sorted(found.items())
    ]


def render_history(lines: Sequence[Line]) -> str:
    """The page, to be put into the folder of the runs."""
    style = stylesheet()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["seconds"] = seconds
    return environment.from_string(asset("history.html.j2")).render(
        lines=lines,
        style=Markup(style),  # noqa: S704  (our own asset)
        style_hash=csp_hash(style),
        marks=MARKS,
        shown=SHOWN,
        stale=[one for one in lines if one.is_stale],
        classes={True: "good", False: "bad-cell", None: "none"},
        verdicts={Verdict.PASS: True, Verdict.FAIL: False, Verdict.INCONCLUSIVE: None},
        wrong=lambda result: sum(rule.findings for rule in result.money.rules),
    )


def history_lines(lines: Sequence[Line]) -> list[str]:
    """The history for a terminal: a line per experiment, old evidence marked."""
    names = [f"{one.experiment} on {one.chain}" for one in lines]
    width = max(map(len, names), default=0)
    told = []
    for name, one in zip(names, lines, strict=True):
        age = "no conclusive run" if one.age_days is None else f"{one.age_days:.0f} days old"
        stale = "  ▲ grown old" if one.is_stale else ""
        told.append(f"{name:<{width}}  {one.verdicts[-20:]}  {age}{stale}")
    return told
