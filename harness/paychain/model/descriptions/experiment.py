"""What each key of an experiment is for: load, faults, tolerances."""

from __future__ import annotations

_BY_PHASE = {
    "before": "Limit for the time before the first fault.",
    "during": "Limit while any fault is on.",
    "recovery": "Limit from the last heal until the chain is back to normal.",
    "after": "Limit for the time after the last heal.",
}
EXPERIMENT: dict[str, dict[str, str]] = {
    "Experiment": {
        "experiment": "The experiment's name; also what `paychain run CHAIN NAME` calls it.",
        "title": "The experiment in a few words, for reports.",
        "based_on": "The incident that it replays, with a source.",
        "time_scale": "How an outage's clock was compressed: 1/60 is a minute in a second. It is "
        "only stated.",
        "settles_within": "How long after the load a real run waits until nothing is in progress; "
        "the chain's own time without it.",
        "processes": "How many processes a real run shares its mock links and proxies out over; "
        "auto: one for each core.",
        "load": "Which payments arrive, and for how long.",
        "faults": "What is injected, and when.",
        "scripts": "What single payments meet, request by request.",
        "tolerances": "The limits that decide whether the run passes; {} judges by the money rules "
        "alone.",
        "stop_when": "Conditions that end the run early, such as technical_success < 20% for 10s.",
        "assurance": "Who tested what and why, for a compliance report.",
    },
    "Load": {
        "arrivals": "Payments per second, whatever the chain does; or a shape of that rate.",
        "entries": "Instead of arrivals: the arrivals of each entry of the chain.",
        "merchants": "Merchants and their shares of the payments; together 100%.",
        "schemes": "Card schemes and their shares of the payments; together 100%.",
        "twice": "Some orders are paid twice, as by two schedulers of one renewal.",
        "users": "Instead of arrivals: the number of users, each waiting for its answer.",
        "think_time": "How long a user waits after an answer before it pays again.",
        "spacing": "Whether payments come evenly or at random.",
        "warm_up": "Load before anything is measured.",
        "before": "Measured load before the first fault.",
        "after": "Measured load after the last heal.",
        "amounts": "Which amounts are paid.",
    },
    "MerchantShare": {
        "share": "The merchant's share of the payments.",
        "amounts": "Its amounts, where they differ from the load's.",
    },
    "Twice": {
        "share": "Share of the orders.",
        "gap": "How long after the first payment the second comes.",
        "key": "Whether the second payment has a new idempotency key or the same.",
    },
    "Amounts": {
        "median": "Half of the payments are smaller.",
        "least": "The smallest amount.",
        "most": "The largest amount.",
    },
    "ThinkTime": {
        "median": "Half of the pauses are shorter.",
        "p99": "99 of 100 pauses are shorter.",
    },
    "ArrivalShape": {
        "ramp": "The rate changes evenly over the whole load.",
        "steps": "The rate changes at given moments.",
        "daily": "A day, compressed into the load.",
        "replay": "CSV file beside the experiment, with arrivals in seconds in its column at_s.",
    },
    "RateRamp": {
        "from": "The rate at the beginning.",
        "to": "The rate at the end.",
    },
    "RateStep": {"at": "Since the start of the load.", "rate": "The rate from then on."},
    "Day": {
        "mean": "The mean rate of the day.",
        "curve": "24 weights, one for each hour.",
    },
    "Target": {
        "link": "A link, for all its callers.",
        "call": "One call, such as gateway.authorise, at its first target.",
        "hop": "One hop, such as gateway -> processor-a.",
        "provider": "All links of a provider.",
    },
    "Tolerances": {
        "technical_success": "Share of payments that were answered finally, a business decline "
        "included.",
        "approval_rate": "Share of payments that were approved.",
        "latency_p50": "Median of the time from the intended start to the answer.",
        "latency_p95": "95th percentile of that time.",
        "latency_p99": "99th percentile of that time. A limit `<= 1s + finality` is longer by what "
        "a ledger needs until a transfer is final.",
        "detection": "From the start of a fault to the first reaction of a policy.",
        "failover": "From the start of a fault to the first payment that a fallback saved.",
        "failback": "From the heal to the first payment over the usual way.",
        "recovery": "From the last heal until success and latency are back to normal.",
        "drain": "From the end of the load until the last payment is answered and nothing is "
        "booked any more.",
        "amplification": "Requests for each call, retries included.",
        "completed": "Share of the approved payments for which everything that was due is done: "
        "captures, refunds, cancels, advices, webhooks.",
        "double_charges": "Orders that were charged more than once.",
        "orphaned_authorisations": "Payments that failed and whose money is still held.",
    },
    "ShareByPhase": _BY_PHASE,
    "TimeByPhase": _BY_PHASE,
}
