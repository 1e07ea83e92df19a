"""What each key of a call's policy is for: retries, breakers, fallbacks, unknown outcomes."""

from __future__ import annotations

POLICIES: dict[str, dict[str, str]] = {
    "Call": {
        "to": "The link that is called first.",
        "timeout": "How long the caller waits for an answer to one request.",
        "propagate_deadline": "The request says how much of the deadline is left; without it the "
        "chain's setting applies.",
        "min_time_left": "With less of the deadline left, the call is not sent.",
        "shares_keys": "The gateways of a forward share their idempotency keys, so that the next "
        "one recognises a payment that the first may have taken.",
        "prefer": "Payments that go to another link first: by share, amount, card, merchant or "
        "health.",
        "retry": "Try the same target again after some failures.",
        "breaker": "Stop calling a target that keeps failing, and probe it later.",
        "bulkhead": "Limit how many calls are under way at once.",
        "hedge": "Send a second request when the first is slow.",
        "on_unknown": "What follows a request without an answer: reverse, query or resend it, or "
        "leave it as it is. A payment provider (a link with its dialect) reverses by default.",
        "query": "How an unknown outcome is queried (on_unknown: query).",
        "reversal": "How an unknown outcome is reversed (on_unknown: reverse).",
        "fallback": "What to do instead when the call fails, the first step that can be used.",
    },
    "Preference": {
        "to": "The link that these payments go to first.",
        "share": "Share of the payments.",
        "amount": "Payments of these amounts.",
        "cards": "Payments with these cards.",
        "merchants": "Payments to these merchants.",
        "when_failing": "While the call's own target fails.",
    },
    "AmountRange": {
        "from": "The smallest amount.",
        "up_to": "The largest amount.",
    },
    "Failing": {
        "failure_rate": "Share of calls that failed technically, from which on it counts.",
        "window": "How far back it looks.",
        "minimum_calls": "With fewer calls in the window the target counts as healthy.",
    },
    "Retry": {
        "respects_retry_after": "Never try again before the callee's Retry-After is over.",
        "attempts": "Tries at one target, the first included.",
        "backoff": "Pause before the second try; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between tries.",
        "jitter": "How much of the pause is drawn: all of it, half, or none.",
        "on": "Failures that are tried again; a timeout may have been executed.",
        "codes": "Response codes that are tried again as well.",
        "budget": "Limit retries to a share of the calls.",
    },
    "Budget": {
        "share": "Retries for each call, at most.",
        "burst": "How many unspent retries accumulate.",
    },
    "Breaker": {
        "failure_rate": "Share of the window's calls that failed, from which on it opens.",
        "consecutive": "It also opens after this many failures in a row, at any rate of calls.",
        "slow_after": "Calls that take so long count as slow.",
        "slow_rate": "Share of slow calls from which on it opens.",
        "window": "How far back it looks.",
        "minimum_calls": "It judges rates only when the window has this many calls.",
        "open_for": "How long it stays open before it lets probes through.",
        "probes": "How many probes it lets through; all have to work to close it.",
    },
    "Bulkhead": {
        "size": "Calls under way at once.",
        "queue": "Calls that wait for a place.",
        "wait": "How long they wait.",
        "per": "Whether the limit is for a target, or for each card scheme at it.",
    },
    "Hedge": {
        "after": "How long to wait for the first answer; best the callee's 95th percentile.",
        "to": "Another link for the second request; the same target without it.",
    },
    "Query": {
        "attempts": "How often the target is queried.",
        "pause": "Pause between queries.",
        "timeout": "How long to wait for an answer to a query; the call's own without it.",
        "breaker": "A separate breaker for the queries.",
    },
    "Reversal": {
        "timeout": "How long to wait for an acknowledgement.",
        "backoff": "Pause before the first repeat; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between repeats.",
        "give_up_after": "How long a reversal is repeated until it is given up.",
        "repeats": "Repeats to one target, all reversals together.",
        "breaker": "A breaker of the reversals' own.",
        "shares_breaker": "Reversals pass the breaker of the calls they undo: a common mistake.",
    },
    "FailoverTo": {
        "to": "The other link.",
        "cards": "Only for these cards; for all of them without it.",
    },
    "Split": {
        "split": "Links and their weights: one of them is drawn for each payment.",
        "cards": "Only for these cards; for all of them without it.",
    },
    "Cards": {
        "schemes": "Card schemes, such as visa; all without it.",
        "ranges": "First digits of card numbers, such as 4000-4099; all without it.",
    },
    "Skip": {"skip": "Go on without the call's answer."},
    "SkipLimits": {"up_to": "For payments up to this amount; any amount without it."},
    "LastKnown": {"last_known": "Go on with the last answer, if it is not older than this."},
    "Default": {"default": "Go on with this value, which the calling link sets itself."},
    "Exempt": {"exempt": "Go on without authentication, and say so."},
    "AmountLimit": {"up_to": "For payments up to this amount."},
    "StandIn": {"stand_in": "Decide in place of the target, within limits, and advise it later."},
    "StandInLimits": {
        "up_to": "For payments up to this amount.",
        "per_card": "Approvals of one card, at most.",
        "most": "Approvals in all, at most.",
    },
    "Queue": {"queue": "Accept the payment now and deliver the request later."},
    "QueueLimits": {
        "up_to": "For payments up to this amount; any amount without it.",
        "most": "Stored requests, at most.",
        "within": "How long delivery is tried.",
        "pause": "Pause between tries.",
    },
    "DeclineWith": {"decline": "Decline the payment with this response code."},
}
