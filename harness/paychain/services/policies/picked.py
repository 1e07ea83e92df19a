"""A call to some of many links that do the same: ask several, believe what enough of them say.

execute ─▶ drawn order ─▶ the first `ask` at once ─┬─ enough agree ─▶ that answer
                ▲                                  │
                └──── another one, while there are ◀─ no answer
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from paychain.model.operations import LOOKS
from paychain.model.pick import Pick
from paychain.model.policy import Call
from paychain.payments.bounded import BoundedDict
from paychain.payments.codes import ISSUER_INOPERATIVE
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import Answer, BranchPoint, Incoming, PaymentRequest, Sighting
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.call_end import Attempt, CallEnd
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.fallbacks import declined
from paychain.services.policies.route import Route
from paychain.services.state.background import Background

MAX_KNOWN = 100_000  # requests whose calls are counted, the latest
Trying = asyncio.Task[Attempt]


class PickingPolicy(Protocol):
    """What a choice needs of the policy of its call."""

    async def try_target(
        self,
        target: str,
        first: PaymentRequest,
        parent: str,
        max_tries: int,
        *,
        route: Route | None = None,
    ) -> Attempt:
        """Send to one target until there is a final answer, or `max_tries` requests were sent."""

    async def settle_attempt(self, attempt: Attempt, parent: str) -> CallEnd:
        """The end of an attempt; an unknown outcome is dealt with as declared."""


@dataclass(kw_only=True)
class PickedCall:
    """The choice of one declared call. `attempts`: tries at each link."""

    operation: str
    pick: Pick
    attempts: int
    context: Context
    decisions: Decisions
    background: Background
    first: Mapping[str, Route]  # to each link, when it is among those that are asked first
    policy: PickingPolicy
    # By reference.
    _calls: BoundedDict[str, int] = field(default_factory=lambda: BoundedDict(MAX_KNOWN))

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """What enough of the links say, or the failure of one that said nothing."""
        order = self._order(request)[: self.pick.most]
        running = {
            self._start(target, request, parent, self.first[target])
            for target in order[: self.pick.ask]
        }
        others = iter(order[self.pick.ask :])
        ended: list[Attempt] = []
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # A crash of this link ends those that are under way.
            came = [task.result() for task in done if not task.cancelled()]
            ended += sorted(came, key=lambda end: order.index(end.target))
            answers = self._answers(ended)
            if _are_alike(answers, self.pick.agree):
                break
            for _ in range(self.pick.agree - len(answers) - len(running)):
                if (target := next(others, None)) is not None:
                    why = ended[-1].reply.result if ended else ""
                    self.decisions.say(DecisionKind.RE_PICKED, target, request, why)
                    running.add(self._start(target, request, parent))
        return await self._end(ended, request, parent)

    def _order(self, request: PaymentRequest) -> list[str]:
        """The links in the order in which this call asks them; the next call has another one."""
        number = self._calls.pop(request.reference, 0) + 1
        self._calls[request.reference] = number
        key = (self.operation, request.reference, number)
        return sorted(self.pick.of, key=lambda link: self.context.draw("pick", link, *key))

    def _start(
        self, target: str, request: PaymentRequest, parent: str, route: Route | None = None
    ) -> Trying:
        tries = self.policy.try_target(target, request, parent, self.attempts, route=route)
        return self.background.start(tries, keeps_deadline=True)

    def _answers(self, ended: list[Attempt]) -> list[Attempt]:
        """The attempts that brought what the call is about."""
        return [end for end in ended if _is_answer(end, self.operation)]

    async def _end(self, ended: list[Attempt], request: PaymentRequest, parent: str) -> CallEnd:
        answers = self._answers(ended)
        is_enough = len(answers) >= self.pick.agree
        kind = DecisionKind.AGREED if is_enough else DecisionKind.TOO_FEW
        self.decisions.say(kind, "", request, f"{len(answers)} of {len(ended)}")
        if is_enough and self.operation not in LOOKS:
            approved = (end for end in answers if end.reply.result is HopResult.APPROVED)
            best = next(approved, answers[0])
            return await self.policy.settle_attempt(best, parent)
        if is_enough:
            replies = [end.reply.answer for end in answers]
            sightings = [reply.sighting for reply in replies if reply and reply.sighting]
            answer = msgspec.structs.replace(
                _answer_of(answers[0]), sighting=agreed(sightings, self.pick.agree)
            )
            if self.operation == "scan":
                seen = [_answer_of(end) for end in answers]
                answer.sighting, answer.incoming = scanned(seen, self.pick.agree)
            reply = Reply(HopResult.APPROVED, answer.code, answer)
            return CallEnd(reply=reply, request=request)
        if answers or not ended:  # too few to believe them, or this link has died meanwhile
            nothing = declined(self.context.link, ISSUER_INOPERATIVE, {})
            return CallEnd(reply=nothing, request=request)
        unknown = (end for end in ended if end.is_unknown)
        return await self.policy.settle_attempt(next(unknown, ended[-1]), parent)


def picked(
    declared: Call,
    operation: str,
    *,
    routes: Mapping[str, Route],
    context: Context,
    decisions: Decisions,
    background: Background,
    policy: PickingPolicy,
) -> PickedCall | None:
    """The choice of a declared call; None when it goes to its own target."""
    if declared.pick is None:
        return None
    return PickedCall(
        operation=operation,
        pick=declared.pick,
        attempts=declared.attempts,
        context=context,
        decisions=decisions,
        background=background,
        first={name: routes[name].as_first() for name in declared.pick.of},
        policy=policy,
    )


def agreed(sightings: list[Sighting], agree: int) -> Sighting:
    """The most that at least `agree` of these confirm about one transaction.

    Seen final implies seen in its block, which implies seen. The result may be that it is not
    known. The head is one that as many have reached.
    """
    assert len(sightings) >= agree
    head = sorted((each.head for each in sightings), reverse=True)[agree - 1]
    made_ns = sorted((each.made_ns for each in sightings), reverse=True)[agree - 1]
    mined = [each for each in sightings if each.mined_at is not None]
    for is_final in (True, False):
        places = Counter(
            (each.mined_at, each.is_reverted) for each in mined if each.is_final or not is_final
        )
        for (height, is_reverted), votes in places.most_common(1):
            if votes >= agree:
                return Sighting(
                    head,
                    is_known=True,
                    mined_at=height,
                    is_final=is_final,
                    made_ns=made_ns,
                    is_reverted=is_reverted,
                )
    is_known = sum(each.is_known for each in sightings) >= agree
    return Sighting(head, is_known=is_known, made_ns=made_ns)


def scanned(answers: list[Answer], agree: int) -> tuple[Sighting, tuple[Incoming, ...]]:
    """The transfers that `agree` of these have seen, and the height up to which they are complete.

    A transfer that as many have not seen, although they have read its block, does not exist. Where
    neither holds, the height stays below it, and the next scan looks again. What is said of blocks
    of two branches agrees on no more than the blocks before they part.
    """
    answers, branch = _of_one_branch(answers, agree)
    sightings = [answer.sighting or Sighting(0) for answer in answers]
    heads = [sighting.head for sighting in sightings]
    head = sorted(heads, reverse=True)[agree - 1]
    made_ns = sorted((sighting.made_ns for sighting in sightings), reverse=True)[agree - 1]
    votes = Counter(transfer for answer in answers for transfer in set(answer.incoming))
    found = [transfer for transfer, number in votes.items() if number >= agree]
    for transfer, number in votes.items():
        far_enough = sum(seen >= transfer.mined_at for seen in heads)
        if number < agree and far_enough - number < agree:
            head = min(head, transfer.mined_at - 1)
    others = (each.branch for each in sightings if each.branch != branch)
    head = min([head, *(point.height for point in others if point is not None)])
    known = (transfer for transfer in found if transfer.mined_at <= head)
    ordered = sorted(known, key=lambda transfer: (transfer.mined_at, transfer.reference))
    return Sighting(max(head, 0), made_ns=made_ns, branch=branch), tuple(ordered)


def _of_one_branch(answers: list[Answer], agree: int) -> tuple[list[Answer], BranchPoint | None]:
    """The answers about the branch that `agree` of them have read; all of them where none is."""
    branches = [answer.sighting.branch if answer.sighting else None for answer in answers]
    branch, votes = Counter(branches).most_common(1)[0]
    if votes < agree:
        return answers, None
    about = [answer for answer, each in zip(answers, branches, strict=True) if each == branch]
    return about, branch


def _is_answer(end: Attempt, operation: str) -> bool:
    answer = end.reply.answer
    if operation not in LOOKS:
        return end.worked
    return (
        end.reply.result is HopResult.APPROVED
        and answer is not None
        and answer.reference == end.request.reference
        and answer.sighting is not None
    )


def _answer_of(end: Attempt) -> Answer:
    assert end.reply.answer is not None  # it is an answer
    return end.reply.answer


def _are_alike(answers: list[Attempt], agree: int) -> bool:
    """Whether as many as needed say the same already, so that the others need not be waited for."""
    votes = Counter(_claim(end) for end in answers)
    return any(count >= agree for claim, count in votes.items() if claim is not None)


def _claim(end: Attempt) -> tuple[object, ...] | None:
    """What an answer says, but for the head, which moves on; None: it may only be behind."""
    answer = _answer_of(end)
    if end.request.account:
        return ("scanned", answer.incoming, answer.sighting and answer.sighting.branch)
    if answer.sighting is not None:
        seen = answer.sighting
        return (seen.is_final, seen.mined_at, seen.is_reverted) if seen.is_known else None
    return ("taken",) if end.reply.result is HopResult.APPROVED else None
