"""What was recorded about orders that are in flight, until they are judged.

records ─ by order ──────────────┐
exchanges ─ by their connection ─┴─> of(orders): all that their verdict needs
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable

from paychain.payments.exchanges import Exchange, ReceivedRequest
from paychain.payments.journal import FaultSwitch, HopRecord, Record

NUMBER_DIGITS = 7  # of a payment's number, behind the prefix of its run
_Connection = tuple[str, int]  # the link that a service called, and the engine's port


class OrderRecords:
    """Records of orders in flight. `id_prefix`: what the run's payment ids begin with."""

    def __init__(self, id_prefix: str) -> None:
        self._length = len(id_prefix) + NUMBER_DIGITS
        self._of: dict[str, list[Record]] = {}
        # An exchange that a link answered does not know its payment: the link's record does.
        self._exchanges: defaultdict[_Connection, deque[Exchange]] = defaultdict(deque)
        self._switches: list[FaultSwitch] = []  # of outages, which all orders meet
        self.requests = 0  # over every hop, so far

    def order(self, payment: str) -> str:
        """The first payment of the order that a payment is for."""
        return payment[: self._length]

    def expect(self, order: str) -> None:
        """Keep what is recorded about an order, until it is forgotten."""
        self._of[order] = []

    def forget(self, order: str) -> None:
        """Nothing more is asked about an order."""
        del self._of[order]

    def payments(self, order: str) -> set[str]:
        """The payments that something was recorded about."""
        return {payment for record in self._of[order] if (payment := _payment(record))}

    def add(self, records: Iterable[Record]) -> set[str]:
        """Keep records; the orders that they are about."""
        touched = set()
        for record in records:
            self.requests += isinstance(record, HopRecord | ReceivedRequest)
            if isinstance(record, Exchange):
                callee = record.hop.rpartition(".")[2]
                self._exchanges[callee, record.port].append(record)
            if isinstance(record, FaultSwitch):
                self._switches.append(record)
            order = self.order(_payment(record))
            if order in self._of:
                touched.add(order)
                if not isinstance(record, Exchange):
                    self._of[order].append(record)
        return touched

    def of(self, orders: Collection[str]) -> list[Record]:
        """Everything about some orders, and what came over the connections of their requests."""
        found: list[Record] = [*self._switches]
        found += [record for order in orders for record in self._of[order]]
        connections = {
            (record.link, record.port) for record in found if isinstance(record, ReceivedRequest)
        }
        # Others on these connections tell which exchange is of which request.
        return found + [
            exchange
            for connection, exchanges in self._exchanges.items()
            for exchange in exchanges
            if connection in connections or self.order(exchange.payment) in orders
        ]

    def forget_before(self, before_ns: int) -> None:
        """Drop the exchanges that ended before anything in flight began."""
        for connection, exchanges in list(self._exchanges.items()):
            while exchanges and exchanges[0].ended_ns < before_ns:
                exchanges.popleft()
            if not exchanges:
                del self._exchanges[connection]


def _payment(record: Record) -> str:
    return getattr(record, "payment", "")
