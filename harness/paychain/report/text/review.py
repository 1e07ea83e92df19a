"""Review findings as text: how many, what each costs, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from paychain.declaration.quantity import count
from paychain.model.finding_kinds import Cost
from paychain.model.review import ReviewFinding

WIDTH = 100
_INDENT = "    "
_CAN: dict[Cost, str] = {
    "money": "can lose money",
    "orphaned": "can leave money held",
    "availability": "can fail payments",
}


def finding_lines(findings: Sequence[ReviewFinding]) -> list[str]:
    """How many there are, then each open finding with its place and its remedy.

    Accepted ones are counted, those that no chain can avoid are named in one line. Why a kind
    matters, and a remedy that is the same for all of a kind, stand at its first finding.
    """
    shown = [finding for finding in findings if finding.is_open]
    lines = [review_summary(findings)]
    explained: set[str] = set()
    for finding in shown:
        lines.append(f"{finding.place}: {finding.kind}: {finding.what}")
        if finding.kind not in explained:
            why = f"{finding.why} ({finding.source})"
            # Names of files have hyphens: a command that is broken there cannot be copied.
            lines += wrap(
                why,
                WIDTH,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
                break_on_hyphens=False,
                break_long_words=False,
            )
        # A remedy is never wrapped: it is copied from the terminal.
        parts = _remedy(finding, is_first=finding.kind not in explained)
        lines += [f"{_INDENT}{part}" for part in parts]
        explained.add(finding.kind)
    unavoidable = [finding.at for finding in findings if finding.unavoidable]
    if unavoidable:
        what = "every chain has single points of failure, and this one's are"
        lines.append(f"{what}: {', '.join(dict.fromkeys(unavoidable))}")
    return lines


def review_summary(findings: Sequence[ReviewFinding]) -> str:
    """`review: 3 findings (1 can lose money, 2 can fail payments), 1 accepted`."""
    shown = [finding for finding in findings if finding.is_open]
    counted = {cost: sum(finding.costs == cost for finding in shown) for cost in _CAN}
    line = f"review: {count(len(shown), 'finding')}" if shown else "review: no findings"
    costs = ", ".join(f"{number} {_CAN[cost]}" for cost, number in counted.items() if number)
    if costs:
        line += f" ({costs})"
    accepted = sum(bool(finding.accepted) for finding in findings)
    return f"{line}, {accepted} accepted" if accepted else line


def _remedy(finding: ReviewFinding, *, is_first: bool) -> list[str]:
    """What to change. Where no setting removes a finding, how to avoid or to accept it."""
    if finding.remedy is None or finding.remedy.action == "add":
        return [f"hint: {finding.hint}", f"remedy: {finding.remedy}"] if is_first else []
    return [f"remedy: {finding.remedy}"]
