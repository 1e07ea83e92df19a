"""What to change in an own service that a found script breaks: a sentence for each of its steps.

A script is minimal: without any of its steps the service does nothing wrong. What it lacks is what
it should do when each of them happens.
"""

from __future__ import annotations

from paychain.explore.live.result import FoundScript
from paychain.explore.live.steps import StepChoice

MAX_REMEDIES = 3
# What leaves unknown whether a link has done what it was asked for.
_UNCLEAR = frozenset(
    {"lost_answer", "late_answer", "slow_answer", "http_error", "malformed", "stuck_pending"}
)
_AFTER_UNCLEAR = {
    "authorise": "after an authorise without a clear answer at {link}, ask {link} what became of "
    "it, or cancel it until {link} confirms that; repeat it only under the same idempotency key",
    "capture": "repeat a capture without a clear answer at {link} until it is known to be done, "
    "under the same idempotency key, or ask {link} first whether it is",
    "refund": "repeat a refund without a clear answer at {link} under the same idempotency key",
    "void": "repeat a cancel without a clear answer at {link} until {link} confirms it",
    "query": "repeat a query without a clear answer at {link}: it says nothing about the payment",
}
_OF_OTHER_KINDS = {
    "decline": "undo or finish what it had begun when {link} declines the {operation}",
    "rate_limit": "treat a 429 from {link} as not executed, and repeat the {operation} later",
    "duplicate_request": "give each {operation} at {link} an idempotency key: networks repeat",
}
_SAYS_DECLINED = "also cancel what {link} reported as declined: the money may be held nevertheless"
_SAYS_OTHER = "check that an answer of {link} is about the payment and the amount that it asked for"
_OF_WEBHOOKS = {
    "twice": "recognise a repeated webhook of {link} by its id",
    "dropped": "do not depend on a webhook of {link}, which may never come: query {link} as well",
    "late": "do not let a late webhook of {link} undo or hide what happened before it came",
    "out_of_order": "take the state from {link} itself, not from the order of its webhooks",
    "before_answer": "be ready for a webhook of {link} that arrives before the answer it is about",
    "during": "let only one request at a time capture an order: return page, webhook or job",
}
_OF_CUSTOMERS = {
    "presses_twice": "identify an order by its number: a second request must not charge it again",
    "retry": "identify an order by its number: a second try of a customer must not charge it again",
    "pays_again": "track each payment of an order separately: what is still due for a declined one "
    "must not be lost, or attributed to the next one",
    "lingers": "take no customer who is slow for one who has left: cancel what was begun, and know "
    "that it is cancelled, before the order is paid in another way",
    "tampers": "take the amount from the order, never from a later request of its customer",
    "leaves": "finish or cancel the order of a customer who does not come back",
}
_OF_OUTAGES = {
    "crash": "store each request before sending it, and settle those without an answer when it "
    "starts again",
    "freeze": "settle the requests made around the time when {link} did not answer",
    "down": "treat a refused connection to {link} as not executed, and try again later",
}


def service_remedies(found: FoundScript, service: str) -> list[str]:
    """What `service` should do, step by step, at most `MAX_REMEDIES`; [] for no step."""
    sentences = [_of_step(step) for step in found.steps]
    outage = found.outage
    if outage is not None:
        sentences.insert(0, _OF_OUTAGES[outage.kind].format(link=outage.link))
    return [f"{service}: {each}" for each in dict.fromkeys(sentences)][:MAX_REMEDIES]


def _of_step(step: StepChoice) -> str:
    subject, where, *rest = step.place
    kind, values = step.keys[0]
    if subject == "customer":
        return _OF_CUSTOMERS[where]
    if subject == "webhook":
        return _OF_WEBHOOKS[kind].format(link=where)
    operation = rest[0]
    if kind in _UNCLEAR:
        sentence = _AFTER_UNCLEAR.get(operation, "ask {link} what became of the {operation}")
    elif kind == "wrong_answer" and values.get("says") == "declined":
        sentence = _SAYS_DECLINED
    else:
        sentence = _OF_OTHER_KINDS.get(kind, _SAYS_OTHER)
    return sentence.format(link=where, operation=operation)
