"""What each key of a fault is for; what a kind does is in its `facts.meaning`."""

from __future__ import annotations

# Of every kind, unless the kind has an entry of its own.
OF_ANY_KIND = {
    "share": "Share of a hop's connections, or of a link's requests, that it affects.",
    "only": "Only these payments; default: all.",
    "delay": "The delay.",
    "jitter": "How much the delay varies in either direction.",
    "stream": "Direction: downstream carries answers, upstream requests.",
    "first": "Only the first N requests of each payment at the target.",
    "requests": "Only these requests of each payment at the target, counted from 1.",
    "retry_after": "The error's Retry-After header, in whole seconds; 0s: none.",
    "forgets": "The link also loses its books and idempotency keys.",
    "fault": "The fault and its parameters.",
}
FAULTS: dict[str, dict[str, str]] = {
    "Fault": {
        "id": "Its name in reports and on the timeline; default: kind and number.",
        "at": "When it starts, counted from the end of `before`.",
        "for": "How long it lasts.",
        "may_miss": "It need not affect any request; without this, such a run is inconclusive.",
        "target": "Where it is injected: exactly one link, call, hop or provider.",
        "flapping": "It switches on and off.",
        "ramp": "Its share grows in steps.",
        "relapse": "It heals and then returns.",
        "cache_expiry": "It reaches callers gradually, as their caches expire.",
    },
    "AffectedPayments": {
        "schemes": "Card schemes, such as visa; default: all.",
        "ranges": "First digits of card numbers, such as 4000-4099; default: all.",
        "merchants": "Names of merchants; default: all.",
    },
    "Flapping": {
        "period": "Length of one cycle; not longer than the fault.",
        "duty": "Share of each period that it is on.",
    },
    "Ramp": {"steps": "Number of equal steps in which it grows."},
    "Relapse": {
        "on": "How long it is on before the first, temporary repair.",
        "healthy": "How long it is gone before it returns.",
    },
    "CacheExpiry": {
        "ttl": "How long callers keep cached entries.",
        "steps": "Number of steps in which the share grows.",
    },
    "Bandwidth": {"rate": "Bytes per second, such as 10kB/s."},
    "Blackhole": {"connections": "Affected connections: all, or only new ones."},
    "CutAfter": {"after": "Bytes after which the connection is closed."},
    "RateLimit": {"rate": "Requests per second that each link of the target accepts."},
    "DuplicateRequest": {
        "copies": "How many times each request arrives in total.",
        "after": "Pause between copies; 0s: they arrive together.",
    },
    "Decline": {"code": "Response code of the declines."},
    "DuplicateAnswer": {"copies": "How many times the answer is sent."},
    "Gray": {"status": "HTTP status of the requests that fail."},
    "HttpError": {
        "status": "HTTP status of the answers.",
        "after_work": "The error is sent after the work is done.",
    },
    "Reset": {"after": "Delay from opening a connection to its reset."},
    "Slice": {
        "size": "Bytes per piece.",
        "delay": "Pause between pieces.",
    },
    "WrongAnswer": {
        "says": "What is wrong with the answer.",
        "code": "The wrong response code.",
    },
}
