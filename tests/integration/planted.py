"""A services process with an accounting bug: `python planted.py BUG PLAN.json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from harness.services import __main__ as services
from harness.services.authorising import Issuer, Processor
from harness.services.book import Entry
from harness.services.context import Context
from harness.services.message import Answer, PaymentRequest


def drop_entry() -> None:
    """The scheme forgets to write its journal."""
    honest = Context.moved

    def moved(self: Context, *rest: Any) -> None:
        if self.link != "scheme":
            honest(self, *rest)

    Context.moved = moved  # type: ignore[method-assign]


def charge_twice() -> None:
    """The issuer books every approval two times."""
    honest = Issuer.settle

    def settle(self: Issuer, entry: Entry, request: PaymentRequest, answer: Answer) -> None:
        honest(self, entry, request, answer)
        honest(self, entry, request, answer)

    Issuer.settle = settle  # type: ignore[method-assign]


def change_amount() -> None:
    """The issuer books one cent less."""
    honest = Context.moved

    def moved(self: Context, kind: Any, request: PaymentRequest, decided_by: str) -> None:
        if self.link == "issuer":
            less = request.amount_minor - 1
            request = msgspec.structs.replace(request, amount_minor=less)
        honest(self, kind, request, decided_by)

    Context.moved = moved  # type: ignore[method-assign]


def approve_alone() -> None:
    """The processor approves without asking anybody."""

    async def decide(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        return self.approve(request)

    Processor.decide = decide  # type: ignore[method-assign]


if __name__ == "__main__":
    globals()[sys.argv.pop(1)]()
    services.main()
