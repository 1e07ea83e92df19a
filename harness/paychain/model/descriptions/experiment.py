"""What each key of an experiment is for: load, faults, tolerances."""

from __future__ import annotations

_BY_PHASE = {
    "before": "Limit for the time before the first fault.",
    "during": "Limit while any fault is active.",
    "recovery": "Limit from the last heal until the chain is back to normal.",
    "after": "Limit for the time after the last heal.",
}
EXPERIMENT: dict[str, dict[str, str]] = {
    "Experiment": {
        "experiment": "The experiment's name, as in `paychain run CHAIN NAME`.",
        "title": "A short title for reports.",
        "based_on": "The incident it replays, with a source.",
        "time_scale": "How an outage's clock was compressed: 1/60 is a minute per second. For "
        "information only.",
        "settles_within": "How long a real run waits after the load for payments still in "
        "progress; default: the chain's time.",
        "processes": "Number of processes for the mock links and proxies of a real run; "
        "auto: as many as keep all cores busy.",
        "load": "The payments that arrive, and for how long.",
        "faults": "The faults that are injected, and when.",
        "scripts": "What selected payments experience, request by request.",
        "tolerances": "The limits that decide whether the run passes; with {} only the money rules "
        "decide.",
        "stop_when": "Conditions that stop the run early, such as technical_success < 20% for 10s.",
        "assurance": "Who tested what and why, for a compliance report.",
    },
    "Load": {
        "arrivals": "Payments per second, independent of the chain; or a shape of that rate.",
        "entries": "Instead of arrivals: the arrivals at each entry of the chain.",
        "merchants": "Merchants and their shares of the payments; together 100%.",
        "schemes": "Card schemes and their shares of the payments; together 100%.",
        "twice": "Some orders are paid twice, as by two schedulers that run one renewal.",
        "users": "Instead of arrivals: the number of users, each of whom waits for the answer.",
        "think_time": "How long a user waits after an answer before the next payment.",
        "spacing": "Whether payments arrive evenly or at random.",
        "warm_up": "Load that is not measured, at the start.",
        "before": "Measured load before the first fault.",
        "after": "Measured load after the last heal.",
        "amounts": "The amounts of the payments.",
    },
    "MerchantShare": {
        "share": "The merchant's share of the payments.",
        "amounts": "Its amounts, if they differ from the load's.",
    },
    "Twice": {
        "share": "Share of the orders.",
        "gap": "Delay of the second payment after the first.",
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
    "RateStep": {"at": "Time since the start of the load.", "rate": "The rate from then on."},
    "Day": {
        "mean": "The mean rate of the day.",
        "curve": "24 weights, one per hour.",
    },
    "Target": {
        "link": "A link, for all its callers.",
        "call": "One call, such as gateway.authorise, at its first target.",
        "hop": "One hop, such as gateway -> processor-a.",
        "provider": "All links of a provider.",
    },
    "Tolerances": {
        "technical_success": "Share of payments that got a final answer, business declines "
        "included.",
        "approval_rate": "Share of payments that were approved.",
        "latency_p50": "Median of the time from the intended start to the answer.",
        "latency_p95": "95th percentile of that time.",
        "latency_p99": "99th percentile of that time. A limit `<= 1s + finality` also includes the "
        "time a ledger needs until a transfer is final.",
        "detection": "From the start of a fault to the first payment that a fallback served.",
        "failover": "From the start of a fault until success is within tolerance again.",
        "failback": "From the heal until payments use the primary route again.",
        "recovery": "From the last heal until success is back to normal.",
        "drain": "From the end of the load until every payment is answered and nothing more "
        "is booked.",
        "amplification": "Requests for each call, retries included.",
        "completed": "Share of approved payments that have money behind them and whose follow-ups "
        "are all done: captures, refunds, cancels, advices, webhooks.",
        "double_charges": "Orders that were charged more than once.",
        "orphaned_authorisations": "Payments that failed but whose money is still held.",
    },
    "ShareByPhase": _BY_PHASE,
    "TimeByPhase": _BY_PHASE,
}
