"""One call with its policy in virtual time, between a gateway and targets with a script."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from paychain.model.policy import Call
from paychain.payments.cards import Card
from paychain.payments.codes import APPROVED, NOT_FOUND, is_technical
from paychain.payments.journal import Decision, DecisionKind, Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.policy import CallEnd, PolicyCall
from paychain.services.policies.reversal import Reversals
from paychain.services.state.background import Background
from paychain.simulation.simulate import simulate

Result = TypeVar("Result")
VISA = Card("4242424242424242", "visa")
MASTERCARD = Card("5555555555554444", "mastercard")


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    return simulate(lambda _loop: work())


@dataclass(frozen=True)
class Act:
    """What a target does with one request: commit the work and answer, after so many seconds."""

    code: str = APPROVED
    answers_in: float = 0.01
    commits: bool = True
    result: HopResult | None = None  # instead of an answer: REFUSED, RESET, HTTP_ERROR, …
    never_answers: bool = False


APPROVES = Act()
REFUSES = Act(commits=False, result=HopResult.REFUSED)
LOSES_ANSWER = Act(never_answers=True)
DEAD = Act(commits=False, never_answers=True)


def declines(code: str) -> Act:
    return Act(code=code, commits=False)


@dataclass
class Bank:
    """One target: what it is asked, and which authorisations stand in its book.

    It is keyed: what the first request of a key was answered, or would have been, every repeat is.
    """

    acts: list[Act] = field(default_factory=list)  # one for each request; the last one for more
    void_acts: list[Act] = field(default_factory=list)
    sent: list[tuple[float, PaymentRequest]] = field(default_factory=list)
    voided: list[tuple[float, str]] = field(default_factory=list)
    deadlines_s: list[float | None] = field(default_factory=list)
    standing: set[str] = field(default_factory=set)
    _undone: set[str] = field(default_factory=set)
    _fates: dict[str, str] = field(default_factory=dict)  # final code by key

    def fate(self, request: PaymentRequest, act: Act) -> Act:
        """The act as a keyed target does it for this request."""
        code = self._fates.get(request.key)
        if code is not None and (act.commits or (act.result is None and not act.never_answers)):
            return replace(act, code=code, commits=code == APPROVED)
        if act.commits or (act.result is None and not act.never_answers):
            self._fates[request.key] = act.code
        return act

    def authorise(self, request: PaymentRequest, act: Act) -> None:
        if act.commits and act.code == APPROVED and request.reference not in self._undone:
            self.standing.add(request.reference)

    def void(self, reference: str) -> None:
        self._undone.add(reference)  # an original that comes later is declined
        self.standing.discard(reference)


class FakeChannel:
    """Stands where a Channel stands: no bytes, the target's acts instead."""

    def __init__(self, gateway: Gateway, operation: str, target: str) -> None:
        self._gateway, self._operation, self._bank = gateway, operation, gateway.banks[target]
        self.callee = target

    async def send(
        self,
        request: PaymentRequest,
        parent: str,
        *,
        timeout_s: float,
        connect_timeout_s: float | None = None,
        route: int = 0,
        try_number: int = 1,
        propagate_deadline: bool = False,
    ) -> Reply:
        bank, loop = self._bank, asyncio.get_running_loop()
        is_void = self._operation == "void"
        if self._operation == "query":
            return self._queried(request)
        acts = bank.void_acts if is_void else bank.acts
        number = len(bank.voided) if is_void else len(bank.sent)
        act = acts[min(number, len(acts) - 1)] if acts else APPROVES
        if is_void:
            bank.voided.append((loop.time(), request.reference))
        else:
            act = bank.fate(request, act)
            bank.sent.append((loop.time(), request))
            bank.deadlines_s.append(timeout_s if propagate_deadline else None)
        if act.result is HopResult.REFUSED:
            return Reply(HopResult.REFUSED)
        if is_void and act.commits:
            loop.call_later(act.answers_in / 2, bank.void, request.reference)
        elif not is_void:
            loop.call_later(act.answers_in / 2, bank.authorise, request, act)
        if act.never_answers or act.answers_in > timeout_s:
            await asyncio.sleep(timeout_s)
            return Reply(HopResult.TIMEOUT)
        await asyncio.sleep(act.answers_in)
        if act.result is not None:
            return Reply(act.result)
        if act.code == APPROVED:
            answer = Answer(Outcome.APPROVED, APPROVED, self.callee, request.reference)
            return Reply(HopResult.APPROVED, APPROVED, answer)
        answer = Answer(Outcome.DECLINED, act.code, self.callee)
        result = HopResult.TECHNICAL if is_technical(act.code) else HopResult.DECLINED
        return Reply(result, act.code, answer)

    def _queried(self, request: PaymentRequest) -> Reply:
        self._gateway.queried.append(asyncio.get_running_loop().time())
        if self._gateway.is_query_dead:
            return Reply(HopResult.REFUSED)
        if request.reference in self._bank.standing:
            return Reply(HopResult.APPROVED, APPROVED, Answer(Outcome.APPROVED, APPROVED))
        return Reply(HopResult.DECLINED, NOT_FOUND, Answer(Outcome.DECLINED, NOT_FOUND))

    def not_tried(self, request: PaymentRequest, parent: str, *, route: int) -> Reply:
        return Reply(HopResult.NOT_TRIED)


class Gateway:
    """A link with one call; `banks` are its targets by name."""

    def __init__(
        self,
        declared: dict[str, Any],
        *,
        operation: str = "authorise",
        seed: int = 1,
        **banks: Bank,
    ) -> None:
        self.declared = Call.model_validate(declared)
        self.banks = defaultdict(Bank, banks)
        self.journal: list[Record] = []
        self.queried: list[float] = []
        self.is_query_dead = False
        self.context = Context(
            link="gateway", seed=seed, now_ns=self._now_ns, journal=self, span_prefix="00010000"
        )
        self.background = Background()
        channels: Any = {
            (name, target): FakeChannel(self, name, target)
            for name in (operation, "void", "query")
            for target in self.declared.targets
        }
        self.call = PolicyCall(
            self.context,
            operation,
            self.declared,
            currency="EUR",
            channels=channels,
            reversals=Reversals(self.context, self.background),
            background=self.background,
        )

    def append(self, record: Record) -> None:
        self.journal.append(record)

    async def pay(
        self, payment: str = "p1", amount_minor: int = 1_000, card: Card = VISA, attempt: int = 1
    ) -> CallEnd:
        reference = f"{payment}-{attempt}"
        request = PaymentRequest(
            payment, amount_minor, "EUR", card, "m1", attempt, reference=reference, key=reference
        )
        return await self.call.execute(request, "")

    async def drain(self) -> None:
        while self.background.pending:
            await asyncio.sleep(0.1)
        await asyncio.sleep(60)  # answers that nobody waits for are still worked on

    def decided(self, *kinds: DecisionKind) -> list[Decision]:
        return [
            record
            for record in self.journal
            if isinstance(record, Decision) and record.kind in kinds
        ]

    @property
    def sends(self) -> int:
        return sum(len(bank.sent) for bank in self.banks.values())

    @property
    def standing(self) -> int:
        return sum(len(bank.standing) for bank in self.banks.values())

    def _now_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)
