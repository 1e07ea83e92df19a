"""One running link: its sockets, and its process, which may die, come back, stop and go on.

What it makes of a request is in `request_work.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from paychain.faults.kind import StateFaultKind
from paychain.model.chain import Chain
from paychain.model.disputes import DISPUTE
from paychain.model.hop import Hop
from paychain.payments.journal import DecisionKind
from paychain.protocol.dialect import Asks, Signs
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.posted import PostedWebhooks
from paychain.protocol.envelope import Envelope
from paychain.protocol.message import Error, ErrorKind, PaymentRequest
from paychain.services.attribution import Attribution
from paychain.services.channel import Channel
from paychain.services.context import Context
from paychain.services.dialect_at import dialect_at
from paychain.services.gate import Gate
from paychain.services.in_link_faults import InLinkFaults
from paychain.services.pending_work import PendingWork
from paychain.services.presence import Presence
from paychain.services.request_work import Given, OnWork, RequestWork
from paychain.services.role_building import build_role
from paychain.services.scripts import PaymentScripts
from paychain.services.state.background import Background, work_for
from paychain.services.state.book import Entry
from paychain.services.state.idempotency import IdempotencyStore
from paychain.services.state.webhooks import Kinds
from paychain.services.traces import TraceNumbers
from paychain.services.transport import Caller, Listener
from paychain.services.vendor_declared import caller_of, idempotency_of
from paychain.services.vendor_front import VendorFront
from paychain.services.vendor_webhooks import VendorWebhooks
from paychain.wire.ports import Port

NATIVE = DIALECTS["paychain"]
# What a link that speaks our own dialect reports by webhook.
NATIVE_EVENTS = frozenset({"authorised", "declined", "captured", "refunded", "disputed"})
_NOTIFY = "notify"
_REPORTS = (_NOTIFY, DISPUTE)  # what goes to the links in front
LISTEN_TRIES = 50
LISTEN_PAUSE_S = 0.1


class MockLink:
    """A mock link on a socket. Its calls leave through the hops it is given by `connect`."""

    def __init__(
        self,
        chain: Chain,
        name: str,
        context: Context,
        faults: InLinkFaults,
        attribution: Attribution,
        scripts: PaymentScripts,
    ) -> None:
        """`attribution` finds the payments of own services' requests, one for all links.

        So are `scripts`: what single payments meet.
        """
        self.name = name
        self._chain = chain
        self._link = chain.links[name]
        self._context = context
        self._background = self._new_background()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._scripts = scripts
        self._work = RequestWork(chain, context, faults, scripts)
        churn = self._link.churn
        self._presence = Presence(churn, context.draw) if churn is not None else None
        self._address = ("", 0)
        self._thawed = Gate()  # shut: the process is stopped
        self._own_callers = [
            hop.caller
            for hop in chain.hops()
            if hop.callee == name and hop.caller in chain.own_services()
        ]
        self._front: VendorFront | None = None
        self._listener: Listener | VendorFront
        if self._link.dialect.is_vendors:
            caller = caller_of(chain, name)
            self._front = VendorFront(
                self._link,
                self,
                context,
                attribution,
                caller,
                currency=chain.currency,
                reports=Listener(NATIVE, self),
                network=chain.network,
            )
            self._listener = self._front
        else:
            noting = context if self._own_callers else None
            self._listener = Listener(dialect_at(chain, name), self, noting)
        self._begin()
        faults.watch_over(self)

    def _begin(self) -> None:
        """A role with empty books and no keys."""
        self._role = build_role(
            self._chain,
            self._context,
            self._channels,
            self._background,
            self._signing(),
            self._scripts,
        )
        self._repeats = IdempotencyStore(
            idempotency_of(self._link), lambda: self._context.now_ns() / 1e9, self._context.mark
        )
        self._work.begin(self._role, self._repeats)

    def _signing(self) -> tuple[Signs, Kinds]:
        """What signs the link's webhooks, and whether it has one for a kind of event."""
        if self._front is None:
            return DIALECTS[self._link.dialect.name], _native_kinds
        return VendorWebhooks(self._front, ""), self._front.kinds

    def _new_background(self) -> Background:
        return Background(is_kept=self._link.outbox == "disk")

    def crash(self) -> None:
        """The process dies: what it works on is lost, and what is on its way unless on disk."""
        self._context.up.shut()
        self._listener.kill()
        self._background.crash()
        for channel in self._channels.values():
            channel.drop()
        self._work.crash()

    def revive(self, *, forgets: bool) -> None:
        """The process is back on its address; with `forgets` it knows nothing of before."""
        if forgets:
            self._background.cancel()
            self._background = self._new_background()
            if self._front is not None:
                self._front.begin()
            self._begin()
            self._role.connected()
        self._context.up.open()
        self._background.start(self.start(*self._address), is_of_request=True)

    def freeze(self) -> None:
        """The process stops: nothing is read, answered or sent until it goes on."""
        self._context.up.shut()
        self._thawed.shut()

    def thaw(self) -> None:
        """The process goes on where it stopped."""
        self._thawed.open()
        self._context.up.open()

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Let a fault change what the link knows; returns how many payments that touched."""
        return self._role.apply(fault, window)

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """End what it changed."""
        self._role.heal(fault, window)

    def refund(self, payment: str) -> None:
        """A merchant of this link refunds a payment by hand."""
        work_for(payment)
        self._role.refund(payment)

    @property
    def pending(self) -> list[PendingWork]:
        """Requests being worked on, and what goes on behind them: reversals, stored requests.

        So does the rest of a capture that is about to expire.
        """
        expiring = map(PendingWork, self._role.book.awaited)
        return [*self._listener.in_flight, *self._background.pending, *expiring]

    @property
    def kept(self) -> tuple[int, int]:
        """How many idempotency keys are known and how many authorisations are in the book."""
        return len(self._repeats), len(self._role.book)

    async def start(self, host: str, port: int = 0, *, held: Port | None = None) -> int:
        """Listen, and return the port. Another socket may still hold a given port for a moment.

        `held`: the socket already bound by the process that started this one. Raises OSError when
        the port stays unavailable.
        """
        tries = LISTEN_TRIES if port else 1
        while True:
            try:
                self._address = (host, await self._listener.start(host, port, held=held))
            except OSError:
                tries -= 1
                if not tries:
                    raise
                await asyncio.sleep(LISTEN_PAUSE_S)
            else:
                return self._address[1]

    def connect(self, address_of: Callable[[str], tuple[str, int]]) -> None:
        """Learn where each hop's near end listens. Called once, before any payment."""
        for hop in self._chain.hops():
            if hop.caller == self.name:
                # A service may close an idle connection while a webhook is on its way to it.
                is_repeatable = (
                    hop.operation == _NOTIFY and hop.callee in self._chain.own_services()
                )
                address = address_of(hop.name)
                caller = Caller(self._asks(hop), *address, is_repeatable=is_repeatable)
                # What a link reports to those in front of it, it writes as its answers to them: in
                # amounts that look right to both, and that a webhook was signed with.
                exponent = None if hop.operation in _REPORTS else self._link.exponent
                self._channels[hop.operation, hop.callee] = Channel(
                    self._context,
                    hop.operation,
                    hop.callee,
                    caller,
                    exponent,
                    self._traces(hop.operation),
                )
        self._role.connected()

    def _traces(self, operation: str) -> TraceNumbers | None:
        call = self._link.calls.get(operation)
        return TraceNumbers(call.trace, self.name) if call is not None and call.trace else None

    def _asks(self, hop: Hop) -> Asks:
        """An event is in its sender's dialect; whatever is asked, in that of who is asked.

        What an issuer reports does not come over a vendor's API.
        """
        if hop.operation == DISPUTE:
            return NATIVE
        if hop.operation != _NOTIFY:
            return dialect_at(self._chain, hop.callee)
        receives = self._chain.links[hop.callee].receives
        path = receives.path_of(self.name) if receives is not None else None
        if self._front is not None:
            return VendorWebhooks(self._front, path or f"/webhooks/{self.name}")
        native = DIALECTS[self._link.dialect.name]
        return native if path is None else PostedWebhooks(native, path)

    async def stop(self) -> None:
        """Stop listening and working, close every connection."""
        self._background.cancel()
        await self._listener.stop()
        for channel in self._channels.values():
            await channel.close()

    async def receive(
        self,
        operation: str,
        request: PaymentRequest,
        envelope: Envelope,
        on_work: OnWork | None = None,
    ) -> Given:
        """Work on a request; None when no answer ever leaves."""
        if not self._work.offers(operation):
            return Error(ErrorKind.NOT_FOUND, f"the role {self._link.role} does not {operation}")
        work_for(request.payment)
        if self._presence is not None and not self._presence.is_on(self._context.now_ns()):
            return None
        if not self._thawed.is_open:
            await self._thawed.wait()
        if not self._scripts.is_empty:
            await self._scripts.meet_webhook(self.name, operation, request.payment)
        caller = self.caller(envelope)
        given = await self._work.execute(operation, request, caller, envelope, on_work)
        # A vendor's API has more to do before it answers, and locks the object until then.
        if self._front is None and not self._scripts.is_empty:
            await self.ready_to_answer(request.payment)
        # It may have been stopped while it worked: the answer leaves when it goes on.
        if not self._thawed.is_open:
            await self._thawed.wait()
        return given

    async def ready_to_answer(self, payment: str) -> None:
        """Wait until the answer to a request of a payment may leave."""
        if not self._scripts.is_empty:
            await self._scripts.wait_for_webhook(self.name, payment)

    def note_headers(self, payment: str, headers: Mapping[str, str]) -> None:
        """A request at the vendor's API is about a payment: one of its headers may be magic."""
        if not self._scripts.is_empty:
            self._scripts.note_headers(payment, headers)

    def entry(self, reference: str) -> Entry | None:
        """The book of this link on an authorisation, None when it never heard of it."""
        return self._role.book.entry(reference)

    def uncapture(self, request: PaymentRequest) -> None:
        """Hold again what a link behind has refused to capture."""
        self._role.book.uncapture(request)

    def key_now(self, key: str) -> str:
        """The name under which what a key did is remembered."""
        return self._repeats.name_of(key)

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook about `request`, where the link has any."""
        self._role.send_webhook(kind, request)

    def undeliverable(self, operation: str, request: PaymentRequest, envelope: Envelope) -> None:
        """The caller went away before it had the answer; what was done stays done."""
        self._context.decided(
            DecisionKind.ANSWER_UNDELIVERABLE,
            operation,
            self.caller(envelope),
            payment=request.payment,
            attempt=request.attempt,
            detail=request.reference,
        )

    def caller(self, envelope: Envelope) -> str:
        """Who sent a request. An own service does not give its name as mocks do.

        Of several own services that call this link, nobody can say which one it was.
        """
        caller = envelope.caller
        if caller in self._chain.links or len(self._own_callers) != 1:
            return caller
        return self._own_callers[0]


def _native_kinds(kind: str, _request: PaymentRequest) -> tuple[str, ...]:
    return (kind,) if kind in NATIVE_EVENTS else ()
