"""Credits: how a payee's bank books a transfer to its accounts, and what goes wrong there.

taken ──▶ credited ──▶ rejected or returned: taken back
    └───▶ not credited yet ──▶ credited later, unless it was rejected or returned meanwhile
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds.deemed import Deemed
from paychain.faults.kinds.double_credit import DoubleCredit
from paychain.faults.kinds.late_credit import LateCredit
from paychain.model.chain import Link
from paychain.payments.journal import MovementKind
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.state.background import Background

Drawn = Callable[[str, PaymentRequest, float], bool]


@dataclass(slots=True)
class Incoming:
    """A transfer that a bank received; `request` is None where its rejection came first.

    `is_credited`: its payee has the money. `is_open`: the bank does not know that yet. `recall`:
    the key of the recall that was answered with `recalled`; another one is refused.
    """

    request: PaymentRequest | None
    is_credited: bool = False
    is_open: bool = False
    is_rejected: bool = False
    recall: str = ""
    recalled: Answer | None = None


@dataclass(kw_only=True)
class Credits:
    """The accounts of a payee's bank, with the faults that are on."""

    name: str
    link: Link
    context: Context
    background: Background
    drawn: Drawn
    _faults: list[StateFaultKind] = field(default_factory=list, init=False)

    def apply(self, fault: StateFaultKind) -> None:
        """Do wrong with what comes from now on."""
        self._faults.append(fault)

    def heal(self, fault: StateFaultKind) -> None:
        """Do right again, unless another fault goes on."""
        if fault in self._faults:
            self._faults.remove(fault)

    def take(self, incoming: Incoming) -> None:
        """Credit a transfer, as far as the faults let it."""
        request = incoming.request
        assert request is not None
        for fault in self._faults:
            match fault:
                case Deemed() if self.drawn("deemed", request, fault.share):
                    incoming.is_open = True
                    if not self.drawn("not credited", request, fault.returns):
                        self._credit(incoming)
                    return
                case LateCredit() if self.drawn("late credit", request, fault.share):
                    incoming.is_open = True
                    self.background.start(self._credit_later(incoming, fault.after))
                    return
                case DoubleCredit() if self.drawn("double credit", request, fault.share):
                    self._credit(incoming)
                    self._credit_again(request)
                    return
        self._credit(incoming)

    def reject(self, incoming: Incoming) -> None:
        """Let a transfer not have happened: take back what was credited."""
        is_taken_back = incoming.is_credited and not incoming.is_rejected
        incoming.is_rejected, incoming.is_open = True, False
        if is_taken_back and self.link.rejected_credits == "taken_back":
            assert incoming.request is not None
            self._move(MovementKind.TAKEN_BACK, incoming.request)

    def confirm(self, incoming: Incoming) -> None:
        """Find out whether an open transfer was credited; one that was not is returned."""
        if incoming.is_open and not incoming.is_credited:
            incoming.is_rejected = True
        incoming.is_open = False

    def _credit(self, incoming: Incoming) -> None:
        assert incoming.request is not None
        assert not incoming.is_credited
        incoming.is_credited = True
        self._move(MovementKind.CREDITED, incoming.request)

    def _credit_again(self, request: PaymentRequest) -> None:
        self._move(MovementKind.CREDITED, request)
        if self.link.double_credits == "taken_back":
            self._move(MovementKind.TAKEN_BACK, request)

    async def _credit_later(self, incoming: Incoming, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if not incoming.is_rejected:
            incoming.is_open = False
        elif self.link.rejected_credits == "taken_back":
            return
        self._credit(incoming)

    def _move(self, kind: MovementKind, request: PaymentRequest) -> None:
        self.context.moved(kind, request, self.name, leg="out")
