"""Runs over time: verdicts, tolerances and recovery, and evidence that has expired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from paychain.analysis.measures.measures import Verdict
from paychain.declaration.quantity import count
from paychain.payments.errors import UserError
from paychain.report.ci.checks import plain
from paychain.report.evidence.history import is_signed
from paychain.report.html.page import asset, csp_hash, stylesheet
from paychain.report.result import FILE_NAME, Result, read
from paychain.report.text.wording import MARKS, TOLERANCE_RESULTS, seconds, tolerance_title

STALE_DAYS = 365  # critical functions are tested at least yearly (DORA 24(6), docs/domain.md §4.1)
MAX_SHOWN = 50  # runs of an experiment, newest first
DAY_S = 86_400
ABOUT_NOW_DAYS = 1  # by which the clocks of two machines may differ


@dataclass(frozen=True)
class HistoryRun:
    """One run of a history."""

    folder: str
    result: Result
    is_signed: bool

    @property
    def ended(self) -> datetime:
        """When the run ended."""
        return datetime.fromisoformat(self.result.ended_at)

    @property
    def ended_text(self) -> str:
        """`2026-11-30 01:50 UTC`."""
        return f"{self.ended.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class RunLine:
    """All runs of one experiment on one chain, oldest first."""

    chain: str
    experiment: str
    entries: Sequence[HistoryRun]
    now: datetime
    stale_days: int

    @property
    def last(self) -> HistoryRun:
        """The newest run."""
        return self.entries[-1]

    @property
    def evidence(self) -> HistoryRun | None:
        """The newest conclusive run; one that is dated in the future only if there is no other."""
        conclusive = [
            entry for entry in self.entries if entry.result.verdict is not Verdict.INCONCLUSIVE
        ]
        past = [entry for entry in conclusive if not self._is_future(entry)]
        found = past or conclusive
        return found[-1] if found else None

    @property
    def age_days(self) -> float | None:
        """Days since the evidence; None when there is none."""
        return self._age_days(self.evidence) if self.evidence is not None else None

    def _is_future(self, entry: HistoryRun) -> bool:
        return self._age_days(entry) < -ABOUT_NOW_DAYS

    def _age_days(self, entry: HistoryRun) -> float:
        return (self.now - entry.ended).total_seconds() / DAY_S

    @property
    def is_stale(self) -> bool:
        """Whether there is no current evidence."""
        return bool(self.flaw)

    @property
    def flaw(self) -> str:
        """Why there is no current evidence; "" if there is some."""
        if self.age_days is not None and self.age_days < -ABOUT_NOW_DAYS:
            return "the clock was wrong"
        if any(
            self._is_future(entry) and entry.result.verdict is Verdict.FAIL
            for entry in self.entries
        ):
            return "a failed run is dated in the future"
        return "expired" if self.age_days is None or self.age_days > self.stale_days else ""

    @property
    def age(self) -> str:
        """The age of the evidence in words."""
        if self.age_days is None:
            return "no conclusive run"
        if self.age_days < -ABOUT_NOW_DAYS:
            return f"dated {-self.age_days:.0f} days in the future"
        return f"{max(0.0, self.age_days):.0f} days old"

    @property
    def verdicts(self) -> str:
        """A mark per run, the newest last."""
        return "".join(MARKS[entry.result.verdict] for entry in self.entries[-MAX_SHOWN:])

    @property
    def tolerances(self) -> dict[str, str]:
        """Titles of all tolerances of the shown runs, by id, in the order of their appearance."""
        return {
            tolerance.id: tolerance_title(tolerance)
            for entry in self.entries[-MAX_SHOWN:]
            for tolerance in entry.result.tolerances
        }

    def cell(self, entry: HistoryRun, tolerance_id: str) -> tuple[str, bool | None]:
        """What a run observed, with its mark, and whether the tolerance held."""
        for tolerance in entry.result.tolerances:
            if tolerance.id == tolerance_id:
                mark = TOLERANCE_RESULTS[tolerance.passed][0]
                return f"{mark} {tolerance.observed_text}", tolerance.passed
        return "–", None


def history(folder: Path, now: datetime, stale_days: int = STALE_DAYS) -> list[RunLine]:
    """All pairs of chain and experiment that have runs in a folder, sorted by name.

    Runs of another schema version are skipped. Raises UserError when there is no run at all.
    """
    found: dict[tuple[str, str], list[HistoryRun]] = defaultdict(list)
    for path in sorted(folder.rglob(FILE_NAME)):
        try:
            result = read(path.parent)
        except UserError:
            continue
        name = path.parent.relative_to(folder).as_posix()
        key = (result.chain.name, result.experiment.name)
        found[key].append(HistoryRun(name, result, is_signed(path.parent)))
    if not found:
        raise UserError(
            f"no runs in {folder}", hint="name the folder that holds the run directories"
        )
    return [
        RunLine(*key, sorted(entries, key=lambda entry: entry.ended), now, stale_days)
        for key, entries in sorted(found.items())
    ]


def render_history(lines: Sequence[RunLine]) -> str:
    """The page as HTML; its links are relative to the folder of the runs."""
    style = stylesheet()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["seconds"] = seconds
    page = environment.from_string(asset("history.html.j2")).render(
        lines=lines,
        count=count,
        style=Markup(style),  # noqa: S704  (our own style sheet)
        style_hash=csp_hash(style),
        marks=MARKS,
        max_shown=MAX_SHOWN,
        stale=[line for line in lines if line.is_stale],
        classes={True: "good", False: "bad-cell", None: "none"},
        verdicts={Verdict.PASS: True, Verdict.FAIL: False, Verdict.INCONCLUSIVE: None},
        money_findings=lambda result: sum(rule.findings for rule in result.money.rules),
    )
    return plain(page)


def history_lines(lines: Sequence[RunLine]) -> list[str]:
    """The history for a terminal: a line per experiment, with expired evidence marked."""
    names = [f"{line.experiment} on {line.chain}" for line in lines]
    width = max(map(len, names), default=0)
    shown = []
    for name, line in zip(names, lines, strict=True):
        flaw = f"  ▲ {line.flaw}" if line.flaw else ""
        shown.append(f"{name:<{width}}  {line.verdicts[-20:]}  {line.age}{flaw}")
    return shown
