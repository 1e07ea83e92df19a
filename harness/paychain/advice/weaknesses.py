"""Which weaknesses of a declaration lead to a finding of a run, by rule and by measure."""

from __future__ import annotations

from paychain.model.finding_kinds import Kind

_EXECUTED_TWICE: tuple[Kind, ...] = (
    "failover_on_unknown",
    "retry_without_key",
    "queue_without_key",
    "customer_retry_without_key",
    "webhook_not_deduplicated",
    "no_idempotency",
    "reversal_behind_breaker",
    "reversal_given_up_early",
)
_LEFT_HELD: tuple[Kind, ...] = (
    "unknown_left_open",
    "retry_without_key",
    "query_not_offered",
    "query_given_up_early",
    "reversal_behind_breaker",
    "reversal_given_up_early",
    "failover_on_unknown",
    "timeout_inversion",
    "deadline_too_short",
    "tenders_not_compensated",
    "rest_not_released",
)
_NEVER_COLLECTED: tuple[Kind, ...] = (
    "trace_used_twice",
    "hold_expires_early",
    "captured_before_delivery",
    "webhook_not_sent",
    "webhook_refused",
    "memory_outbox",
    "webhook_given_up_early",
    "queue_given_up_early",
    "queue_without_key",
    "capture_beyond_limit",
)
_FAILED: tuple[Kind, ...] = (
    "third_party_in_the_way",
    "shared_pool",
    "retries_without_budget",
    "checks_without_limit",
    "lookups_used_up",
    "breaker_cannot_open",
    "call_without_policy",
    "timeout_inversion",
)
_SLOW: tuple[Kind, ...] = ("hedge_too_early", "retries_without_budget", "amplified_retries")
# What a node that lies makes of transfers and deposits; where none lied no cause (`causes`).
_BELIEVED: tuple[Kind, ...] = ("one_node_believed", "quorum_at_one_provider")
# What is reported as sent, and never reaches this network.
_SENT_NOWHERE: tuple[Kind, ...] = (*_BELIEVED, "network_not_checked")
_NEVER_SENT: tuple[Kind, ...] = (*_SENT_NOWHERE, "receipt_not_checked")
# Which weaknesses of a declaration lead to a finding of a run, the likeliest first. A rule that is
# not here is broken by what no declaration can bring about: a link that does not do what it says.
CAUSES: dict[str, tuple[Kind, ...]] = {
    "no_double_charge": _EXECUTED_TWICE,
    "no_orphaned_authorisation": (*_SENT_NOWHERE, *_LEFT_HELD),
    "no_charge_after_a_decline": _LEFT_HELD,
    "unknowns_resolved": ("checks_without_limit", *_LEFT_HELD),
    "no_approval_without_money": (*_NEVER_SENT, *_NEVER_COLLECTED),
    "authorisations_settled": _NEVER_COLLECTED,
    "completed": _NEVER_COLLECTED,
    "money_conserved": (
        "wrong_decimals",
        "refunds_unchecked",
        "charge_back_not_reported",
        *_EXECUTED_TWICE,
        *_NEVER_COLLECTED,
    ),
    "customer_saw_the_amount": ("wrong_decimals", "trace_used_twice"),
    "amounts_equal": ("wrong_decimals", "trace_used_twice"),
    "booked_once": ("no_idempotency", "retry_without_key"),
    "asks_within_limits": ("query_too_early", "query_too_often"),
    "retry_limits_kept": ("customer_retry_without_key", "amplified_retries"),
    "captured_within_authorised": (
        "capture_beyond_limit",
        "webhook_not_deduplicated",
        "hold_expires_early",
    ),
    "refunded_within_captured": ("refunds_unchecked", "charge_back_not_reported"),
    "repeats_without_effect": (
        "captured_twice",
        "webhook_not_deduplicated",
        "no_idempotency",
        "retry_without_key",
    ),
    "sent_once": (
        "signed_twice",
        "failover_on_unknown",
        "no_idempotency",
        "retry_without_key",
        "customer_retry_without_key",
    ),
    "reservation_kept_until_dead": ("freed_early", "hold_expires_early"),
    "no_payout_without_funding": ("reserved_late", "freed_early"),
    "reported_once_and_right": ("deemed_believed", *_NEVER_SENT, "memory_outbox"),
    "sequence_without_gaps": (*_SENT_NOWHERE, "memory_outbox"),
    "legs_balance": (
        *_NEVER_SENT,
        "captured_before_transfer",
        "hold_expires_early",
        "memory_outbox",
    ),
    "credited_once": ("deposit_known_by_block",),
    "no_credit_before_final": ("credited_early", *_BELIEVED),
    "no_stale_price": ("stale_price",),
    "quote_kept": ("stale_price",),
    "price_within_bounds": ("stale_price",),
    "no_credit_without_transfer": ("split_quorum", *_BELIEVED),
    "deposits_credited": ("memory_outbox",),
    "held_not_lost": ("late_answer_dropped", "memory_outbox"),
    "debit_equals_credit": (
        "rejected_credit_kept",
        "double_credit_kept",
        "deemed_believed",
        "unknown_left_open",
        "reversal_given_up_early",
        "no_idempotency",
        "memory_outbox",
    ),
    "returned_within_moved": ("returned_again", "no_idempotency"),
    "books_agree": ("memory_outbox", "no_idempotency", *_LEFT_HELD),
    "stand_in_within_limits": ("unlimited_fallback",),
    "closed_calls_stay_closed": ("closed_call_skipped",),
    "stand_in_advised": ("memory_outbox",),
    "amplification": ("amplified_retries", "retries_without_budget"),
    "detection": ("breaker_cannot_open",),
    "failover": ("breaker_cannot_open",),
    "recovery": (
        "retries_without_budget",
        "checks_without_limit",
        "lookups_used_up",
        "breaker_cannot_open",
        "amplified_retries",
    ),
    "technical_success": _FAILED,
    "approval_rate": _FAILED,
    "latency_p50": _SLOW,
    "latency_p95": _SLOW,
    "latency_p99": _SLOW,
}
