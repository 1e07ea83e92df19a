"""The payments of a run, in one pass: what became of them by phase, and how punctual they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from paychain.analysis.measures.exact import exact_latencies_ms, with_exact_quantiles
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import Phase
from paychain.analysis.measures.phases import Paid, Phases
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.measures.recovery import faults, recovery
from paychain.analysis.store.queries import paid


@measure("payments")
def payments(run: MeasuredRun) -> tuple[list[Phase], Punctuality]:
    """Every payment sorted into its phases, and how punctually they were offered."""
    return measured(run, lambda: paid(run.store))


def measured(
    run: MeasuredRun, every: Callable[[], Iterable[Paid]]
) -> tuple[list[Phase], Punctuality]:
    """The measures of payments. `every` gives them all, each time it is called."""
    normal = run[recovery]
    back_s = None
    if normal.healed_s is not None and normal.recovery_s is not None:
        back_s = normal.healed_s + normal.recovery_s
    found, punctuality = Phases(run[faults], run.times, back_s), Punctuality(run.times)
    for payment in every():
        found.add(payment)
        punctuality.add(payment)
    exact_ms = exact_latencies_ms(found, run.experiment.tolerances, every())
    return with_exact_quantiles(found.phases(), exact_ms), punctuality


@measure("phases")
def phases(run: MeasuredRun) -> list[Phase]:
    """What became of the payments of each phase."""
    return run[payments][0]
