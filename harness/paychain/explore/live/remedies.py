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
    "decline": "settle what it had begun when {link} declines the {operation}",
    "rate_limit": "take a 429 of {link} as not executed, and repeat the {operation} later",
    "duplicate_request": "give each {operation} at {link} an idempotency key: networks repeat",
}
_SAYS_DECLINED = "cancel what {link} answered as declined, too: the money may be held all the same"
_SAYS_OTHER = "believe an answer of {link} only about the payment and the amount that it asked for"
_OF_WEBHOOKS = {
    "twice": "recognise a webhook of {link} that comes again, by its id",
    "dropped": "finish what is due without a webhook of {link}, which may never come: ask for it",
    "late": "let no webhook of {link} undo or hide what happened before it came",
    "out_of_order": "take the state from what {link} holds, not from the order of its webhooks",
    "before_answer": "expect a webhook of {link} before the answer that it is about",
    "during": "let one request at a time capture an order: return page, webhook or job",
}
_OF_CUSTOMERS = {
    "presses_twice": "know an order by its number: a second request for it must not pay it again",
    "retry": "know an order by its number: who tries again must not pay it again",
    "pays_again": "keep each payment of an order by itself: what is still due of a declined one "
    "must not be lost, nor taken for the next one's",
    "leaves": "finish or cancel the order of a customer who does not come back",
}
_OF_OUTAGES = {
    "crash": "write down what it is about to ask for before it asks, and settle all that has no "
    "answer when it starts again",
    "freeze": "settle what was asked for around the time when {link} did not answer",
    "down": "take a refused connection to {link} as not executed, and try again later",
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
