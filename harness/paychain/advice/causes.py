"""What of a review can be the cause of what a run found, by what the run injected and showed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from paychain.advice.injected import Injected
from paychain.faults.kind import FaultKind
from paychain.faults.kinds.reverts import Reverts
from paychain.faults.kinds.wrong_network import WrongNetwork
from paychain.model.finding_kinds import Kind
from paychain.model.review import ReviewFinding
from paychain.payments.journal import DecisionKind


@dataclass(frozen=True)
class _Run:
    """What a run injected and used, which queues gave up, and which webhooks are refused.

    `used`: by kind (`retry`, `hedge`) the calls that did so; None where that is not known.
    """

    injected: Injected
    given_up: Collection[str]
    refused: Collection[str]
    used: Mapping[str, Collection[str]] | None


_Condition = Callable[[ReviewFinding, _Run], bool]


def _lost_its_memory(finding: ReviewFinding, run: _Run) -> bool:
    return finding.at.partition(".")[0] in run.injected.crashed


def _was_deceived(finding: ReviewFinding, run: _Run) -> bool:
    """It costs nothing as long as every node tells the truth."""
    return finding.at in run.injected.deceived


def _met(kind: type[FaultKind]) -> _Condition:
    """Only one kind of fault makes use of it."""
    return lambda _finding, run: run.injected.has(kind)


def _gave_up(finding: ReviewFinding, run: _Run) -> bool:
    """Or may have: a queue tries after a pause only, and one request after the other."""
    return finding.at in run.given_up or finding.at not in run.injected.outlasted


def _was_not_refused(finding: ReviewFinding, run: _Run) -> bool:
    """What is due goes nowhere by a webhook that is refused, however long that is repeated."""
    return finding.at not in run.refused


def _used(kind: DecisionKind) -> _Condition:
    """What was never used made no payment late, and can be blamed for none that failed."""

    def is_used(finding: ReviewFinding, run: _Run) -> bool:
        if run.used is None:
            return True
        # Where a finding is about a link, its remedy names the call.
        key = finding.remedy.key if finding.remedy is not None else ""
        calls = run.used.get(kind, ())
        return finding.at in calls or any(_is_below(key, call) for call in calls)

    return is_used


def _is_below(key: str, call: str) -> bool:
    link, _, operation = call.rpartition(".")
    return key.startswith(f"links.{link}.calls.{operation}.")


# What must be so in a run for a weakness to be a cause, by its kind; any other may always be one.
_CONDITIONS: dict[Kind, _Condition] = {
    "memory_outbox": _lost_its_memory,
    "one_node_believed": _was_deceived,
    "quorum_at_one_provider": _was_deceived,
    "network_not_checked": _met(WrongNetwork),
    "receipt_not_checked": _met(Reverts),
    "queue_given_up_early": _gave_up,
    "webhook_given_up_early": _was_not_refused,
    "retries_without_budget": _used(DecisionKind.RETRY),
    "lookups_used_up": _used(DecisionKind.RETRY),
    "amplified_retries": _used(DecisionKind.RETRY),
    "hedge_too_early": _used(DecisionKind.HEDGE),
}


def possible_causes(
    review: Sequence[ReviewFinding],
    injected: Injected,
    given_up: Collection[str] = (),
    used: Mapping[str, Collection[str]] | None = None,
) -> list[ReviewFinding]:
    """The review's findings without those that this run cannot show.

    `given_up`: the calls whose queues gave up something in the run, also after a fault that was
    shorter. `used`: the calls that were retried or hedged; None where that is not known.
    """
    refused = {finding.at for finding in review if finding.kind == "webhook_refused"}
    run = _Run(injected, given_up, refused, used)
    return [
        finding
        for finding in review
        if finding.kind not in _CONDITIONS or _CONDITIONS[finding.kind](finding, run)
    ]
