"""What is sent to a webhook handler, and what a right handler answers.

Sources: https://docs.stripe.com/webhooks (retries, signatures, tolerance, order of events) and
https://docs.adyen.com/development-resources/webhooks (acknowledgement, HMAC, duplicates).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import sleep
from typing import NamedTuple

from paychain.probe.sender import HandlerAnswer, Sender
from paychain.probe.webhooks import ProbeWebhooks
from paychain.wire.http import HttpRequest

QUICK_S = 5.0  # providers wait 10 s (Adyen) or more; work belongs behind the acknowledgement
OLD_S = 3_600  # an hour: any tolerance is over (Stripe's libraries: five minutes)
HUGE_BYTES = 5_000_000
SLOW_S = 3.0
ACCEPTED_S = 0.1  # a handler has begun with a request by then
Count = Callable[[], int]


class ProbeOutcome(NamedTuple):
    """`passed`: None when the probe does not apply to the provider."""

    passed: bool | None
    observed: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing that is tried. `expects`: what a right handler does, in words."""

    name: str
    expects: str
    run: Callable[[Sender, ProbeWebhooks, Count | None], ProbeOutcome]


def _acknowledged(answer: HandlerAnswer, remedy: str) -> ProbeOutcome:
    return ProbeOutcome(answer.is_success, str(answer), "" if answer.is_success else remedy)


def _refused(answer: HandlerAnswer, remedy: str) -> ProbeOutcome:
    if answer.is_refusal:
        return ProbeOutcome(True, str(answer))
    if answer.is_success:
        return ProbeOutcome(False, f"{answer}: it was accepted", remedy)
    return ProbeOutcome(False, str(answer), "answer 400 or 401, and leave the event alone")


def _valid(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    answer = sender.send(webhooks.event("captured", "valid"))
    if answer.is_success and answer.took_s > QUICK_S:
        return ProbeOutcome(
            False,
            f"{answer} after {answer.took_s:.1f} s",
            "acknowledge first, then do the work: otherwise the provider sends it again",
        )
    remedy = _remedy_for(answer)
    return _acknowledged(answer, f"{remedy}; {webhooks.hint}" if webhooks.hint else remedy)


def _remedy_for(answer: HandlerAnswer) -> str:
    """What to look at when a valid event is not acknowledged."""
    match answer.status:
        case 404 | 405:
            return "check the path, and with --order name an order that the handler knows"
        case 400 | 401 | 403:
            return "check the secret that the handler uses, and that it verifies the raw body"
        case status if status >= 500:
            return "the handler failed: see its log"
        case _:
            return "acknowledge a valid event with 2xx; a redirect is not followed"


def refuses_all(sender: Sender, webhooks: ProbeWebhooks) -> int:
    """The status of an error that answers valid and forged events alike, 0 when there is none."""
    valid = sender.send(webhooks.event("captured", "valid"))
    forged = webhooks.event("captured", "forged", secret=webhooks.other_secret)
    is_error = valid.status >= 400
    same = is_error and sender.send(forged).status == valid.status
    return valid.status if same else 0


def _twice(sender: Sender, webhooks: ProbeWebhooks, count: Count | None) -> ProbeOutcome:
    request = webhooks.event("captured", "twice")
    first = sender.send(request)
    before = count() if count is not None else None
    again = sender.send(webhooks.event("captured", "twice"))
    if not (first.is_success and again.is_success):
        return _acknowledged(
            again if first.is_success else first,
            "acknowledge a repeated event like the first: repeats are normal",
        )
    if count is None or before is None:
        return ProbeOutcome(True, f"{first}, then {again}; --count shows whether it acted twice")
    after = count()
    if after != before:
        return ProbeOutcome(
            False,
            f"{first}, then {again}; the count went from {before} to {after}",
            "remember the ids of events, and act once on each",
        )
    return ProbeOutcome(True, f"{first}, then {again}; the count stayed at {after}")


def _disordered(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    answers = [
        sender.send(webhooks.event(kind, "disordered"))
        for kind in webhooks.kinds_of("refunded", "captured", "authorised")
    ]
    if not answers:
        return ProbeOutcome(None, "the provider reports no payment step by step")
    failed = [answer for answer in answers if not answer.is_success]
    return _acknowledged(
        failed[0] if failed else answers[-1],
        "events arrive in any order: acknowledge and keep those that come early",
    )


def _unknown(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    return _acknowledged(
        sender.send(webhooks.event("captured", "nobody-knows-this-order")),
        "acknowledge events about unknown orders: other systems may share the account",
    )


def _forged(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    answer = sender.send(webhooks.event("captured", "forged", secret=webhooks.other_secret))
    return _refused(answer, "verify the signature before doing anything else with the event")


def _unsigned(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    answer = sender.send(webhooks.unsigned("captured", "unsigned"))
    return _refused(answer, "reject events without a signature")


def _changed(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    answer = sender.send(webhooks.changed("captured", "changed"))
    return _refused(answer, "verify the signature over the raw body, as it was received")


def _old(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    if not webhooks.is_dated:
        return ProbeOutcome(None, "the provider's signature has no time")
    answer = sender.send(webhooks.event("captured", "old", age_s=OLD_S))
    return _refused(answer, "refuse signatures that are older than five minutes: a replay")


def _huge(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    request = webhooks.event("captured", "huge", secret=webhooks.other_secret)
    huge = HttpRequest(
        request.method, request.target, request.headers, request.body + b" " * HUGE_BYTES
    )
    answer = sender.send(huge)
    after = sender.send(webhooks.event("captured", "after-huge"))
    if answer.is_success:
        return ProbeOutcome(False, f"{answer}: it was accepted", "verify the signature first")
    if not after.is_success:
        return ProbeOutcome(
            False,
            f"{answer}; afterwards {after}",
            "limit the size of a body (413) and keep serving",
        )
    if answer.status >= 500:
        return ProbeOutcome(False, str(answer), "answer 413 or 400 to a body that is too large")
    return ProbeOutcome(True, f"{answer}; afterwards {after}")


def _slow(sender: Sender, webhooks: ProbeWebhooks, _count: Count | None) -> ProbeOutcome:
    """While one body dribbles in, another event has to be served."""
    with ThreadPoolExecutor(1) as pool:
        request = webhooks.event("captured", "slow")
        begun = Event()
        slow = pool.submit(lambda: sender.send(request, over_s=SLOW_S, on_begun=begun.set))
        begun.wait(sender.timeout_s)
        sleep(ACCEPTED_S)
        meanwhile = sender.send(webhooks.event("captured", "meanwhile"))
        answer = slow.result()
    if not meanwhile.is_success or meanwhile.took_s > (SLOW_S - ACCEPTED_S) / 2:
        return ProbeOutcome(
            False,
            f"another event meanwhile: {meanwhile} after {meanwhile.took_s:.1f} s",
            "serve more than one request at a time; a slow client must not block others",
        )
    if answer.status in (0, 408) or answer.is_success:
        return ProbeOutcome(True, f"{answer}; another event meanwhile: {meanwhile}")
    return ProbeOutcome(False, str(answer), "a slow body arrives in full in the end: process it")


PROBES = (
    Probe(name="valid", expects="2xx within 5 s", run=_valid),
    Probe(name="twice", expects="2xx both times, acted on once", run=_twice),
    Probe(name="out of order", expects="2xx for each", run=_disordered),
    Probe(name="unknown order", expects="2xx", run=_unknown),
    Probe(name="wrong signature", expects="4xx", run=_forged),
    Probe(name="no signature", expects="4xx", run=_unsigned),
    Probe(name="body changed after signing", expects="4xx", run=_changed),
    Probe(name="old timestamp", expects="4xx", run=_old),
    Probe(name="huge body", expects="4xx, and the next event works", run=_huge),
    Probe(name="slow body", expects="other events are served meanwhile", run=_slow),
)
