"""What a payment's records show of the user's own services: their books, keys and webhooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from paychain.payments.journal import Decision, DecisionKind, HopRecord
from paychain.payments.outcome import HopResult
from paychain.payments.rules.evidence import MerchantsBook
from paychain.payments.rules.traces import MOVES

SIGNED_NS = 250_000_000  # a webhook leaves so soon after it was signed, on a busy machine, too
_NOTIFY = "notify"
# What comes before a payment: whoever approves that cannot say what came of the payment.
_BEFORE = frozenset({"serve", "screen", "tokenise", "authenticate", "quote"})
_NOT_SENT = (HopResult.NOT_TRIED, HopResult.REFUSED)
_TRY = " try "


def merchants_book(decisions: Sequence[Decision]) -> MerchantsBook | None:
    """The order's entry in the books of an own service; None where none was read."""
    for decision in decisions:
        if decision.kind in (DecisionKind.BOOKED_PAID, DecisionKind.BOOKED_UNPAID):
            is_paid = decision.kind is DecisionKind.BOOKED_PAID
            return MerchantsBook(
                link=decision.link, is_paid=is_paid, amount_minor=decision.amount_minor
            )
    return None


def is_taken_back(
    book: MerchantsBook | None, shown_ns: int, decisions: Sequence[Decision], own: Collection[str]
) -> bool:
    """Whether a service released what it had shown as approved, and its books have it as not paid.

    `shown_ns`: when the customer saw the approval. A service that releases the money sooner has
    approved nothing, and one whose books still have the order as paid has not cancelled it.
    """
    return (
        book is not None
        and not book.is_paid
        and any(
            decision.kind is DecisionKind.REVERSAL_SENT
            and decision.link in own
            and decision.at_ns >= shown_ns
            for decision in decisions
        )
    )


def reused_keys(decisions: Sequence[Decision]) -> Iterator[str]:
    """Keys of other payments, and of other requests, that were sent for this one, in words."""
    for decision in decisions:
        if decision.kind is DecisionKind.KEY_REUSED:
            yield (
                f"{decision.link} sent {decision.operation} to {decision.target} under the key of "
                f"{decision.detail}"
            )
        elif decision.kind is DecisionKind.KEY_SHARED:
            yield (
                f"{decision.target} sent {decision.operation} to {decision.link} under the key of "
                f"another {decision.operation}"
            )


def done_again(decisions: Sequence[Decision]) -> Iterator[str]:
    """Captures and refunds of money that was captured or given back before, in words."""
    for decision in decisions:
        if decision.kind is DecisionKind.CAPTURED_AGAIN:
            yield f"{decision.link} sent the capture to {decision.target} under {decision.detail}"
        elif decision.kind is DecisionKind.REFUNDED_AGAIN:
            yield (
                f"{decision.link} sent the refund to {decision.target} again under "
                f"{decision.detail}, and it was booked twice"
            )


def opened_by_own(
    hops: Sequence[HopRecord], closed: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Authorisations that a service sent after it had asked in vain for what must come first.

    `closed`: by service, the links that it has to ask, with what each gives. Of a payment for which
    it has asked none of those that give the same, nothing is concluded: it may know the card or the
    customer from before.
    """
    for sent in hops:
        asks = closed.get(sent.caller, {})
        if sent.operation not in MOVES or sent.callee in asks or sent.result in _NOT_SENT:
            continue
        for gives in dict.fromkeys(asks.values()):
            asked = [
                hop
                for hop in hops
                if hop.caller == sent.caller
                and asks.get(hop.callee) == gives
                and hop.started_ns < sent.started_ns
            ]
            is_given = any(
                hop.result is HopResult.APPROVED and hop.ended_ns <= sent.started_ns
                for hop in asked
            )
            if asked and not is_given:
                yield f"{sent.caller} → {sent.callee}, attempt {sent.attempt}, without {gives}"


def asks_beside(hops: Sequence[HopRecord], closed: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a service sent an authorisation while, or just when, it asked what must come first.

    Otherwise the order in which calls began says all that `opened_by_own` asks of their times.
    """
    return any(
        asked.started_ns == sent.started_ns or asked.started_ns < sent.started_ns < asked.ended_ns
        for asked in hops
        if asked.callee in closed.get(asked.caller, ())
        for sent in hops
        if sent.caller == asked.caller
        and sent.operation in MOVES
        and sent.callee not in closed[sent.caller]
    )


def unsigned_webhooks(hops: Sequence[HopRecord], decisions: Sequence[Decision]) -> Iterator[str]:
    """Webhooks with a wrong signature that alone can have told the service the outcome.

    Nothing else did: every webhook that it accepted was one of them, and no request of the service
    about the payment itself was answered as approved. After such an answer a webhook says what is
    known already, and whoever acts on it does what the answer permits.
    """
    forged = [decision for decision in decisions if decision.kind is DecisionKind.WEBHOOK_FORGED]
    if not forged:
        return
    own = {decision.target for decision in forged}
    worked = [hop for hop in hops if hop.result is HopResult.APPROVED]
    if any(hop.caller in own and _tells(hop.operation) for hop in worked):
        return
    accepted = [hop for hop in worked if hop.operation == _NOTIFY and hop.callee in own]
    if not accepted or not all(any(_sent(each, hop) for each in forged) for hop in accepted):
        return
    for decision in forged:
        yield f"{decision.link} to {decision.target} ({decision.detail.partition(_TRY)[0]})"


def _tells(operation: str) -> bool:
    """Whether an approval of it says something of the payment. One of several: `serve-captcha`."""
    return operation != _NOTIFY and operation.partition("-")[0] not in _BEFORE


def _sent(forged: Decision, hop: HopRecord) -> bool:
    """Whether a hop carried the webhook that was signed wrongly a moment before."""
    return (
        (forged.link, forged.target, forged.attempt) == (hop.caller, hop.callee, hop.attempt)
        and forged.detail.endswith(f"{_TRY}{hop.try_number}")
        and 0 <= hop.started_ns - forged.at_ns <= SIGNED_NS
    )


def lost_webhooks(decisions: Sequence[Decision], own: Collection[str]) -> Iterator[str]:
    """Webhooks about an approval that no own service has accepted in the end, in words."""
    due: dict[tuple[str, str], Decision] = {}
    done: set[tuple[str, str]] = set()
    for decision in decisions:
        if decision.operation != _NOTIFY or decision.target not in own:
            continue
        name = decision.detail.partition(" after ")[0]
        if decision.kind is DecisionKind.FOLLOW_UP_DUE:
            due[decision.link, name] = decision
        elif decision.kind is DecisionKind.FOLLOW_UP_ACKNOWLEDGED:
            done.add((decision.link, name))
    for key, decision in due.items():
        if key not in done:
            yield f"{decision.link} to {decision.target} ({key[1]})"
