"""A services process whose exchange loses credits: `python planted_deposits.py PLAN.json`.

For one deposit in four it tells the customer of a credit that it never writes into its book. A
chain can only declare a loss after which the customer's app asks for ever, so that a real run ends
with those deposits undecided.
"""

from __future__ import annotations

from paychain.payments.journal import Movement, MovementKind, Record
from paychain.protocol.message import Incoming
from paychain.services import __main__ as services
from paychain.services.roles.deposits import Deposits


def is_affected(payment: str) -> bool:
    """Whether the bug has this payment."""
    return int(payment[-4:]) % 4 == 0


def plant() -> None:
    """Leave the credits of those payments out of the exchange's book."""
    honest = Deposits._book

    def book(self: Deposits, incoming: Incoming) -> None:
        kept: list[Record] = []
        journal, self._context.journal = self._context.journal, kept
        try:
            honest(self, incoming)
        finally:
            self._context.journal = journal
        for record in kept:
            is_credit = isinstance(record, Movement) and record.kind is MovementKind.CREDITED
            if not (is_credit and is_affected(incoming.payment)):
                journal.append(record)

    Deposits._book = book  # type: ignore[method-assign]  # in place of the real one


if __name__ == "__main__":
    plant()
    services.main()
