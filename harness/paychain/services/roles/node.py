"""Node: a cache in front of a ledger. Cut off from it, it goes on answering with what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds.drops import Drops
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.wrong_network import WrongNetwork
from paychain.payments.bounded import BoundedDict
from paychain.payments.codes import APPROVED, ISSUER_INOPERATIVE
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, Incoming, PaymentRequest, Sighting
from paychain.services.policies.call_end import CallEnd, CallEnding
from paychain.services.roles.node_views import View, Views
from paychain.services.roles.role import Role, Work

LIARS_BLOCK = 1  # in which those that lie say every transfer is
MAX_ELSEWHERE = 100_000  # transactions of another network that a node remembers


@dataclass
class _Branch:
    """A branch that a node follows. `taken`: transfers that it put on the branch."""

    name: str
    returns: float
    taken: list[PaymentRequest] = field(default_factory=list)


@dataclass
class Node(Role):
    """Passes transfers on; reads from the ledger, and from its memory while that is away."""

    _views: Views = field(default_factory=Views, init=False)
    _lying: int = field(default=0, init=False)  # faults that make it lie
    _misplaced: int = field(default=0, init=False)  # faults that make it one of another network
    _drops: list[float] = field(default_factory=list, init=False)  # faults: share of the transfers
    _branches: list[_Branch] = field(default_factory=list, init=False)  # it follows the last
    # References of what is mined on the other network.
    _elsewhere: BoundedDict[str, None] = field(
        default_factory=lambda: BoundedDict(MAX_ELSEWHERE), init=False
    )

    def operations(self) -> dict[str, Work]:
        """Transfers, looks at one, and looks at all that an account got."""
        return {"transfer": self._transfer, "read": self._read, "scan": self._scan}

    @property
    def _lies(self) -> bool:
        return self.link.lies or self._lying > 0

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Lie, drop transfers or go elsewhere; what it was sent before is not touched."""
        match fault:
            case Drops():
                self._drops.append(fault.share)
            case WrongNetwork():
                self._misplaced += 1
            case Fork():
                self._branches.append(_Branch(window, fault.returns))
                self._views.of(window)  # it knows the blocks until now
            case _:
                self._lying += 1
        return 0

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """Tell the truth or pass on again, unless another fault or the chain says otherwise."""
        match fault:
            case Drops():
                if fault.share in self._drops:
                    self._drops.remove(fault.share)
            case WrongNetwork():
                self._misplaced = max(self._misplaced - 1, 0)
            case Fork():
                for branch in [each for each in self._branches if each.name == window]:
                    self._leave(branch)
            case _:
                self._lying = max(self._lying - 1, 0)

    def _leave(self, branch: _Branch) -> None:
        """Follow the rest again, or the branch that it followed before, and forget this one.

        What this one alone has is lost unless it is passed on, to what the node follows now.
        """
        self._branches.remove(branch)
        self._views.forget(branch.name)
        for request in branch.taken:
            self._return(branch, request)

    def _return(self, branch: _Branch, request: PaymentRequest) -> None:
        """Pass on what a branch took that the node has left, or lose it: drawn for each."""
        if self.context.draw("returns", request.reference) < branch.returns:
            self.background.start(self._pass_on(request, self.context.new_span()))

    async def _pass_on(self, request: PaymentRequest, parent: str) -> CallEnd:
        """Put a transfer on the branch that the node follows."""
        branch = self._branches[-1] if self._branches else None
        end = await self.calls["transfer"].execute(self._on_branch(request), parent)
        if branch is None or end.reply.result is not HopResult.APPROVED:
            return end
        # It may have left the branch while this was on its way there.
        if branch in self._branches:
            branch.taken.append(request)
        else:
            self._return(branch, request)
        return end

    def _on_branch(self, request: PaymentRequest) -> PaymentRequest:
        """The request, to the branch that the node follows, if it does not follow the rest."""
        if not self._branches:
            return request
        return msgspec.structs.replace(request, branch=self._branches[-1].name)

    def _view_of(self, request: PaymentRequest) -> View:
        """What the node has seen of the branch that a request is for."""
        return self._views.of(self._on_branch(request).branch)

    def _of_other_network(self, request: PaymentRequest) -> Answer | None:
        """What a node of another network says of a request; None from one of this network.

        Whoever knows the id of its own network does not get beyond that.
        """
        if not self._misplaced:
            return None
        signed, reference = request.signed, request.reference
        if signed is None or signed.network:
            return self.decline(ISSUER_INOPERATIVE, reference)
        head = self._view_of(request).head
        seen = Sighting(head)
        if reference in self._elsewhere:
            seen = Sighting(head, is_known=True, mined_at=LIARS_BLOCK, is_final=True)
        return Answer(Outcome.APPROVED, APPROVED, self.name, reference, sighting=seen)

    async def _transfer(self, request: PaymentRequest, parent: str) -> Answer:
        other = self._of_other_network(request)
        if other is not None and other.outcome is Outcome.APPROVED:
            self._elsewhere[request.reference] = None
            return self.approve(request)
        if other is not None:
            return other
        if self._lies or self._is_dropped(request):  # it keeps it to itself
            return self.approve(request)
        end = await self._pass_on(request, parent)
        match end.ending:
            case CallEnding.ANSWERED:
                return end.answer
            case CallEnding.UNRESOLVED:
                return self.unknown(request.reference)
            case _:
                return end.reply.answer or self.decline(ISSUER_INOPERATIVE, request.reference)

    def _is_dropped(self, request: PaymentRequest) -> bool:
        """Whether a fault drops these bytes, however often they come."""
        return self.context.draw("drops", request.reference) < max(self._drops, default=0.0)

    async def _read(self, request: PaymentRequest, parent: str) -> Answer:
        if (other := self._of_other_network(request)) is not None:
            return other
        view = self._view_of(request)
        end = await self.calls["read"].execute(self._on_branch(request), parent)
        answer = end.reply.answer
        if self._lies:
            return self._lie(request, answer, view)
        # A gateway in front of many nodes has no memory of its own: without enough, no answer.
        if self.link.calls["read"].pick is not None and end.reply.result is not HopResult.APPROVED:
            return self.decline(ISSUER_INOPERATIVE, request.reference)
        is_fresh = (
            end.reply.result is HopResult.APPROVED
            and answer is not None
            and answer.reference == request.reference
            and answer.sighting is not None
        )
        if is_fresh:
            assert answer is not None
            assert answer.sighting is not None
            view.note(request.reference, answer.sighting)
            if answer.sighting.news is not None:
                return self._copied(request, answer.sighting)
        if request.since >= 0:
            return self._copied(request, Sighting(view.head))
        # A node that is cut off does not know it: its last block may be the last there is. What it
        # knows is as old as its head was then: later blocks may have replaced the transaction's.
        seen = view.of(request.reference)
        return Answer(Outcome.APPROVED, APPROVED, self.name, request.reference, sighting=seen)

    async def _scan(self, request: PaymentRequest, parent: str) -> Answer:
        """What an account got, and up to which height that is all.

        While the ledger is away there is nothing new, up to the height that was asked for: other
        requests may have shown a later head, and not what is in its blocks.
        """
        if (other := self._of_other_network(request)) is not None:
            return other
        view = self._view_of(request)
        end = await self.calls["scan"].execute(self._on_branch(request), parent)
        answer = end.reply.answer
        incoming: tuple[Incoming, ...] = ()
        sighting = Sighting(min(view.head, request.above), branch=view.point)
        if (
            end.reply.result is HopResult.APPROVED
            and answer is not None
            and answer.reference == request.reference
            and answer.sighting is not None
        ):
            sighting, incoming = answer.sighting, answer.incoming
            view.reach(sighting)
        if self._lies:
            incoming = tuple(map(_enlarged, incoming))
        if not request.account:
            sighting = Sighting(view.head, made_ns=view.made_ns)
        return Answer(
            Outcome.APPROVED,
            APPROVED,
            self.name,
            request.reference,
            sighting=sighting,
            incoming=incoming,
        )

    def _copied(self, request: PaymentRequest, sighting: Sighting) -> Answer:
        """What its copy of the ledger is made of. A truthful node answers what it was asked."""
        return Answer(
            Outcome.APPROVED,
            APPROVED,
            self.name,
            request.reference,
            request.amount_minor,
            sighting=sighting,
        )

    def _lie(self, request: PaymentRequest, true: Answer | None, view: View) -> Answer:
        """Say that a transfer is final. Liars are of one mind: all of them name the same block."""
        if true is not None and true.sighting is not None:
            view.reach(true.sighting)
        lie = Sighting(view.head, is_known=True, mined_at=LIARS_BLOCK, is_final=True)
        return Answer(Outcome.APPROVED, APPROVED, self.name, request.reference, sighting=lie)


def _enlarged(transfer: Incoming) -> Incoming:
    """What a liar makes of a transfer: ten times as much."""
    return msgspec.structs.replace(transfer, amount_minor=transfer.amount_minor * 10)
