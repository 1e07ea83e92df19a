"""What a link makes of one request: faults, service time, and its role's work, once per key.

execute ─▶ a place ─▶ in time? ─▶ faults ─▶ service time ─▶ a known key? ─▶ the role
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from paychain.model.chain import Chain
from paychain.payments.chance import SEPARATOR, LogNormal
from paychain.payments.codes import ISSUER_INOPERATIVE
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import Outcome
from paychain.protocol.envelope import Envelope
from paychain.protocol.message import (
    Answer,
    AnswerOrError,
    Delivery,
    Error,
    ErrorKind,
    PaymentRequest,
    as_approved,
)
from paychain.services.capacity import AdmissionQueue
from paychain.services.context import Context
from paychain.services.fault_effects import FaultEffects, pending
from paychain.services.in_link_faults import InLinkFaults
from paychain.services.policies import deadline
from paychain.services.policies.fallbacks import classified
from paychain.services.roles.role import Role
from paychain.services.scripts import PaymentScripts
from paychain.services.state.idempotency import IdempotencyStore, Work

Given = AnswerOrError | Delivery | None  # None: no answer ever leaves


class OnWork(Protocol):
    """Hears of the work on a request, whatever a fault makes of its answer after.

    `has_last`: the answer to an earlier request of the kind can be given once more.
    """

    has_last: bool

    def __call__(self, made: Answer, /) -> None:
        """The work is done, and this is its own answer."""

    def was_made(self) -> None:
        """The work was done for an earlier request with the same key."""


class RequestWork:
    """The work of one link on its requests, through all lives of its process."""

    _role: Role
    _repeats: IdempotencyStore

    def __init__(
        self, chain: Chain, context: Context, faults: InLinkFaults, scripts: PaymentScripts
    ) -> None:
        """`begin` gives it a role before the first request."""
        self._name = context.link
        self._chain = chain
        self._link = chain.links[self._name]
        self._context = context
        answers_in = self._link.answers_in
        self._answers_in_s = LogNormal(answers_in.median, answers_in.p99)
        self._faults, self._scripts = faults, scripts
        self._no_effects = FaultEffects(self._name, [], 0.0)  # where no fault applies
        declared = self._link.capacity
        self._capacity = AdmissionQueue(declared) if declared is not None else None
        self._stuck: set[str] = set()  # references that are answered pending for now
        self._last: dict[str, Answer] = {}  # by operation: what was answered last
        self._passes_on_a_deadline = chain.propagate_deadline or any(
            call.propagate_deadline for call in chain.calls_of(self._name).values()
        )

    def begin(self, role: Role, repeats: IdempotencyStore) -> None:
        """From now on this role does the work: a process that forgot everything has a new one."""
        self._role, self._repeats = role, repeats
        self._operations = role.operations()
        self._service_draws = {
            operation: self._context.draws("service", operation) for operation in self._operations
        }
        self._once = {name for name in self._operations if role.recognises_repeats(name)}

    def crash(self) -> None:
        """The process died: what was stuck in it is lost."""
        self._stuck.clear()

    def offers(self, operation: str) -> bool:
        """Whether the link has such an operation."""
        return operation in self._operations

    def execute(
        self,
        operation: str,
        request: PaymentRequest,
        caller: str,
        envelope: Envelope,
        on_work: OnWork | None = None,
    ) -> Coroutine[object, object, Given]:
        """Work on a request; None when no answer ever leaves.

        `on_work` is called with what the work makes, and told of work that was done before.
        """
        # Few links have a queue: the others spare a coroutine, which costs at each of its waits.
        if self._capacity is None:
            return self._receive(operation, request, caller, envelope, on_work)
        return self._in_its_place(self._capacity, operation, request, caller, envelope, on_work)

    async def _in_its_place(
        self,
        capacity: AdmissionQueue,
        operation: str,
        request: PaymentRequest,
        caller: str,
        envelope: Envelope,
        on_work: OnWork | None,
    ) -> Given:
        """Work on a request once there is a place for it."""
        came_ns = self._context.now_ns()
        if not await capacity.enter():
            return Error(ErrorKind.OVERLOADED, "the queue is full")
        try:
            waited_s = (self._context.now_ns() - came_ns) / 1e9
            return await self._receive(operation, request, caller, envelope, on_work, waited_s)
        finally:
            capacity.leave()

    async def _receive(
        self,
        operation: str,
        request: PaymentRequest,
        caller: str,
        envelope: Envelope,
        on_work: OnWork | None,
        waited_s: float = 0.0,
    ) -> Given:
        """Work on a request that has its place."""
        parent = envelope.parent
        if self._is_too_late(envelope.left_s, waited_s):
            self._context.decided(
                DecisionKind.DEADLINE_TOO_SHORT,
                operation,
                caller,
                payment=request.payment,
                attempt=request.attempt,
            )
            return Answer(Outcome.DECLINED, ISSUER_INOPERATIVE, self._name, request.reference)
        faults = self._faults.affecting(self._context, caller, operation, request)
        if not self._scripts.is_empty:
            faults += self._scripts.affecting(self._context, caller, operation, request)
        effects = self._no_effects
        if faults:
            chance = self._context.draw("slow", operation, request.payment, request.attempt)
            effects = FaultEffects(self._name, faults, chance)
        await asyncio.sleep(self._service_s(operation, request))
        if not faults:
            return await self._work(operation, request, parent, effects, on_work)
        stuck_until = effects.stuck_until
        if stuck_until is not None:
            self._stuck.add(request.reference)
            self._role.background.start(
                self._work_later(stuck_until, operation, request, parent, effects),
                is_of_request=True,
            )
            return pending(self._name, request)
        last = self._last_answer(operation, effects, on_work)
        # What is answered once more is not seen, however often it arrives.
        for after_s in effects.arrivals() if last is None else ():
            self._role.background.start(
                self._work_again(after_s, operation, request, parent, effects), is_of_request=True
            )
        await asyncio.sleep(effects.late_s())
        given = last or await self._work(operation, request, parent, effects, on_work)
        await asyncio.sleep(effects.slow_s())
        return None if effects.is_lost else effects.delivery(given, is_stale=last is not None)

    def _is_stuck(self, operation: str, request: PaymentRequest) -> bool:
        """Whether it asks for something that the link has accepted and not begun."""
        return operation == "query" and request.reference in self._stuck

    def _last_answer(
        self, operation: str, effects: FaultEffects, on_work: OnWork | None
    ) -> Answer | None:
        """What is answered once more in place of the work; None: it is worked on."""
        if not effects.repeats_last or (on_work is not None and not on_work.has_last):
            return None
        return self._last.get(operation)

    def _service_s(self, operation: str, request: PaymentRequest) -> float:
        """How long the link takes for a request."""
        answers_in_s = self._answers_in_s
        if answers_in_s.is_constant:  # nothing to draw
            return answers_in_s.median
        chance = self._service_draws[operation]
        return answers_in_s.at(chance(f"{request.payment}{SEPARATOR}{request.attempt}"))

    def _work(
        self,
        operation: str,
        request: PaymentRequest,
        parent: str,
        effects: FaultEffects,
        on_work: OnWork | None = None,
    ) -> Awaitable[AnswerOrError]:
        """The role's work, once per key where the link supports idempotency keys.

        Ours does not cover a reversal, which is repeated until it is acknowledged. A vendor's key
        covers whatever it came with.
        """
        is_once = operation in self._once or bool(request.digest and request.key)
        # What is stuck now has another answer later, also under the same key.
        is_once = is_once and not self._is_stuck(operation, request)
        # Nearly every request takes the first way: no fault changes its answer.
        work: Work = partial(self._make, operation, parent, on_work)
        if effects is not self._no_effects:
            work = partial(self._make_affected, effects, operation, parent, on_work)
            is_once = is_once and not effects.fails_in_front
        return self._repeats.execute(operation, request, work) if is_once else work(request)

    async def _make_affected(
        self,
        effects: FaultEffects,
        operation: str,
        parent: str,
        on_work: OnWork | None,
        once: PaymentRequest,
    ) -> AnswerOrError:
        """What faults make of the work on a request, or give in its place."""
        instead = effects.instead_of_work()
        if instead is None:
            made = await self._make(operation, parent, on_work, once)
            instead = effects.change_answer(made, once)
        return self._with_class(instead)

    async def _make(
        self, operation: str, parent: str, on_work: OnWork | None, once: PaymentRequest
    ) -> AnswerOrError:
        """What the role's work makes of a request, or has made of it where a repeat goes on."""
        if self._is_stuck(operation, once):
            return pending(self._name, once)
        known = self._repeats.continued(operation, once)
        if known is not None and known.done is not None:
            if on_work is not None:
                on_work.was_made()
            self._last[operation] = known.done
            return known.done
        if once.digest:
            given = await self._perform_vendors(operation, once, parent)
        else:
            given = await self._operations[operation](once, parent)
        made = self._with_class(given)
        if isinstance(made, Answer):
            if known is not None:
                known.done = made  # before a fault hides it from the caller
            if on_work is not None:
                on_work(made)
            self._last[operation] = made
        return made

    def _with_class(self, given: AnswerOrError) -> AnswerOrError:
        """An answer with the meaning of its code in this chain, which its readers do not know."""
        codes = self._chain.codes
        return classified(given, codes) if codes and isinstance(given, Answer) else given

    async def _perform_vendors(
        self, operation: str, request: PaymentRequest, parent: str
    ) -> AnswerOrError:
        """The work on a request at a vendor's API. What only this link's caller knows ends here.

        A sale is authorised and captured before its answer leaves, whatever becomes of the answer.
        """
        is_sale = request.is_sale
        request = replace(request, is_sale=False, digest="", key=_own_key(request, operation))
        given = await self._operations[operation](request, parent)
        if not is_sale or not isinstance(given, Answer) or given.outcome is not Outcome.APPROVED:
            return given
        whole = replace(as_approved(request, given), item="c1", is_final=True, is_sale=True)
        whole.key = _own_key(whole, "capture")
        captured = await self._operations["capture"](whole, parent)
        return captured if isinstance(captured, Error) else given

    async def _work_again(
        self,
        after_s: float,
        operation: str,
        request: PaymentRequest,
        parent: str,
        effects: FaultEffects,
    ) -> None:
        """Work on a copy of a request; the caller, who sent it once, gets no answer to it."""
        await asyncio.sleep(after_s)
        capacity = self._capacity
        if capacity is not None and not await capacity.enter():
            return
        try:
            await asyncio.sleep(effects.late_s())
            await self._work(operation, request, parent, effects)
        finally:
            if capacity is not None:
                capacity.leave()

    async def _work_later(
        self,
        until: asyncio.Event,
        operation: str,
        request: PaymentRequest,
        parent: str,
        effects: FaultEffects,
    ) -> None:
        """Work on what was stuck, although nobody waits for its answer any more."""
        await until.wait()
        self._stuck.discard(request.reference)
        await self._work(operation, request, parent, effects)

    def _is_too_late(self, left_s: float | None, waited_s: float) -> bool:
        """Note the deadline the request came with; true when this link cannot be ready in time.

        `waited_s`: how long the request waited here for a place. Nothing is done when it is too
        late, so the answer is a technical decline and not an unknown outcome.
        """
        # Customers send no deadline: an entry whose calls pass it on counts from their arrival.
        if left_s is None and self._passes_on_a_deadline and self._name in self._chain.entries:
            left_s = self._chain.deadline
        if left_s is None:
            return False
        left_s -= waited_s
        deadline.work_until(self._context.now_ns() + int(left_s * 1e9))
        return left_s < self._link.answers_in.median


def _own_key(request: PaymentRequest, operation: str) -> str:
    """The key under which the link passes on what came to it under a vendor's."""
    if operation == "authorise":
        return request.reference
    return f"{request.reference}-{request.item or operation}"
