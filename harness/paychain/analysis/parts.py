"""A long run is judged on all processors: each reads a part of its payments.

payments by id |── part 1 ──|── part 2 ──|── …      a process each, with a connection of its own
                fingerprints, and uses of fallbacks: numbers that add up exactly

What takes most of the time of judging are these two passes over all payments. Their parts are put
together in the order of the payments, so that the result is the same as of one pass, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.fallback_tallies import merged
from paychain.analysis.measures.fallbacks import uses
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.recovery import faults
from paychain.analysis.part_pass import FaultSpan, Passed, PaymentRange, pass_over
from paychain.analysis.store.fingerprints import LAST, Bound, bounds_of
from paychain.analysis.store.store import VERSION
from paychain.processes.local import Processes

MIN_PARTS = 2
MIN_PAYMENTS = 150_000  # payments: below, starting processes takes longer than they save


@contextmanager
def judged_in_parts(run: MeasuredRun, min_payments: int | None = None) -> Iterator[None]:
    """Make the passes over all payments in several processes, if there are many payments.

    `min_payments`: so many payments are many; MIN_PAYMENTS by default. The processes go on during
    the block, after which the run knows the results. When one died, nothing is known: the passes
    are then made here, when they are needed.
    """
    ranges = _ranges(run, MIN_PAYMENTS if min_payments is None else min_payments)
    if len(ranges) < MIN_PARTS:
        yield
        return
    found: dict[int, Passed] = {}
    with Processes().start(pass_over, ranges) as running:
        yield
        with suppress(EOFError, ConnectionError):
            while len(found) < len(ranges):
                found |= {report.job: report.value for report in running.receive()}
    if len(found) == len(ranges):
        parts = [found[number] for number in range(len(ranges))]
        run.store.fingerprints([part.fingerprints for part in parts])
        run.know(uses, merged(part.uses for part in parts))


def _ranges(run: MeasuredRun, min_payments: int) -> list[PaymentRange]:
    """The parts of the payments, none for a short run or one in memory."""
    store = run.store
    path = store.path
    ((payments,),) = store.select("SELECT COUNT(*) FROM txn", ())
    if path is None or payments < min_payments:
        return []
    store.index()
    bounds: list[Bound] = ["", *bounds_of(store.select), LAST]
    spans = [FaultSpan(fault.applied_s, fault.healed_s) for fault in run[faults]]
    store.settle()  # or it could keep the others from reading
    return [
        PaymentRange(
            path=path,
            version=VERSION,
            after=after,
            upto=upto,
            faults=spans,
            fallbacks=[str(kind) for kind in FALLBACKS],
        )
        for after, upto in pairwise(bounds)
    ]
