"""What each key of a fault is for; the kinds themselves say in `facts.meaning` what they do."""

from __future__ import annotations

# Of every kind, unless the kind has an entry of its own.
OF_ANY_KIND = {
    "share": "Share of the connections of a hop, or of the requests of a link, that it affects.",
    "only": "Only these payments; all of them without it.",
    "delay": "How much later.",
    "jitter": "By how much the delay varies, up and down.",
    "stream": "Which direction: downstream carries answers, upstream requests.",
    "first": "Only the first N requests of each payment at the target.",
    "requests": "Only these requests of each payment at the target, counted from 1.",
    "retry_after": "The error's Retry-After header, in whole seconds; 0s: without one.",
    "forgets": "The link's books and idempotency keys are lost as well.",
    "fault": "What comes and goes, with its parameters.",
}
FAULTS: dict[str, dict[str, str]] = {
    "Fault": {
        "id": "Its name in reports and on the timeline; kind and number without it.",
        "at": "When it begins, counted from the end of `before`.",
        "for": "How long it lasts.",
        "may_miss": "It may affect no request; otherwise such a run is inconclusive.",
        "target": "Where it is injected: exactly one link, call, hop or provider.",
        "flapping": "It comes and goes.",
        "ramp": "Its share grows in steps.",
        "relapse": "It heals and comes back.",
        "cache_expiry": "It reaches callers as their caches expire.",
    },
    "AffectedPayments": {
        "schemes": "Card schemes, such as visa; all without it.",
        "ranges": "First digits of card numbers, such as 4000-4099; all without it.",
        "merchants": "Names of merchants; all without it.",
    },
    "Flapping": {
        "period": "Length of one cycle; not longer than the fault.",
        "duty": "Share of each period that it is on.",
    },
    "Ramp": {"steps": "In how many equal steps it grows."},
    "Relapse": {
        "on": "How long it is on before the repair that does not hold.",
        "healthy": "How long it is gone before it comes back.",
    },
    "CacheExpiry": {
        "ttl": "How long callers keep what they have cached.",
        "steps": "In how many steps the share grows.",
    },
    "Bandwidth": {"rate": "Bytes per second that pass, such as 10kB/s."},
    "Blackhole": {"connections": "Which connections: all, or new ones only."},
    "CutAfter": {"after": "Bytes after which the connection is closed."},
    "RateLimit": {"rate": "Requests per second that each link of the target takes."},
    "DuplicateRequest": {
        "copies": "How often each request arrives in all.",
        "after": "Pause between two copies; 0s: they arrive together.",
    },
    "Decline": {"code": "Response code that it declines with."},
    "DuplicateAnswer": {"copies": "How often the answer is sent."},
    "Gray": {"status": "HTTP status of the requests that fail."},
    "HttpError": {
        "status": "HTTP status that is answered.",
        "after_work": "The error comes after the link has done the work.",
    },
    "Reset": {"after": "How long after its start a connection is reset."},
    "Slice": {
        "size": "Bytes of one piece.",
        "delay": "Pause between the pieces.",
    },
    "WrongAnswer": {
        "says": "What is wrong with the answer.",
        "code": "Response code that it has instead.",
    },
}
