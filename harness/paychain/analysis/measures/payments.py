"""The payments of a run: their outcomes by phase, and how punctual they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from paychain.analysis.measures.exact import exact_latencies_ms, with_exact_quantiles
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import Phase
from paychain.analysis.measures.phases import Paid, Phases
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.measures.recovery import faults, recovery
from paychain.analysis.store.aggregates import SECOND_NS
from paychain.analysis.store.queries import paid, paid_between, started_before


@measure("payments")
def payments(run: MeasuredRun) -> tuple[list[Phase], Punctuality]:
    """Every payment sorted into its phases, and how punctually they were offered.

    Seconds that lie within one phase are counted as a whole: a long run costs no more than its
    seconds.
    """
    store = run.store
    found, punctuality = _uncounted(run)
    start_ns, mixed = store.start_ns, []
    for second, totals in groupby(store.payment_totals(), lambda alike: alike.total.second):
        from_ns = start_ns + second * SECOND_NS
        alike = list(totals)
        for part in alike:
            punctuality.add_alike(part)
        if not found.add_second(alike, from_ns, from_ns + SECOND_NS - 1):
            mixed.append((from_ns, from_ns + SECOND_NS))
    for payment in paid_between(store, mixed):
        found.add(payment)
    punctuality.started(started_before(store, run.times.load_end_s))
    exact_ms = exact_latencies_ms(found, run.experiment.tolerances, paid(store))
    return with_exact_quantiles(found.phases(), exact_ms), punctuality


def measured(
    run: MeasuredRun, every: Callable[[], Iterable[Paid]]
) -> tuple[list[Phase], Punctuality]:
    """The measures of payments one by one. `every` gives them all, each time it is called."""
    found, punctuality = _uncounted(run)
    for payment in every():
        found.add(payment)
        punctuality.add(payment)
    exact_ms = exact_latencies_ms(found, run.experiment.tolerances, every())
    return with_exact_quantiles(found.phases(), exact_ms), punctuality


def _uncounted(run: MeasuredRun) -> tuple[Phases, Punctuality]:
    normal = run[recovery]
    back_s = None
    if normal.healed_s is not None and normal.recovery_s is not None:
        back_s = normal.healed_s + normal.recovery_s
    return Phases(run[faults], run.times, back_s), Punctuality(run.times)


@measure("phases")
def phases(run: MeasuredRun) -> list[Phase]:
    """What became of the payments of each phase."""
    return run[payments][0]


@measure("offered payments")
def offered(run: MeasuredRun) -> int:
    """How many the load started, as it reports; those recorded, when it could not report."""
    _, punctuality = run[payments]
    return run.facts.offered if run.facts.offered is not None else punctuality.recorded


@measure("due payments")
def due(run: MeasuredRun) -> int:
    """How many were to be offered."""
    facts = run.facts
    # The rest of a plan was not to be offered any more after a stop, or to a service that ended.
    if facts.stopped is not None or any(service.failures for service in facts.services):
        return run[offered]
    return run[offered] if facts.planned is None else facts.planned
