"""Webhooks: a processor tells a gateway what became of an authorisation, at least once.

Events come late, out of order and more than once; they are signed, and known by their id.
Source: domain.md §2.4.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Coroutine

import msgspec

from harness.model.lifecycle import Notifications
from harness.model.policy import Reversal
from harness.payments.chance import log_normal
from harness.payments.codes import APPROVED
from harness.payments.journal import DecisionKind
from harness.payments.outcome import Outcome
from harness.services.background import Background
from harness.services.context import Context
from harness.services.followup import FollowUps
from harness.services.message import Answer, PaymentRequest
from harness.services.route import Channels
from harness.wire.http import HttpResponse

UNAUTHORISED = 401
OLDEST_S = 300.0  # a signature older than this may be a replay
EVENTS_MOST = 100_000  # ids kept by a gateway; the oldest are forgotten first


def signature(secret: str, event: PaymentRequest) -> str:
    """HMAC-SHA256 over what the receiver acts on."""
    said = ":".join(
        (
            event.key, event.event, event.reference, str(event.amount_minor), event.currency,
            str(event.at_ns),
        )
    )  # fmt: skip
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def secret_of(sender: str, seed: int) -> str:
    """What a sender and its receivers share."""
    return f"webhook-{seed}-{sender}"


class Notifier:
    """Sends one link's events."""

    def __init__(
        self, context: Context, channels: Channels, background: Background, declared: Notifications
    ) -> None:
        self._context = context
        self._background = background
        self._declared = declared
        repeat = Reversal.model_construct(
            timeout=declared.timeout, backoff=declared.backoff, longest=declared.longest,
            give_up_after=declared.give_up_after,
        )  # fmt: skip
        self._follow_ups = FollowUps(context, channels, background, repeat)

    def tell(self, event: str, request: PaymentRequest) -> None:
        """Say what became of `request`, in the background."""
        key = f"{request.reference}-{request.item or 'payment'}-{event}"
        told = msgspec.structs.replace(request, key=key, event=event, at_ns=self._context.now_ns())
        self._background.start(self._deliver(told))

    async def _deliver(self, told: PaymentRequest) -> None:
        delay = self._declared.delay
        after_s = log_normal(self._context.draw("notify", told.key), delay.median, delay.p99)
        await asyncio.sleep(after_s)
        await self._follow_ups.start(
            "notify", self._declared.to, told, in_order=False, of_try=self._signed
        )
        if self._context.draw("notify-again", told.key) < self._declared.duplicates:
            await asyncio.sleep(after_s)
            await self._follow_ups.start(
                "notify", self._declared.to, told, in_order=False, of_try=self._signed
            )

    def _signed(self, told: PaymentRequest, number: int) -> PaymentRequest:
        secret = secret_of(self._context.link, self._context.seed)
        if self._context.draw("bad-signature", told.key, number) < self._declared.bad_signatures:
            secret = "somebody else's"  # noqa: S105  (a signature that is meant to be wrong)
        fresh = msgspec.structs.replace(told, at_ns=self._context.now_ns())
        return msgspec.structs.replace(fresh, signature=signature(secret, fresh))


class Inbox:
    """Takes events for a gateway: proves each, and hands it on once. `senders` are known links."""

    def __init__(
        self, context: Context, background: Background, senders: frozenset[str],
        handle: Callable[[str, PaymentRequest], Coroutine[object, object, None]], *, forgets: bool,
    ) -> None:  # fmt: skip
        self._context = context
        self._background = background
        self._senders = senders
        self._handle = handle
        self._forgets = forgets
        self._known: dict[str, None] = {}

    async def take(self, event: PaymentRequest, parent: str) -> Answer | HttpResponse:  # noqa: ARG002
        """Acknowledge an event; what it leads to happens afterwards."""
        sender = self._sender(event)
        if sender is None:
            self._say(DecisionKind.NOTIFICATION_REFUSED, "", event)
            return HttpResponse(UNAUTHORISED, b'{"error":"signature"}')
        if event.key in self._known:
            self._say(DecisionKind.NOTIFICATION_REPEATED, sender, event)
        else:
            if not self._forgets:
                self._remember(event.key)
            self._say(DecisionKind.NOTIFIED, sender, event)
            self._background.start(self._handle(sender, event))
        return Answer(Outcome.APPROVED, APPROVED, self._context.link, event.reference)

    def _sender(self, event: PaymentRequest) -> str | None:
        if self._context.now_ns() - event.at_ns > OLDEST_S * 1e9:
            return None
        for sender in self._senders:
            expected = signature(secret_of(sender, self._context.seed), event)
            if hmac.compare_digest(expected, event.signature):
                return sender
        return None

    def _remember(self, key: str) -> None:
        self._known[key] = None
        if len(self._known) > EVENTS_MOST:
            del self._known[next(iter(self._known))]

    def _say(self, kind: DecisionKind, sender: str, event: PaymentRequest) -> None:
        self._context.decided(
            kind, "notify", sender, payment=event.payment, attempt=event.attempt,
            detail=f"{event.event} {event.reference}",
        )  # fmt: skip
