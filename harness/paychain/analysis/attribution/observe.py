"""The records of own services, made of what the engine, the links and traces saw of them.

Everything else is in the store by then: a pass reads it, and adds what it concludes.
"""

from __future__ import annotations

from collections.abc import Callable

from paychain.analysis.attribution.decisions import own_decisions
from paychain.analysis.attribution.hops import own_hops
from paychain.analysis.attribution.observed import join
from paychain.analysis.attribution.of_payments import shown_by_requests
from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.attribution.paid_again import take_over
from paychain.analysis.attribution.refused import refused_hops
from paychain.analysis.attribution.reused import reused_keys
from paychain.analysis.attribution.traced import add_traced
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.own_services import own_callers

# In this order, for each of join, add_traced, own_hops, refused_hops and own_decisions reads what
# the one before it left. A new pass is a module and a line here, behind those whose records it
# reads; its docstring says what holds once it has passed.
PASSES: tuple[Callable[[OwnRun], None], ...] = (
    take_over,
    join,
    add_traced,
    own_hops,
    refused_hops,
    own_decisions,
    reused_keys,
    shown_by_requests,
)


def add_own_hops(store: RunStore, chain: Chain, experiment: Experiment) -> None:
    """Make the hops and decisions of own services of what was observed, after the last record."""
    if not own_callers(chain):
        return
    store.index()
    run = OwnRun(store, chain, experiment)
    for pass_over in PASSES:
        pass_over(run)
