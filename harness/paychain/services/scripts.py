"""Failure scripts in the links of one process: which step a request or a webhook meets.

    request ─ its payment's order ─ its script ─ each step counts the requests that it covers
                                                 └ the n-th one: an in-link fault for it alone

A script is known for a payment by the payment's id, or by a magic amount, card or header that a
link sees.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from paychain.model.scripts import (
    AssignedScripts,
    Script,
    ScriptStep,
    decode_script,
)
from paychain.model.webhook_steps import WebhookKind
from paychain.payments.bounded import BoundedDict
from paychain.payments.journal import DecisionKind
from paychain.protocol.message import Event, PaymentRequest
from paychain.services.context import Context
from paychain.services.in_link_faults import ActiveFault

MAX_ORDERS = 100_000  # that are remembered: the requests of one come within minutes
MAX_WAIT_S = 10.0  # for a next webhook
MAX_REQUEST_WAIT_S = 4.0  # for a request: who acts on the webhook alone sends none before
# Of an answer, for the webhook in front of it, and of a request for the one during it: a receiver
# may wait for the answer first, and one later than its timeout would show another failure.
MAX_ANSWER_WAIT_S = 1.0


@dataclass(slots=True)
class _ScriptedOrder:
    """One order and its script; `counts`: what each step has seen so far, by its place."""

    script: Script | None
    counts: dict[int, int] = field(default_factory=dict)
    early: dict[str, asyncio.Event] = field(default_factory=dict)  # by link: its answer waits
    turns: dict[str, asyncio.Event] = field(default_factory=dict)  # by link: a webhook waits
    # By link and operation: webhooks that wait for such a request.
    meetings: dict[tuple[str, str], WebhookFate] = field(default_factory=dict)

    def numbers(self, place: int) -> int:
        """Count one more request that a step covers; its number, from 1."""
        number = self.counts[place] = self.counts.get(place, 0) + 1
        return number


class WebhookFate:
    """What a script makes of one webhook. Without a step, it is sent as any other."""

    def __init__(self, kind: WebhookKind | None = None) -> None:
        self._kind = kind
        self.done: asyncio.Event | None = None  # set once it has arrived, or was given up
        self.turn: asyncio.Event | None = None  # set once the next webhook was delivered
        self.met: asyncio.Event | None = None  # set once the request that it waits for has come
        self.releases: asyncio.Event | None = None  # the turn of the webhook before it

    @property
    def is_dropped(self) -> bool:
        """Whether it is never sent."""
        return self._kind is not None and self._kind.is_dropped

    @property
    def again_s(self) -> float | None:
        """Seconds from its delivery until it is sent again; None if it is not."""
        return self._kind.again_s if self._kind is not None else None

    def delay_s(self, usual_s: float) -> float:
        """How long after what it reports it is sent. `usual_s`: without a script."""
        if self._kind is None:
            return usual_s
        is_at_once = self._kind.is_early or self.met is not None
        return 0.0 if is_at_once else usual_s + self._kind.late_s

    async def wait_for_turn(self) -> None:
        """Let the next webhook arrive first, or a request come, if there is any."""
        if self.turn is not None:
            await _wait(self.turn, MAX_WAIT_S)
        if self.met is not None:
            await _wait(self.met, MAX_REQUEST_WAIT_S)

    def arrived(self) -> None:
        """Let go the answer that waits for this webhook, whatever its receiver made of it."""
        if self.done is not None:
            self.done.set()

    def delivered(self) -> None:
        """Release whatever waits for this webhook."""
        self.arrived()
        if self.releases is not None:
            self.releases.set()


NO_FATE = WebhookFate()


class PaymentScripts:
    """The failure scripts of the links of one process.

    `id_prefix`: what the run's payment ids begin with. `hits`: how many requests or webhooks each
    step met, by the step's id.
    """

    def __init__(self, seed: int, id_prefix: str, currency: str) -> None:
        self._seed, self._currency = seed, currency
        self._number = re.compile(rf"({re.escape(id_prefix)}(\d{{7}}))(?:[br].*)?")
        self._scripts: dict[str, Script] = {}
        self.is_empty = True  # no payment follows a script; each request asks
        self._assigned = BoundedDict[str, str](MAX_ORDERS)  # script by order
        self._orders = BoundedDict[str, _ScriptedOrder](MAX_ORDERS)
        self._choosing: tuple[Script, ...] = ()  # those that pick their payments themselves
        self._has_magic = False  # an amount or a card picks one of them
        self.hits: dict[str, int] = {}

    def follow(self, further: AssignedScripts) -> None:
        """Follow further scripts; those that are known by their ids are replaced.

        Raises ValueError for a text that is not a script.
        """
        for payment in further.over:
            self._forget(self._order(payment))
        assigned = further.assigned
        for script in map(decode_script, further.scripts):
            self._scripts[script.id] = script
            for step in script.step_ids():
                self.hits.setdefault(step, 0)
        self.is_empty = not self._scripts
        for payment, name in assigned.items():
            self._assigned[self._order(payment)] = name
        self._choosing = tuple(
            script for script in self._scripts.values() if script.payments is not None
        )
        self._has_magic = any(script.is_magic for script in self._choosing)

    def note_headers(self, payment: str, headers: Mapping[str, str]) -> None:
        """Let the order of a payment follow the script that a request about it names, if any."""
        order = self._order(payment)
        if not self._has_magic or not payment or order in self._assigned:
            return
        for script in self._choosing:
            if script.payments is not None and script.payments.picks_headers(headers):
                self._assigned[order] = script.id
                return

    def _forget(self, order: str) -> None:
        """Know the script of an order no more, unless others follow it, nor what was counted."""
        self._orders.pop(order, None)
        name = self._assigned.pop(order, None)
        if name is None or name in self._assigned.values():
            return
        for step in self._scripts.pop(name).step_ids():
            self.hits.pop(step, None)
        self.is_empty = not self._scripts

    def affecting(
        self, context: Context, caller: str, operation: str, request: PaymentRequest
    ) -> list[ActiveFault]:
        """What the steps of its script do to this request; each is journalled."""
        if not self._scripts or not request.payment:
            return []
        followed = self._of(request)
        if followed is None or followed.script is None:
            return []
        found = []
        for place, step in enumerate(followed.script.steps):
            if step.link != context.link or step.operation not in (None, operation):
                continue
            if followed.numbers(place) != step.request:
                continue
            name = self._hit(context, followed.script, place, operation, caller, request)
            fault = ActiveFault(id=name, parameters=step.fault, spots=())
            if step.lasts is not None:
                asyncio.get_running_loop().call_later(step.lasts, fault.healed.set)
            found.append(fault)
        return found

    def _hit(
        self,
        context: Context,
        script: Script,
        place: int,
        operation: str,
        target: str,
        request: PaymentRequest,
    ) -> str:
        """Count and journal that a step acts; its id."""
        name = script.step_ids()[place]
        self.hits[name] = self.hits.get(name, 0) + 1
        context.decided(
            DecisionKind.FAULT_HIT,
            operation,
            target,
            payment=request.payment,
            attempt=request.attempt,
            detail=name,
        )
        return name

    def fate_of(self, context: Context, event: Event, to: str) -> WebhookFate:
        """What a script does to a webhook that the link is about to send. `to`: its receiver."""
        if not self._scripts or not event.payment:
            return NO_FATE
        followed = self._of(event)
        if followed is None or followed.script is None:
            return NO_FATE
        fate = WebhookFate()
        for place, step in enumerate(followed.script.steps):
            if step.webhook != context.link or followed.numbers(place) != step.event:
                continue
            fate = self._fate(context, followed, step)
            self._hit(context, followed.script, place, "notify", to, event)
        # The one before it waits until this one has arrived.
        waiting = followed.turns.get(context.link)
        if waiting is not None and waiting is not fate.turn:
            fate.releases = followed.turns.pop(context.link)
        return fate

    @staticmethod
    def _fate(context: Context, followed: _ScriptedOrder, step: ScriptStep) -> WebhookFate:
        kind = step.webhook_kind
        fate = WebhookFate(kind)
        if kind.is_early:
            fate.done = followed.early[context.link] = asyncio.Event()
        if kind.waits_for_next:
            fate.turn = followed.turns[context.link] = asyncio.Event()
        if kind.waits_for_request:
            fate.met, fate.done = asyncio.Event(), asyncio.Event()
            followed.meetings[context.link, kind.waits_for_request] = fate
        return fate

    async def wait_for_webhook(self, link: str, payment: str) -> None:
        """Before an answer leaves: let a webhook that has to be earlier arrive."""
        followed = self._orders.get(self._order(payment))
        early = followed.early.pop(link, None) if followed is not None else None
        if early is not None:
            await _wait(early, MAX_ANSWER_WAIT_S)

    async def meet_webhook(self, link: str, operation: str, payment: str) -> None:
        """Before a request is worked on: let a webhook arrive that waits for such a request."""
        followed = self._orders.get(self._order(payment))
        meeting = followed.meetings.pop((link, operation), None) if followed is not None else None
        if meeting is not None and meeting.met is not None and meeting.done is not None:
            meeting.met.set()
            await _wait(meeting.done, MAX_ANSWER_WAIT_S)

    def _order(self, payment: str) -> str:
        """What the payments of one order have in common: the id of the first of them."""
        match = self._number.fullmatch(payment)
        return match[1] if match is not None else payment

    def _of(self, request: PaymentRequest) -> _ScriptedOrder | None:
        """The order of a request with its script, None while no script is known for it."""
        order = self._order(request.payment)
        followed = self._orders.get(order)
        # A request without a card (a query) shows no magic: a later one of the order may.
        if followed is None or (followed.script is None and self._has_magic):
            script = self._pick(order, request)
            followed = self._orders[order] = _ScriptedOrder(script)
        return followed

    def _pick(self, order: str, request: PaymentRequest) -> Script | None:
        assigned = self._assigned.get(order)
        if assigned is not None:
            return self._scripts.get(assigned)
        match = self._number.fullmatch(order)
        masked = request.instrument.masked
        for script in self._choosing:
            chosen = script.payments
            assert chosen is not None, "it picks its payments"
            if match is not None and chosen.picks_number(self._seed, script.id, int(match[2])):
                return script
            if chosen.picks_purchase(request.amount_minor, masked, self._currency):
                return script
        return None


async def _wait(event: asyncio.Event, most_s: float) -> None:
    """Wait for something that may never happen, but not for longer."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), most_s)
