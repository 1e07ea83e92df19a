"""Why payments were still in progress when the drain ended: the call that went on failing.

A webhook that a service refuses, say, is sent until the drain ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.money.findings import most_frequent
from paychain.analysis.store.work_left import failing_since
from paychain.declaration.quantity import count
from paychain.payments.outcome import failure_name


def still_failing(run: MeasuredRun) -> Iterator[str]:
    """The call that failed after the load for the most payments in progress, in a sentence."""
    pending = frozenset(run.facts.pending)
    if not pending:
        return
    failed = Counter(
        call
        for call, payment in failing_since(run.store, int(run.times.load_end_s * 1e9))
        if payment in pending
    )
    for (caller, operation, callee, result, code), payments in most_frequent(failed, 1):
        yield (
            f"after the load, {caller} → {callee} ({operation}) went on failing for "
            f"{count(payments, 'payment')} in progress: {failure_name(result, code)}"
        )
