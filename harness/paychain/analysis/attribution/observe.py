"""The records of own services: their hops and decisions, once everything else is in the store."""

from __future__ import annotations

from paychain.analysis.attribution.decisions import own_decisions
from paychain.analysis.attribution.hops import Spans, own_hops
from paychain.analysis.attribution.keys import (
    captured_again,
    refunded_again,
    repeated_without_key,
    reused_keys,
)
from paychain.analysis.attribution.observed import by_payment, join
from paychain.analysis.attribution.paid_again import take_over
from paychain.analysis.attribution.refused import refused_hops
from paychain.analysis.attribution.traced import add_traced
from paychain.analysis.attribution.uncaptured import missed_captures
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.own_services import own_callers


def add_own_hops(store: RunStore, chain: Chain, experiment: Experiment) -> None:
    """Make the hops of own services of what was observed. Once, after the last record."""
    if not own_callers(chain):
        return
    store.index()
    take_over(store)
    spans = Spans()
    join(store)
    add_traced(store)
    own_hops(store, chain, spans)
    refused_hops(store, chain, experiment, spans)
    own_decisions(store, chain)
    store.ingest(reused_keys(store))
    for payment, requests in by_payment(store):
        store.ingest(repeated_without_key(payment, requests))
        if payment:
            store.ingest(list(captured_again(store, payment, requests)))
            store.ingest(list(refunded_again(store, payment, requests)))
            store.ingest(list(missed_captures(store, payment, requests)))
