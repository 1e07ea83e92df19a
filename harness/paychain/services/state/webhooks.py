"""Webhooks: a processor informs a gateway of an authorisation's outcome, at least once.

Events come late, out of order and more than once; they are signed, and known by their id.
Source: docs/domain.md §2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping

import msgspec

from paychain.model.chain import Chain, Link
from paychain.model.lifecycle import Webhooks
from paychain.model.policy import Reversal
from paychain.payments.bounded import BoundedDict
from paychain.payments.chance import log_normal
from paychain.payments.codes import APPROVED
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import Dialect, Signs
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.message import (
    Answer,
    AnswerOrError,
    Error,
    ErrorKind,
    Event,
    PaymentRequest,
)
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.route import Channels
from paychain.services.scripts import NO_FATE, PaymentScripts, WebhookFate
from paychain.services.state.background import Background
from paychain.services.state.followup import FollowUpSender

Kinds = Callable[[str, PaymentRequest], tuple[str, ...]]
MAX_EVENTS = 100_000  # ids kept by a gateway; the oldest are forgotten first


def secret_of(sender: str, seed: int) -> str:
    """What a sender and its receivers share."""
    return f"webhook-{seed}-{sender}"


def webhook_secret(chain: Chain, sender: str, seed: int) -> str:
    """What a link signs its webhooks with: the secret that its receiver declares, or its own."""
    link = chain.links[sender]
    receives = chain.links[link.webhooks.to].receives if link.webhooks is not None else None
    if receives is not None and receives.secret is not None:
        return receives.secret
    return _as_vendors(link, secret_of(sender, seed))


def wrong_secret(link: Link) -> str:
    """A secret in the right form that no receiver knows."""
    return _as_vendors(link, "somebody else's")


def _as_vendors(link: Link, secret: str) -> str:
    """A secret in the form of the link's vendor, where it has one."""
    return APIS[link.dialect.name].secret(secret) if link.dialect.is_vendors else secret


class WebhookSender:
    """Sends one link's events."""

    def __init__(
        self,
        context: Context,
        channels: Channels,
        background: Background,
        declared: Webhooks,
        *,
        secrets: tuple[str, str],
        dialect: Signs,
        scripts: PaymentScripts,
    ) -> None:
        """`secrets`: the one that is shared with the receiver, and a wrong one.

        `scripts`: what happens to the events of single payments.
        """
        self._context = context
        self._background = background
        self._declared = declared
        self._secret, self._wrong_secret = secrets
        self._dialect = dialect
        self._scripts = scripts
        repeat = Reversal.model_construct(
            timeout=declared.timeout,
            backoff=declared.backoff,
            max_backoff=declared.max_backoff,
            give_up_after=declared.give_up_after,
        )
        self._follow_ups = FollowUpSender(context, channels, background, repeat)

    def send(self, kind: str, request: PaymentRequest) -> None:
        """Report in the background an outcome of `request`, as the sender calls it."""
        event = Event.of(request, kind, self._context.now_ns())
        fate = self._scripts.fate_of(self._context, event, self._declared.to)
        # A webhook that a script drops is not due: the sender is not to blame for it.
        is_due = not fate.is_dropped
        self._context.decided(
            DecisionKind.FOLLOW_UP_DUE if is_due else DecisionKind.FOLLOW_UP_CANCELLED,
            "notify",
            self._declared.to,
            payment=event.payment,
            attempt=event.attempt,
            detail=_name(event),
        )
        if is_due:
            self._background.start(self._deliver(event, fate))

    async def _deliver(self, event: Event, fate: WebhookFate) -> None:
        delay = self._declared.delay
        after_s = log_normal(self._context.draw("notify", event.key), delay.median, delay.p99)
        await asyncio.sleep(fate.delay_s(after_s))
        await fate.wait_for_turn()
        await self._post(event, fate)
        fate.delivered()
        if fate.again_s is not None:
            await asyncio.sleep(fate.again_s)
            await self._post(event)
        if self._context.draw("notify-again", event.key) < self._declared.duplicates:
            await asyncio.sleep(after_s)
            await self._post(event)

    def _post(self, event: Event, fate: WebhookFate = NO_FATE) -> asyncio.Task[Reply]:
        return self._follow_ups.start(
            "notify",
            self._declared.to,
            event,
            name=_name(event),
            in_order=False,
            of_try=lambda number: self._sent(event, number, fate),
        )

    def _sent(self, event: Event, number: int, fate: WebhookFate) -> Event:
        """The event as it is sent for the `number`-th time. By the second it has arrived once."""
        if number > 1:
            fate.arrived()
        return self._signed(event, number)

    def _signed(self, event: Event, number: int) -> Event:
        """The event as it is sent for the `number`-th time: signed anew each time."""
        secret = self._secret
        if self._context.draw("bad-signature", event.key, number) < self._declared.bad_signatures:
            secret = self._wrong_secret
            self._context.decided(
                DecisionKind.WEBHOOK_FORGED,
                "notify",
                self._declared.to,
                payment=event.payment,
                attempt=event.attempt,
                detail=f"{_name(event)} try {number}",
            )
        signed_ns = self._context.now_ns() - round(self._declared.clock_skew * 1e9)
        fresh = msgspec.structs.replace(event, at_ns=signed_ns)
        return self._dialect.sign(fresh, secret)


def _name(event: Event) -> str:
    """What the journal calls the sending of an event."""
    return f"{event.reference} {event.event}"


def senders_to(chain: Chain, receiver: str) -> dict[str, tuple[Dialect, Webhooks]]:
    """The links that send webhooks to a link, each with its dialect and what it declares."""
    return {
        name: (DIALECTS[link.dialect.name], link.webhooks)
        for name, link in chain.links.items()
        if link.webhooks is not None and link.webhooks.to == receiver
    }


class WebhookReceiver:
    """Takes events for a gateway, or for a directory: proves each, and hands it on once.

    `senders`: their dialects, and how old a signature of theirs may be.
    """

    def __init__(
        self,
        context: Context,
        background: Background,
        senders: Mapping[str, tuple[Dialect, Webhooks]],
        handle: Callable[[str, Event], Coroutine[object, object, None]],
        *,
        deduplicates: bool,
    ) -> None:
        self._context = context
        self._background = background
        self._senders = senders
        self._handle = handle
        self._deduplicates = deduplicates
        self._known = BoundedDict[str, None](MAX_EVENTS)

    async def take(self, event: PaymentRequest, parent: str) -> AnswerOrError:  # noqa: ARG002  (a parameter of all work)
        """Acknowledge an event; what it leads to happens afterwards."""
        assert isinstance(event, Event)  # dialects read a webhook as an event
        sender = self._sender(event)
        if sender is None:
            self._record(DecisionKind.WEBHOOK_REJECTED, "", event)
            return Error(ErrorKind.UNAUTHENTICATED, "signature")
        if event.key in self._known:
            self._record(DecisionKind.WEBHOOK_DUPLICATE, sender, event)
        else:
            if self._deduplicates:
                self._known[event.key] = None
            self._record(DecisionKind.WEBHOOK_ACCEPTED, sender, event)
            self._background.start(self._handle(sender, event))
        return Answer(Outcome.APPROVED, APPROVED, self._context.link, event.reference)

    def _sender(self, event: Event) -> str | None:
        """The link whose secret signed the event; None for no known link, and for an old event."""
        age_s = (self._context.now_ns() - event.at_ns) / 1e9
        for sender, (dialect, declared) in self._senders.items():
            if age_s <= declared.max_age and dialect.is_signed(
                event, secret_of(sender, self._context.seed)
            ):
                return sender
        return None

    def _record(self, kind: DecisionKind, sender: str, event: Event) -> None:
        self._context.decided(
            kind,
            "notify",
            sender,
            payment=event.payment,
            attempt=event.attempt,
            detail=f"{event.event} {event.reference}",
        )
