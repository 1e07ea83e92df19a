"""What keeps a run from a verdict: it was not what was declared, or it left something untried.

A new doubt is a function of the run and a line in one of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from paychain.analysis.injection import injection_problems
from paychain.analysis.measures.hidden import hidden_faults
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.money import money
from paychain.analysis.measures.own_services import (
    own_services,
    unattributed_money,
    unattributed_problems,
)
from paychain.analysis.measures.payments import due, payments, phases
from paychain.analysis.measures.punctuality import LAG_LIMIT_MS
from paychain.analysis.measures.recovery import faults
from paychain.analysis.measures.scripts import scripts, unmet_notes, unmet_steps
from paychain.analysis.measures.slow_starts import slow_starts
from paychain.analysis.measures.stalls import CONDUCTOR, stalls
from paychain.analysis.measures.unfinished import still_failing
from paychain.declaration.quantity import count

_FREE_OF_FAULTS = ("before", "between")  # phases: in recovery a fault may still have effects
Doubts = Callable[[MeasuredRun], Iterable[str]]  # in sentences


def problems(run: MeasuredRun) -> list[str]:
    """Why a run is not the experiment that was declared, each once: it is inconclusive then."""
    found = (sentence for doubts in _PROBLEMS for sentence in doubts(run))
    return list(dict.fromkeys(found))


def questions(run: MeasuredRun) -> list[str]:
    """What a run that passes otherwise leaves open: it is inconclusive then."""
    return [sentence for doubts in _QUESTIONS for sentence in doubts(run)]


def notes(run: MeasuredRun) -> list[str]:
    """What a reader must know although it does not decide the verdict."""
    return [sentence for doubts in _NOTES for sentence in doubts(run)]


def _of_the_harness(run: MeasuredRun) -> Iterable[str]:
    """What went wrong in the harness while it ran."""
    return run.facts.problems


def late_load(run: MeasuredRun) -> Iterator[str]:
    """By how much a load that was offered later than declared was late."""
    _, punctuality = run[payments]
    if not punctuality.is_late:
        return
    lasts_s = run.times.load_end_s - run.times.load_start_s
    yield (
        f"the load fell behind its schedule by {punctuality.p99_ms:.0f} ms (p99, limit "
        f"{LAG_LIMIT_MS:.0f} ms): {punctuality.rate_reached:.1f} payments/s reached, "
        f"{run[due] / lasts_s:.1f} planned"
    )


def stalled_host(run: MeasuredRun) -> Iterator[str]:
    """Why limits that only stalls broke could not be judged."""
    # Where no call failed, the stalls made payments slow.
    shown = [process for process in run[stalls] if process.affected] or [
        process for process in run[stalls] if process.process != CONDUCTOR
    ]
    for process in shown:
        yield (
            f"host stalled: {process.process} was stalled for up to {process.longest_ms:.0f} ms, "
            f"{process.longest_at_s - run.times.load_start_s:.1f} s into the load; "
            f"{count(process.affected, 'failed call')} affected"
        )


def _miscounted(run: MeasuredRun) -> Iterator[str]:
    """Payments without a record, or more of them than there were to be."""
    _, punctuality = run[payments]
    if run[due] != punctuality.recorded:
        yield f"{run[due]} payments planned, {punctuality.recorded} recorded"


def _never_applied(run: MeasuredRun) -> Iterator[str]:
    """Faults that were not applied. A load that ended early did not get to its later ones."""
    for fault in run[faults]:
        if fault.applied_s is None and fault.planned_s < run.times.load_end_s:
            yield f"fault {fault.id} never took effect"


def _of_no_payment(run: MeasuredRun) -> Iterator[str]:
    """Requests of own services of which nobody knows the payment."""
    yield from unattributed_problems(run[own_services])
    yield from unattributed_money(run[own_services], run[money])


def _untried(run: MeasuredRun) -> Iterator[str]:
    """Faults that affected nothing although the experiment does not expect that."""
    for fault in run[faults]:
        if fault.was_missed and not fault.may_miss:
            yield (
                f"fault {fault.id} affected no traffic: its effect on the chain was not exercised "
                "(may_miss: true on the fault accepts that)"
            )


def _unmet(run: MeasuredRun) -> Iterator[str]:
    return unmet_steps(run[scripts])


def _unanswered(run: MeasuredRun) -> Iterator[str]:
    """That nobody was told anything about a payment, though not because of the faults.

    Where nothing happens no money goes wrong. That says nothing about the chain.
    """
    paid = {phase.kind: phase for phase in run[phases] if phase.kind != "fault"}
    whole = paid["all"]
    free_of_faults = sum(paid[kind].offered for kind in _FREE_OF_FAULTS if kind in paid)
    if free_of_faults and not whole.approved + whole.declined:
        yield (
            f"none of {count(whole.offered, 'payment')} was approved or declined for business "
            f"reasons, not even among the {free_of_faults} that no fault affected: the run says "
            "nothing about the chain"
        )


def _silent(run: MeasuredRun) -> Iterator[str]:
    """That no request of a service at the entry reached a link, where nobody saw an outcome."""
    whole = next((phase for phase in run[phases] if phase.kind == "all"), None)
    if whole is None or not whole.offered or whole.approved + whole.declined:
        return
    for entry in run.chain.entries:
        calls = [call for call in run[own_services].calls if call.service == entry]
        if not calls or any(call.requests or call.refused or call.unreadable for call in calls):
            continue
        links = ", ".join(call.link for call in calls)
        service = run.chain.links[entry].service
        is_started = service is not None and service.url is None
        where = f"; what it says is in spool/logs/{entry}.log" if is_started else ""
        yield (
            f"{entry} sent no request to {links}: it does not use the addresses that it is given "
            f"({{url:{calls[0].link}}}), or its SDK insists on https (tls: true on the link){where}"
        )


def _missed(run: MeasuredRun) -> Iterator[str]:
    for fault in run[faults]:
        if fault.was_missed and fault.may_miss:
            yield f"fault {fault.id} affected no traffic (may_miss)"


def _unmet_accepted(run: MeasuredRun) -> list[str]:
    return unmet_notes(run[scripts])


# In this order a report gives them: what went wrong in the harness may explain what follows.
_PROBLEMS: tuple[Doubts, ...] = (
    _of_the_harness,
    late_load,
    _miscounted,
    _never_applied,
    injection_problems,
    _of_no_payment,
)
_QUESTIONS: tuple[Doubts, ...] = (
    _untried,
    hidden_faults,
    _unmet,
    _unanswered,
    _silent,
)
_NOTES: tuple[Doubts, ...] = (still_failing, slow_starts, _missed, _unmet_accepted)
