"""What was recorded about orders that are in flight, until they are judged.

records ─ by order ──────────────┐
exchanges ─ by their connection ─┴─> of(orders): all that their verdict needs
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from operator import attrgetter

from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import FaultSwitch, HopRecord, Record

NUMBER_DIGITS = 7  # of a payment's number, behind the prefix of its run
_Connection = tuple[str, int]  # the link that a service called, and the engine's port
_STARTED, _ENDED = attrgetter("started_ns"), attrgetter("ended_ns")


class OrderRecords:
    """Records of orders in flight. `id_prefix`: what the run's payment ids begin with."""

    def __init__(self, id_prefix: str) -> None:
        self._length = len(id_prefix) + NUMBER_DIGITS
        self._of: dict[str, list[Record]] = {}
        # An exchange that a link answered does not know its payment: the link's record does. One
        # connection carries one request at a time, so they are in the order of their times.
        self._exchanges: defaultdict[_Connection, list[HttpExchange]] = defaultdict(list)
        self._named: defaultdict[str, list[HttpExchange]] = defaultdict(list)  # by order
        # Requests that are never answered, whose callers were not seen to give up.
        self._waiting: dict[_Connection, ReceivedRequest] = {}
        self._switches: list[FaultSwitch] = []  # of outages, which all orders meet
        self.requests = 0  # over every hop, so far

    def order(self, payment: str) -> str:
        """The first payment of the order that a payment is for."""
        return payment[: self._length]

    def order_of(self, record: Record) -> str:
        """The first payment of the order that a record is about, "" for none."""
        return self.order(_payment(record))

    def expect(self, order: str) -> None:
        """Keep what is recorded about an order, until it is forgotten."""
        self._of[order] = []

    def forget(self, order: str) -> None:
        """Nothing more is asked about an order."""
        del self._of[order]
        self._named.pop(order, None)
        for connection, received in list(self._waiting.items()):
            if self.order(received.payment) == order:
                del self._waiting[connection]

    def payments(self, order: str) -> set[str]:
        """The payments that something was recorded about."""
        return {payment for record in self._of[order] if (payment := _payment(record))}

    @property
    def waiting(self) -> frozenset[str]:
        """Orders for which a service waits for an answer that never comes."""
        return frozenset(self.order(received.payment) for received in self._waiting.values())

    def add(self, records: Iterable[Record]) -> set[str]:
        """Keep records; the orders that they are about."""
        touched = set()
        for record in records:
            self.requests += isinstance(record, HopRecord | ReceivedRequest)
            order = self.order_of(record)
            if isinstance(record, HttpExchange):
                touched |= self._add_exchange(record, order)
                continue
            if isinstance(record, FaultSwitch):
                self._switches.append(record)
            if order in self._of:
                touched.add(order)
                self._of[order].append(record)
                if isinstance(record, ReceivedRequest) and not record.status:
                    self._wait(record)
        return touched

    def _add_exchange(self, exchange: HttpExchange, order: str) -> set[str]:
        connection = (exchange.hop.rpartition(".")[2], exchange.port)
        self._exchanges[connection].append(exchange)
        touched = {order}
        waiting = self._waiting.get(connection)
        # Not the one before it on the connection, which was recorded late.
        if waiting is not None and exchange.ended_ns >= waiting.started_ns:
            del self._waiting[connection]
            touched.add(self.order(waiting.payment))
        if order in self._of:
            self._named[order].append(exchange)
        return touched & self._of.keys()

    def _wait(self, received: ReceivedRequest) -> None:
        """The engine may have recorded the end of the exchange before the link its own."""
        if received.port and self._exchange_of(received) is None:
            self._waiting[received.link, received.port] = received

    def of(self, orders: Collection[str]) -> list[Record]:
        """Everything about some orders, and what came over the connections of their requests."""
        found: list[Record] = [*self._switches]
        found += [record for order in orders for record in self._of[order]]
        exchanges = [
            self._exchange_of(record) for record in found if isinstance(record, ReceivedRequest)
        ]
        exchanges += [exchange for order in orders for exchange in self._named.get(order, ())]
        return found + list({id(each): each for each in exchanges if each is not None}.values())

    def _exchange_of(self, received: ReceivedRequest) -> HttpExchange | None:
        """The exchange over which a request came, once it has ended."""
        exchanges = self._exchanges.get((received.link, received.port), [])
        place = bisect_right(exchanges, received.started_ns, key=_STARTED)
        exchange = exchanges[place - 1] if place else None
        if exchange is None or exchange.ended_ns < received.started_ns:
            return None
        return exchange

    def forget_before(self, before_ns: int) -> None:
        """Drop the exchanges that ended before anything in flight began."""
        for connection, exchanges in list(self._exchanges.items()):
            del exchanges[: bisect_left(exchanges, before_ns, key=_ENDED)]
            if not exchanges:
                del self._exchanges[connection]


def _payment(record: Record) -> str:
    return getattr(record, "payment", "")
