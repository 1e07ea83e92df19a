"""Static review: how a chain will fail, as far as its declaration and an experiment's show.

A new kind of finding is a function `Chain → Iterator[Weakness]` and a line in `_OF_CHAIN` (or
`Chain, Experiment → …` and a line with its kind in `_OF_BOTH`), and its cost, reason and source in
`model.finding_kinds.KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.finding_kinds import KINDS, Kind
from paychain.model.loading import Loaded
from paychain.model.review import (
    accounts,
    breakers,
    experiments,
    follow_ups,
    keys,
    ledgers,
    money,
    nodes,
    overload,
    providers,
    queries,
    reversals,
    third_parties,
    times,
    webhooks,
)
from paychain.model.review.claims import as_claimed, of_own_services
from paychain.model.review.dialects import dialect_not_declared
from paychain.model.review.finding import ReviewFinding, Weakness, name_of
from paychain.model.review.remedy import Edit, Remedy, dotted

__all__ = ["ReviewFinding", "remedy_in", "review", "stale_accepts"]
_OF_CHAIN = (
    keys.failover_on_unknown,
    keys.retry_without_key,
    keys.queue_without_key,
    keys.customer_retry_without_key,
    keys.no_idempotency,
    keys.trace_used_twice,
    webhooks.webhook_not_deduplicated,
    follow_ups.captured_twice,
    ledgers.signed_twice,
    ledgers.network_not_checked,
    ledgers.receipt_not_checked,
    ledgers.freed_early,
    ledgers.reserved_late,
    ledgers.deposit_known_by_block,
    ledgers.credited_early,
    ledgers.captured_before_transfer,
    ledgers.split_quorum,
    ledgers.believed_liars,
    nodes.one_node_believed,
    nodes.quorum_at_one_provider,
    ledgers.stale_price,
    accounts.late_answer_dropped,
    accounts.rejected_credit_kept,
    accounts.returned_again,
    accounts.double_credit_kept,
    accounts.deemed_believed,
    follow_ups.refunds_unchecked,
    follow_ups.capture_beyond_limit,
    webhooks.webhook_refused,
    reversals.queue_given_up_early,
    money.captured_before_delivery,
    money.wrong_decimals,
    money.hold_expires_early,
    money.memory_outbox,
    money.unlimited_fallback,
    follow_ups.rest_not_released,
    follow_ups.tenders_not_compensated,
    reversals.reversal_behind_breaker,
    reversals.reversal_given_up_early,
    reversals.unknown_left_open,
    reversals.query_not_offered,
    times.timeout_inversions,
    times.deadline_too_short,
    accounts.rail_limit_missed,
    times.hedge_too_early,
    times.amplified_retries,
    overload.retries_without_budget,
    overload.shared_pool,
    overload.checks_without_limit,
    queries.query_too_early,
    queries.query_too_often,
    overload.lookups_used_up,
    times.call_without_policy,
    follow_ups.authentication_not_portable,
    nodes.quorum_lost_with_provider,
    providers.shared_providers,
    third_parties.opened_calls,
    third_parties.third_parties_in_the_way,
    providers.single_links,
    providers.single_providers,
)
# The same of the chain as it is declared: who is an own service is not to be seen any more in what
# they claim.
_AS_DECLARED = (
    webhooks.webhook_not_sent,
    webhooks.webhook_given_up_early,
    webhooks.charge_back_not_reported,
    dialect_not_declared,
)
# What only an experiment shows, by its kind.
_OF_BOTH: dict[Kind, Callable[[Chain, Experiment], Iterator[Weakness]]] = {
    "customer_retry_without_key": experiments.paid_twice_without_key,
    "breaker_cannot_open": breakers.breaker_cannot_open,
    "query_given_up_early": experiments.query_given_up_in_fault,
    "reversal_given_up_early": experiments.reversal_given_up_in_fault,
    "hold_expires_early": experiments.hold_expires_in_fault,
    "queue_given_up_early": experiments.queue_given_up_in_fault,
    "fault_without_traffic": experiments.fault_without_traffic,
}


def review(
    loaded: Loaded[Chain], experiment: Loaded[Experiment] | None = None
) -> list[ReviewFinding]:
    """Every finding of a checked chain: what costs most first, each kind in the file's order.

    With an experiment, also what the two show together.
    """
    chain = as_claimed(loaded.model)
    raw = [finding for examine in _OF_CHAIN for finding in examine(chain)]
    raw += [finding for examine in _AS_DECLARED for finding in examine(loaded.model)]
    if experiment is not None:
        both = (chain, experiment.model)
        raw += [finding for examine in _OF_BOTH.values() for finding in examine(*both)]
    raw = [finding for finding in raw if not _is_repeated(loaded.model, finding)]
    found = [kept for finding in raw if (kept := of_own_services(loaded.model, finding))]
    findings = [_placed(loaded, experiment, finding) for finding in found]
    return [finding for _, _, _, finding in sorted(findings, key=lambda placed: placed[:3])]


def _is_repeated(chain: Chain, finding: Weakness) -> bool:
    """Whether it is about one of many nodes of a template that are alike: the first has it."""
    others = chain.nodes.names[1:] if chain.nodes is not None else ()
    return finding.path[:1] == ("links",) and finding.path[1] in others


def remedy_in(loaded: Loaded[Chain] | Loaded[Experiment], change: Edit) -> Remedy:
    """A change with its place in a file."""
    path = change.path
    if isinstance(loaded.model, Chain):
        path = loaded.model.path_in_file(path)
    return Remedy(
        file=str(loaded.path),
        line=loaded.document.place(path)[0],
        key=dotted(path),
        value=change.written,
        action=change.action,
    )


def stale_accepts(chain: Chain, findings: Sequence[ReviewFinding]) -> list[int]:
    """The numbers of the chain's `accepts` that no finding needs any more.

    What only an experiment can show is never stale.
    """
    found = {(finding.kind, finding.at) for finding in findings}
    return [
        number
        for number, item in enumerate(chain.accepts)
        if item.finding not in _OF_BOTH and (item.finding, item.at) not in found
    ]


def _placed(
    loaded: Loaded[Chain], experiment: Loaded[Experiment] | None, finding: Weakness
) -> tuple[int, int, tuple[int, int], ReviewFinding]:
    """A finding with its places, after what it is sorted by: its kind, its file, its line."""
    facts = KINDS[finding.kind]
    is_in_chain = finding.file == "chain"
    file = loaded if is_in_chain or experiment is None else experiment
    accepted = (
        item.because
        for item in loaded.model.accepts
        if (item.finding, item.at) == (finding.kind, name_of(finding.subject))
    )
    path = finding.path
    if is_in_chain:
        path = loaded.model.path_in_file(path)
    # A remedy is in the chain even where the experiment shows the weakness, unless the experiment
    # itself is what has to change.
    remedied = file if finding.remedy.path[:1] in (("load",), ("faults",)) else loaded
    remedy = msgspec.structs.replace(
        remedy_in(remedied, finding.remedy), at=name_of(finding.subject), cause=finding.kind
    )
    placed = ReviewFinding(
        kind=finding.kind,
        place=file.place(*path),
        subject=finding.subject,
        what=finding.what,
        why=facts.why,
        source=finding.cites or facts.source,
        hint=finding.hint,
        costs=facts.costs,
        remedy=remedy,
        accepted=next(accepted, ""),
        unavoidable=finding.unavoidable,
    )
    place = file.document.place(path)
    return list(KINDS).index(finding.kind), int(not is_in_chain), place, placed
