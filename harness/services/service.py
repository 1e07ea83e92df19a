"""One running link: bytes in, faults, service time, the role's work, bytes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from harness.model.chain import Chain
from harness.model.policy import Reversal
from harness.payments.chance import log_normal
from harness.payments.codes import ISSUER_INOPERATIVE
from harness.payments.journal import DecisionKind
from harness.payments.outcome import Outcome
from harness.services import deadline
from harness.services.authentication import Authentication
from harness.services.authorising import Issuer, Processor, Scheme
from harness.services.background import Background
from harness.services.channel import Channel
from harness.services.context import Context
from harness.services.edge import Edge
from harness.services.fault import InLinkFaults
from harness.services.followup import FollowUps
from harness.services.gateway import Gateway
from harness.services.idempotency import Repeats
from harness.services.message import (
    TRACE_HEADER,
    Answer,
    PaymentRequest,
    decode_request,
    span_of,
)
from harness.services.misbehaviour import JSON, Misbehaviour, answered, pending
from harness.services.notifications import Notifier
from harness.services.policy import PolicyCall
from harness.services.reversal import Reversals
from harness.services.role import Role
from harness.services.screening import Fraud
from harness.wire.client import HttpPool
from harness.wire.http import HttpRequest, HttpResponse
from harness.wire.server import HttpServer

ROLES: dict[str, type[Role]] = {
    "edge": Edge,
    "gateway": Gateway,
    "fraud": Fraud,
    "authentication": Authentication,
    "processor": Processor,
    "scheme": Scheme,
    "issuer": Issuer,
}
HEALTH = "/health"
LISTEN_TRIES = 50
LISTEN_PAUSE_S = 0.1


class Service:
    """A mock link on a socket. Its calls leave through the hops it is given by `connect`."""

    def __init__(self, chain: Chain, name: str, context: Context, faults: InLinkFaults) -> None:
        self.name = name
        self.in_flight = 0
        self._chain = chain
        self._link = chain.links[name]
        self._context = context
        self._faults = faults
        self._background = self._new_background()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._behaves = Misbehaviour(name, [], 0.0)  # what no fault struck
        self._stuck: set[str] = set()  # references that are answered pending for now
        self._last: dict[str, Answer] = {}  # by operation: what was answered last
        self._address = ("", 0)
        self._server = HttpServer(self._handle, on_undeliverable=self._undeliverable)
        self._begin()
        faults.watch_over(self)

    def _begin(self) -> None:
        """A role with empty books and no keys."""
        reversals = Reversals(self._context, self._background)
        calls = {
            operation: PolicyCall(
                self._context, operation, call, self._chain.currency, self._channels, reversals,
                self._background,
            )
            for operation, call in self._chain.calls_of(self.name).items()
        }  # fmt: skip
        authorise = self._link.calls.get("authorise")
        follow_ups = FollowUps(
            self._context, self._channels, self._background,
            authorise.reversal if authorise is not None else Reversal(),
        )  # fmt: skip
        notifier = None
        if self._link.notifies is not None:
            notifier = Notifier(
                self._context, self._channels, self._background, self._link.notifies
            )
        self._role = ROLES[self._link.role](
            self._chain, self.name, self._link, self._context, calls, reversals, follow_ups,
            self._background, notifier,
        )  # fmt: skip
        self._operations = self._role.operations()
        self._repeats = Repeats(
            self._link.idempotency, lambda: self._context.now_ns() / 1e9, self._context.mark
        )

    def _new_background(self) -> Background:
        return Background(is_kept=self._link.outbox == "disk")

    def crash(self) -> None:
        """The process dies: what it works on is lost, and what is on its way unless on disk."""
        self._context.up.clear()
        self._server.kill()
        self._background.crash()
        for channel in self._channels.values():
            channel.drop()
        self._stuck.clear()

    def revive(self, *, forgets: bool) -> None:
        """The process is back on its address; with `forgets` it knows nothing of before."""
        if forgets:
            self._background.cancel()
            self._background = self._new_background()
            self._begin()
        self._context.up.set()
        self._background.start(self.start(*self._address), is_of_request=True)

    def give_back(self, payment: str) -> None:
        """A merchant of this link refunds a payment by hand."""
        self._role.give_back(payment)

    @property
    def pending(self) -> int:
        """Requests being worked on, and what goes on behind them: reversals, stored requests."""
        return self.in_flight + self._background.pending

    @property
    def kept(self) -> tuple[int, int]:
        """How many idempotency keys are known and how many authorisations are in the book."""
        return len(self._repeats), len(self._role.book)

    async def start(self, host: str, port: int = 0) -> int:
        """Listen; returns the port. A given one may be held by another socket for a moment.

        Raises OSError when it cannot be had.
        """
        tries = LISTEN_TRIES if port else 1
        while True:
            try:
                self._address = (host, await self._server.start(host, port))
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
                pool = HttpPool(*address_of(hop.name))
                self._channels[hop.operation, hop.callee] = Channel(
                    self._context, hop.operation, hop.callee, pool
                )

    async def stop(self, drain_s: float = 0.0) -> None:
        """Stop listening and working, close every connection."""
        self._background.cancel()
        await self._server.stop(drain_s)
        for channel in self._channels.values():
            await channel.close()

    async def _handle(self, http: HttpRequest) -> HttpResponse | None:
        if http.target == HEALTH:
            return HttpResponse(200, b'{"status":"up"}', JSON)
        operation = http.target.removeprefix("/")
        work = self._operations.get(operation)
        if work is None or http.method != "POST":
            return _error(404, f"a {self._link.role} does not {operation}")
        try:
            request = decode_request(http.body)
        except msgspec.MsgspecError as error:
            return _error(400, str(error))
        self.in_flight += 1
        try:
            return await self._answer(http, operation, request)
        finally:
            self.in_flight -= 1

    async def _answer(
        self, http: HttpRequest, operation: str, request: PaymentRequest
    ) -> HttpResponse | None:
        caller = http.headers.get("user-agent", "")
        parent = span_of(http.headers.get(TRACE_HEADER, ""))
        if self._is_too_late(http):
            self._context.decided(
                DecisionKind.DEADLINE_TOO_SHORT, operation, caller, payment=request.payment,
                attempt=request.attempt,
            )  # fmt: skip
            late = Answer(Outcome.DECLINED, ISSUER_INOPERATIVE, self.name, request.reference)
            return answered(late)
        key = (operation, request.payment, request.attempt)
        faults = self._faults.striking(self._context, caller, operation, request)
        struck = self._behaves
        if faults:
            struck = Misbehaviour(self.name, faults, self._context.draw("slow", *key))
        await asyncio.sleep(
            log_normal(
                self._context.draw("service", *key),
                self._link.answers_in.median,
                self._link.answers_in.p99,
            )
        )
        if not faults:
            if operation == "query" and request.reference in self._stuck:
                return answered(pending(self.name, request))
            given = await self._work(operation, request, parent, struck)
            return given if isinstance(given, HttpResponse) else answered(given)
        stuck_until = struck.stuck_until
        if stuck_until is not None:
            self._stuck.add(request.reference)
            self._background.start(
                self._work_later(stuck_until, operation, request, parent, struck),
                is_of_request=True,
            )
            return answered(pending(self.name, request))
        await asyncio.sleep(struck.late_s())
        given = await self._work(operation, request, parent, struck)
        await asyncio.sleep(struck.slow_s())
        return None if struck.is_lost else struck.response(given)

    async def _work(
        self, operation: str, request: PaymentRequest, parent: str, struck: Misbehaviour
    ) -> Answer | HttpResponse:
        """The role's work, once per key where the link keeps to keys."""

        async def work(once: PaymentRequest) -> Answer | HttpResponse:
            instead = struck.instead_of_work(self._last.get(operation))
            if instead is not None:
                return instead
            given = await self._operations[operation](once, parent)
            if isinstance(given, Answer):
                self._last[operation] = given
            return struck.after_work(given, once)

        if operation in self._role.once and not struck.fails_in_front:
            return await self._repeats.once(operation, request, work)
        return await work(request)

    async def _work_later(
        self, until: asyncio.Event, operation: str, request: PaymentRequest, parent: str,
        struck: Misbehaviour,
    ) -> None:  # fmt: skip
        """Work on what was stuck, although nobody waits for its answer any more."""
        await until.wait()
        self._stuck.discard(request.reference)
        await self._work(operation, request, parent, struck)

    def _is_too_late(self, http: HttpRequest) -> bool:
        """Note the deadline the request came with; true when this link cannot be ready in time.

        Nothing is done then, so the answer is a technical decline and not an unknown outcome.
        """
        left_s = deadline.read(http.headers)
        if left_s is None and self._chain.passes_deadline and self.name == self._chain.entry:
            left_s = self._chain.deadline
        if left_s is None:
            return False
        deadline.work_until(self._context.now_ns() + int(left_s * 1e9))
        return left_s < self._link.answers_in.median

    def _undeliverable(self, http: HttpRequest, response: HttpResponse) -> None:
        """The caller went away; what was done stays done."""
        if http.target == HEALTH or response.status >= 400:
            return
        request = decode_request(http.body)
        self._context.decided(
            DecisionKind.ANSWER_UNDELIVERABLE, http.target.removeprefix("/"),
            http.headers.get("user-agent", ""), payment=request.payment, attempt=request.attempt,
            detail=request.reference,
        )  # fmt: skip


def _error(status: int, message: str) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode({"error": message}), JSON)
