"""What each key of a call's policy is for: retries, breakers, fallbacks, unknown outcomes."""

from __future__ import annotations

POLICIES: dict[str, dict[str, str]] = {
    "Call": {
        "to": "The link that is called first.",
        "timeout": "How long the caller waits for one answer.",
        "propagate_deadline": "The request carries the time left until the deadline; default: the "
        "chain's setting.",
        "min_time_left": "The call is not sent with less time left until the deadline.",
        "shares_keys": "The gateways of a forward share their idempotency keys, so that the next "
        "one recognises a payment that the first may have executed.",
        "prefer": "Payments that go to another link first: by share, amount, card, merchant or "
        "health.",
        "retry": "Retry the same target after some kinds of failure.",
        "breaker": "Stop calling a target that keeps failing, and probe it later.",
        "bulkhead": "Limit the number of concurrent calls.",
        "hedge": "Send a second request if the first is slow.",
        "on_unknown": "How to resolve an unanswered request: reverse, query or resend it, or "
        "give up. A payment provider (a link with its dialect) reverses by default.",
        "query": "How an unknown outcome is queried (on_unknown: query).",
        "reversal": "How an unknown outcome is reversed (on_unknown: reverse).",
        "fallback": "What to do when the call fails: the first step that applies.",
    },
    "Preference": {
        "to": "The link that these payments go to first.",
        "share": "Share of the payments.",
        "amount": "Payments of these amounts.",
        "cards": "Payments with these cards.",
        "merchants": "Payments to these merchants.",
        "when_failing": "Only while the call's own target fails.",
    },
    "AmountRange": {
        "from": "The smallest amount.",
        "up_to": "The largest amount.",
    },
    "Failing": {
        "failure_rate": "Share of technically failed calls at which the target counts as failing.",
        "window": "The period that is evaluated.",
        "minimum_calls": "With fewer calls in the window the target counts as healthy.",
    },
    "Retry": {
        "respects_retry_after": "Never retry before the callee's Retry-After has passed.",
        "attempts": "Requests to one target, the first included.",
        "backoff": "Pause before the first retry; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between retries.",
        "jitter": "How much of the pause is random: all of it, half, or none.",
        "on": "Failures that are retried; after a timeout the request may have been executed.",
        "codes": "Response codes that are retried as well.",
        "budget": "Limit retries to a share of the calls.",
    },
    "Budget": {
        "share": "Retries as a share of calls, at most.",
        "burst": "How many unspent retries accumulate.",
    },
    "Breaker": {
        "failure_rate": "Share of failed calls in the window at which it opens.",
        "consecutive": "It also opens after this many failures in a row.",
        "slow_after": "Calls that take this long count as slow.",
        "slow_rate": "Share of slow calls at which it opens.",
        "window": "The period that is evaluated.",
        "minimum_calls": "Rates count only with this many calls in the window.",
        "open_for": "How long it stays open before it allows probes.",
        "probes": "Number of probes, all of which must succeed to close it.",
    },
    "Bulkhead": {
        "size": "Concurrent calls.",
        "queue": "Calls that may wait.",
        "wait": "How long they may wait.",
        "per": "Whether the limit is per target, or per card scheme at a target.",
    },
    "Hedge": {
        "after": "How long to wait for the first answer; ideally the callee's 95th percentile.",
        "to": "Link for the second request; default: the same target.",
    },
    "Query": {
        "attempts": "Number of queries.",
        "pause": "Pause between queries.",
        "timeout": "How long to wait for an answer to a query; default: the call's timeout.",
        "breaker": "A separate breaker for the queries.",
    },
    "Reversal": {
        "timeout": "How long to wait for an acknowledgement.",
        "backoff": "Pause before the first retry; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between retries.",
        "give_up_after": "How long a reversal is retried before it is given up.",
        "repeats": "Limit on retries to one target, over all reversals.",
        "breaker": "A separate breaker for reversals.",
        "shares_breaker": "Reversals use the breaker of the calls they undo: a common mistake.",
    },
    "FailoverTo": {
        "to": "The other link.",
        "cards": "Only for these cards; default: all.",
    },
    "Split": {
        "split": "Links and their weights; one is drawn for each payment.",
        "cards": "Only for these cards; default: all.",
    },
    "Cards": {
        "schemes": "Card schemes, such as visa; default: all.",
        "ranges": "First digits of card numbers, such as 4000-4099; default: all.",
    },
    "Skip": {"skip": "Continue without the call's answer."},
    "SkipLimits": {"up_to": "For payments up to this amount; default: any amount."},
    "LastKnown": {"last_known": "Continue with the last answer, if it is not older than this."},
    "Default": {"default": "Continue with this value, set by the calling link."},
    "Exempt": {"exempt": "Continue without authentication, marked as exempt."},
    "AmountLimit": {"up_to": "For payments up to this amount."},
    "StandIn": {"stand_in": "Decide in the target's place, within limits, and advise it later."},
    "StandInLimits": {
        "up_to": "For payments up to this amount.",
        "per_card": "How many approvals one card gets at most.",
        "most": "How many approvals it gives in total at most.",
    },
    "Queue": {"queue": "Accept the payment now and deliver the request later."},
    "QueueLimits": {
        "up_to": "For payments up to this amount; default: any amount.",
        "most": "How many requests are stored at once at most.",
        "within": "How long delivery is attempted.",
        "pause": "Pause between attempts.",
    },
    "DeclineWith": {"decline": "Decline the payment with this response code."},
}
