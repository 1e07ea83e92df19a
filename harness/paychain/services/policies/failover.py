"""The fallback steps of a call that ask another link: a new attempt at the same payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paychain.model.fallbacks.split import Split
from paychain.model.fallbacks.step import Failover
from paychain.model.policy import Call
from paychain.payments.journal import DecisionKind
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.call_end import CallEnd, next_attempt
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.retry import RetryBudget


class FailingOverPolicy(Protocol):
    """What a failover needs of the policy of its call."""

    async def call_target(self, target: str, request: PaymentRequest, parent: str) -> CallEnd:
        """Try one target, and settle what stays unknown there."""

    def may_present(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme lets the card be presented once more."""


@dataclass(frozen=True, kw_only=True)
class Failovers:
    """The failovers of one declared call."""

    operation: str
    declared: Call
    context: Context
    decisions: Decisions
    budget: RetryBudget | None
    policy: FailingOverPolicy

    async def fail_over(
        self, step: Failover, end: CallEnd, request: PaymentRequest, parent: str
    ) -> CallEnd:
        """The same operation at another link, as a new attempt; as it was when that may not be."""
        instrument = request.instrument
        # A step for some cards leaves other payments to the next step.
        if step.cards is not None and not step.cards.has(instrument.identity, instrument.group):
            return end
        target = self._draw_target(step, request) if isinstance(step, Split) else step.targets[0]
        if not self.policy.may_present("failover", target, request):
            return end
        # A failover is a call of its own, which may spend retries.
        if self.budget is not None:
            self.budget.called()
        again = next_attempt(
            self.operation,
            request,
            end.attempts,
            self.context.mark,
            shares_keys=self.declared.shares_keys,
        )
        self.decisions.say(DecisionKind.FAILOVER, target, again, end.reply.result)
        return end.followed_by(await self.policy.call_target(target, again, parent))

    def was_asked(self, step: Failover, preferred: str | None) -> bool:
        """Whether a step names only links that the call has asked already."""
        pick = self.declared.pick
        return step.targets == [preferred] or set(step.targets) <= set(pick.of if pick else ())

    def _draw_target(self, step: Split, request: PaymentRequest) -> str:
        """One of the links of a split, by weight; the same one for the same payment."""
        left = self.context.draw("split", request.payment) * sum(step.split.values())
        for target, weight in step.split.items():
            left -= weight
            if left < 0:
                return target
        raise AssertionError("a draw is below one")
