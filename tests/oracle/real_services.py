"""A services process watched from the world's side: `python real_services.py PLAN.json`.

Every line that a link writes into its book is also written to a file of the world's own, at once,
and every sale that a gateway reports to its merchant.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from paychain.payments.journal import MovementKind
from paychain.protocol.message import PaymentRequest
from paychain.services import __main__ as services
from paychain.services.context import Context
from paychain.services.policies.call_end import SentRequest
from paychain.services.roles.merchant import Merchants
from tests.oracle.world import Entry, line_of

FOLDER = "PAYCHAIN_ORACLE_FOLDER"


class Line(msgspec.Struct, array_like=True):
    """One line of an account or one sale, with the payment that it is about."""

    payment: str
    entry: Entry | None = None  # None: `sold` is what the line is about
    sold: tuple[str, str] = ("", "")  # gateway and reference


def watch(folder: Path) -> None:
    """Write the world's own file beside the journal."""
    moved, approved = Context.moved, Merchants.approved
    encoder = msgspec.json.Encoder()
    file = (folder / f"world-{os.getpid()}.jsonl").open("ab", buffering=0)

    def booking(self: Context, kind: MovementKind, request: PaymentRequest, *rest: Any) -> None:
        file.write(encoder.encode(Line(request.payment, line_of(self, kind, request))) + b"\n")
        moved(self, kind, request, *rest)

    def selling(self: Merchants, sent: SentRequest, reference: str) -> None:
        line = Line(sent.request.payment, sold=(self._context.link, reference))
        file.write(encoder.encode(line) + b"\n")
        approved(self, sent, reference)

    Context.moved = booking  # type: ignore[method-assign]  # of this process
    Merchants.approved = selling  # type: ignore[method-assign]  # of this process


if __name__ == "__main__":
    watch(Path(os.environ[FOLDER]))
    services.main()
    sys.exit(0)
