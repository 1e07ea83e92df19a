"""Stripe's events: which of them report the outcome of a request, and how each is shown.

An event has the same id in every delivery of its webhook and in the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from paychain.payments.bounded import BoundedDict
from paychain.protocol.dialects.stripe import (
    disputes,
    session_objects,
    sessions,
    setup_objects,
)
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.confirming import settle_card
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import missing
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.intents import request_of
from paychain.protocol.dialects.stripe.listing import page
from paychain.protocol.dialects.stripe.parameters import text
from paychain.protocol.dialects.stripe.records import (
    COMPLETED,
    PROCESSES,
    REFUND_UPDATED,
    SUCCEEDED,
    UPDATE,
    Charge,
    Intent,
    item_of_update,
)
from paychain.protocol.json_text import decoded
from paychain.protocol.message import PaymentRequest

MAX_SNAPSHOTS = 10_000  # events that keep their object as it was; others show it as it is now
_OWN_KINDS = (
    "payment_intent.",
    "checkout.session.",
    "setup_intent.",
    disputes.UPDATED,
    disputes.CLOSED,
)
_HELD = ("charge.succeeded", "payment_intent.amount_capturable_updated")
_SOLD = ("charge.succeeded", "payment_intent.succeeded")
_PART = ("charge.captured", "payment_intent.amount_capturable_updated")
_WHOLE = ("charge.captured", "payment_intent.succeeded")
_DECLINED = ("charge.failed", "payment_intent.payment_failed")
_REFUNDED = ("refund.created", "charge.refunded")
_REFUND_FAILED = ("refund.failed", "refund.updated", "charge.refund.updated")
_REFUND_CHANGED = ("refund.updated", "charge.refund.updated")
_CANCELED = ("payment_intent.canceled",)


class Events:
    """The events of one link."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._snapshots: BoundedDict[str, bytes] = BoundedDict(MAX_SNAPSHOTS)

    def note(self, kind: str, request: PaymentRequest) -> None:
        """Note an outcome: an answer may have been unknown, and may not have arrived.

        Of a capture or refund that is done: the book cannot tell which if others were lost. A
        refund that has failed behind the link stays in its book.
        """
        found = self._account.intents.charge_of(request.reference)
        if found is None:
            return
        charge = found[1]
        if kind in ("authorised", "captured", "declined"):
            settle_card(self._account, *found)
        if kind not in ("captured", "refunded", "refund_failed"):
            return
        if kind == "refund_failed":
            for part in charge.refunds:
                if part.item == request.item:
                    part.failed_s = self._account.backend.now_s()
            return
        for part in charge.captures if kind == "captured" else charge.refunds:
            if part.item == request.item and not part.state:
                part.state = SUCCEEDED

    def types(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The types of the events that report `kind` (`message.Event.event`), in order."""
        if kind.startswith(_OWN_KINDS):
            return (kind,)
        match kind:
            case "authorised":
                # Stripe reports a sale when it is captured, which is at once.
                intent = self._account.intents.of(request.reference)
                if intent is not None and not intent.is_manual:
                    return ()
                return (*_HELD, *self._completed(intent))
            case "declined":
                return _DECLINED
            case "captured":
                return self._captured(request)
            case "refunded":
                return _REFUNDED
            case "refund_failed":
                return _REFUND_FAILED
            case _ if kind == REFUND_UPDATED:
                return _REFUND_CHANGED
            case "disputed":
                return (disputes.CREATED,)
            case "voided" | "expired":
                return _CANCELED if self._is_over(request) else ()
            case _:
                return ()

    def _captured(self, request: PaymentRequest) -> tuple[str, ...]:
        found = self._account.intents.charge_of(request.reference)
        if found is None or not found[0].is_manual:
            return (*_SOLD, *self._completed(found[0] if found is not None else None))
        is_whole = found[0].status(self._account.backend.entry(request.reference)) == SUCCEEDED
        return _WHOLE if is_whole else _PART

    def _completed(self, intent: Intent | None) -> tuple[str, ...]:
        """The further events of a payment that was made on a page of Stripe's."""
        has_page = intent is not None and intent.reference in self._account.sessions
        return (COMPLETED,) if has_page else ()

    def _is_over(self, request: PaymentRequest) -> bool:
        entry = self._account.backend.entry(request.reference)
        return entry is not None and entry.captured_minor == 0

    def keep(self, kind: str, request: PaymentRequest) -> None:
        """Remember an event's object as it is now."""
        if kind == disputes.CREATED:
            disputes.note(self._account, request)
        event = self._event(kind, request, self._account.backend.now_s())
        self._snapshots[event["id"]] = msgspec.json.encode(event)

    def shown(self, kind: str, request: PaymentRequest, created_s: int) -> Shown:
        """An event with its object as it was then, or else as it is now."""
        kept = self._snapshots.get(event_id(request, kind))
        if kept is None:
            return self._event(kind, request, created_s)
        shown: Shown = decoded(kept)
        return shown

    def _event(self, kind: str, request: PaymentRequest, created_s: int) -> Shown:
        return {
            "id": event_id(request, kind),
            "object": "event",
            "api_version": self._account.version,
            "created": created_s,
            "data": {"object": self._object(kind, request)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }

    def _object(self, kind: str, request: PaymentRequest) -> Shown:
        account = self._account
        if kind.startswith("setup_intent."):
            return setup_objects.shown_of(account, account.setups[request.reference])
        # The intent of a session that nobody has paid is not known to anybody.
        session = account.sessions.get(request.reference)
        if kind == sessions.EXPIRED or (session is not None and session.setup is not None):
            return session_objects.shown_of(account, account.sessions[request.reference])
        intent = account.intents.of(request.reference) or account.intents.booked(request)
        if kind.startswith("payment_intent."):
            return account.objects.intent(intent)
        if kind.startswith("checkout.session."):
            return session_objects.shown_of(account, account.sessions[intent.reference])
        found = account.intents.charge_of(request.reference)
        charge = found[1] if found is not None else intent.charges[-1]
        if kind.startswith(disputes.EVENTS) and charge.dispute is not None:
            return disputes.shown(intent, charge)
        if kind.startswith(("refund.", "charge.refund.")):
            for part in charge.refunds:
                if part.item == request.item.partition(UPDATE)[0]:
                    return account.objects.refund(intent, charge, part)
        return account.objects.charge(intent, charge)

    def listed(self, asked: RoutedRequest) -> Plan:
        """`GET /v1/events`, newest first."""
        wanted = asked.given.get("types") or []
        kind = text(asked.given, "type")
        kinds = [kind] if kind else list(wanted)

        def all_events() -> Iterator[Shown]:
            for name, request, created_s in self._all():
                if not kinds or any(_fits(name, pattern) for pattern in kinds):
                    yield self.shown(name, request, created_s)

        return page(self._account, asked, all_events())

    def retrieve(self, asked: RoutedRequest) -> Plan:
        """`GET /v1/events/{id}`."""
        name = asked.names[0]
        for kind, request, created_s in self._all():
            if event_id(request, kind) == name:
                return self._account.looked_up(partial(self.shown, kind, request, created_s))
        raise missing("event", name)

    def _all(self) -> Iterator[tuple[str, PaymentRequest, int]]:
        """All events: of sessions and setup intents, then of payment intents, each newest first."""
        for session in reversed(self._account.sessions.values()):
            if session.expired_s:
                yield sessions.EXPIRED, request_of(session.intent), session.expired_s
            if session.completed_s:
                yield COMPLETED, request_of(session.intent), session.completed_s
        for setup in reversed(self._account.setups.values()):
            for kind, at_s in reversed(setup.log):
                yield kind, setup.request, at_s
        for intent in self._account.intents.newest_first():
            yield from reversed(self._of(intent))

    def _of(self, intent: Intent) -> list[tuple[str, PaymentRequest, int]]:
        """All events of an intent according to the books, in order, each with its time."""
        asked = request_of(intent)
        found = [("payment_intent.created", asked, intent.created_s)]
        if intent.waits:
            found.append(("payment_intent.requires_action", asked, intent.created_s))
        for charge in intent.charges:
            found += self._of_charge(intent, charge)
        has_hold = any(name in _HELD for name, _, _ in found)
        if intent.canceled_s and not has_hold:
            found.append((_CANCELED[0], asked, intent.canceled_s))
        return found

    def _of_charge(self, intent: Intent, charge: Charge) -> list[tuple[str, PaymentRequest, int]]:
        entry = self._account.backend.entry(charge.reference)
        request, created_s = charge.request, charge.created_s
        found = [(PROCESSES, request, created_s)] if charge.was_unknown else []
        if entry is None or entry.state == "in_flight":
            return found
        if entry.state == "not_authorised":
            return [*found, *((name, request, created_s) for name in _DECLINED)]
        if intent.is_manual:
            names = (*_HELD, *self._completed(intent))
            found += [(name, request, created_s) for name in names]
        done = charge.captured(entry)
        is_whole = intent.status(entry) == SUCCEEDED
        for part in done:
            names = _SOLD
            if intent.is_manual:
                names = _WHOLE if is_whole and part is done[-1] else _PART
            names += self._completed(intent) if names is _SOLD else ()
            found += [(name, _item(request, part.item), part.created_s) for name in names]
        for part in charge.refunded(entry):
            item = _item(request, part.item)
            found += [(name, item, part.created_s) for name in _REFUNDED]
            if part.failed_s:
                found += [(name, item, part.failed_s) for name in _REFUND_FAILED]
            for number, at_s in enumerate(part.updated_s, 1):
                update = _item(request, item_of_update(part, number))
                found += [(name, update, at_s) for name in _REFUND_CHANGED]
        if charge.dispute is not None:
            found += disputes.log(charge)
        if entry.state in ("voided", "expired") and not entry.captured_minor:
            canceled_s = intent.canceled_s or self._account.backend.now_s()
            found.append((_CANCELED[0], request, canceled_s))
        return found


def event_id(request: PaymentRequest, kind: str) -> str:
    """The id of an event, the same in its webhook and in the list."""
    return opaque("evt", f"{request.reference}-{request.item or 'payment'}-{kind}")


def _item(request: PaymentRequest, item: str) -> PaymentRequest:
    fields = {name: getattr(request, name) for name in PaymentRequest.__struct_fields__}
    return PaymentRequest(**{**fields, "item": item})


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
