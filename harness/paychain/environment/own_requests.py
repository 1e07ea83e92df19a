"""What was observed of own services, on its way from the spools into run.db."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import msgspec

from paychain.load.traffic.arrivals import Arrival, Purchases, arrivals
from paychain.load.traffic.books import OrderPaid
from paychain.load.traffic.plan import LoadPlan
from paychain.model.chain import Chain
from paychain.model.own_services import observed_hops
from paychain.payments.attribution import UNIQUE_AMOUNTS, CardAmounts, Expected
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from paychain.payments.outcome import Outcome
from paychain.services.attribution import payment_of_hints

AHEAD_NS = 10_000_000_000  # payments are expected so long before they begin
MAX_EXPECTED = 5_000  # made known at once
QUIET_S = 1.5  # without a request of theirs, own services are done if nothing is unknown
QUIET_STEP_S = 0.2
_MOVES_NOTHING = ("query", "read")  # that such a request has no answer leaves no money unknown


class OwnRequests:
    """Completes the records of own services' requests."""

    def __init__(self, chain: Chain) -> None:
        self.orders: list[OrderPaid] = []  # of every payment so far, where somebody has books
        # By payment and link ("": the customer): since when something about it is unknown.
        self._open: dict[tuple[str, str], int] = {}
        self._open_captures: set[tuple[str, str]] = set()
        # By link and port of its caller: the newest request's operation, and when it came.
        self._newest: dict[tuple[str, int], tuple[str, int]] = {}
        self._has_books = any(link.books is not None for link in chain.links.values())
        self._card_amounts = CardAmounts()
        self._coming: Iterator[Expected] = iter(())
        self._next: Expected | None = None
        self._hops = {(hop.caller, hop.callee) for hop in observed_hops(chain)}

    def begin(self, plan: LoadPlan, start_ns: int) -> None:
        """The payments of a load begin at that moment of the run."""
        self._coming = _expected(plan, start_ns)

    def expect(self, now_ns: int) -> list[Expected]:
        """The payments of the next seconds, each once: links have to expect them, too."""
        until_ns = now_ns + AHEAD_NS
        found: list[Expected] = []
        while len(found) < MAX_EXPECTED:
            following = self._next if self._next is not None else next(self._coming, None)
            self._next = following
            if following is None or following.at_ns > until_ns:
                break
            found.append(following)
            self._next = None
        self._card_amounts.expect(found)
        return found

    @property
    def expects_more(self) -> bool:
        """Payments of the load are still to come, later than `expect` gave them."""
        return self._next is not None

    def expect_now(self, arrivals: Sequence[Arrival], now_ns: int) -> list[Expected]:
        """Payments that customers make without a load: links have to expect them, too."""
        found = [_expected_of(arrival, now_ns) for arrival in arrivals]
        self._card_amounts.expect(found)
        return found

    def forget(self, payments: Collection[str]) -> None:
        """Nothing is to be settled or read any more of payments that were judged."""
        self.orders = [order for order in self.orders if order.payment not in payments]
        for call in [call for call in self._open if call[0] in payments]:
            self._settled(call)

    def orders_of(self, payments: Collection[str]) -> list[OrderPaid]:
        """The orders of some payments, as far as somebody has books."""
        return [order for order in self.orders if order.payment in payments]

    def completed(self, records: Sequence[Record]) -> list[Record]:
        """The records, with the payments of requests that no link has seen, as far as they show.

        A link also records its own view of each hop; the run makes the hops of both views.
        """
        for record in records:
            self.note(record)
        return [self._completed(record) for record in records if not self._is_one_sided(record)]

    @property
    def is_unsettled(self) -> bool:
        """Something is unknown, to a service or to a customer, that a service may still settle."""
        return bool(self._open)

    @property
    def unsettled(self) -> frozenset[str]:
        """The payments about which something is unknown."""
        return frozenset(payment for payment, _ in self._open)

    def note(self, record: Record) -> None:
        """Note what a record leaves unknown or settles, and which order must be in the books."""
        if isinstance(record, PaymentRecord):
            if self._has_books:
                self.orders.append(_order(record))
            if record.outcome is Outcome.UNKNOWN:
                self._open[record.payment, ""] = record.ended_ns
            elif record.outcome is Outcome.APPROVED:
                self._customer_knows(record)
        elif isinstance(record, HttpExchange):
            if record.payment and not record.status and record.ended_by != "refused":
                self._unanswered(record)
        elif isinstance(record, ReceivedRequest):
            call = (record.payment, record.link)
            self._newest[record.link, record.port] = (record.operation, record.started_ns)
            if record.operation == "authorise" and record.result.leaves_unknown:
                self._open[call] = record.ended_ns
                self._open_captures.discard(call)
            # What came to the link before the service gave up settles nothing.
            elif record.result.worked and record.started_ns > self._open.get(call, math.inf):
                self._settled(call)

    def _unanswered(self, exchange: HttpExchange) -> None:
        """A service has no answer to a request of a payment."""
        callee = exchange.hop.rpartition(".")[2]
        call = (exchange.payment, callee)
        # The link has noted it long ago: its caller waited for an answer.
        operation, came_ns = self._newest.get((callee, exchange.port), ("", -1))
        if not exchange.started_ns <= came_ns <= exchange.ended_ns:
            operation = ""  # another request: this one did not reach any link
        if operation in _MOVES_NOTHING:
            return
        if operation == "capture" and call not in self._open:
            self._open_captures.add(call)
        elif operation != "capture":
            self._open_captures.discard(call)
        self._open[call] = exchange.ended_ns

    def _customer_knows(self, payment: PaymentRecord) -> None:
        """A service that says after a capture without an answer that it is paid has heard of it.

        By a webhook, say. What else it does not know may be held beside what was paid.
        """
        for call in [call for call in self._open_captures if call[0] == payment.payment]:
            if self._open[call] < payment.ended_ns:
                self._settled(call)

    def _settled(self, call: tuple[str, str]) -> None:
        del self._open[call]
        self._open_captures.discard(call)

    def _is_one_sided(self, record: Record) -> bool:
        return isinstance(record, HopRecord) and (record.caller, record.callee) in self._hops

    def _completed(self, record: Record) -> Record:
        if not isinstance(record, HttpExchange) or record.payment or not record.hints:
            return record
        payment, by = payment_of_hints(record.hints, self._card_amounts, record.started_ns)
        return msgspec.structs.replace(record, payment=payment, by=by)


def _order(payment: PaymentRecord) -> OrderPaid:
    return OrderPaid(
        payment.payment,
        payment.order or payment.payment,
        payment.order_minor or payment.amount_minor,
        payment.currency,
        payment.merchant,
    )


def _expected(plan: LoadPlan, start_ns: int) -> Iterator[Expected]:
    """Every payment of a load, as its customers make them, whichever process they are in."""
    coming: Iterator[Arrival]
    whole = msgspec.structs.replace(plan, share=0, shares=1)
    if plan.users:
        # It is not known when a user pays: as many as can be told apart are expected at once.
        purchases = Purchases(whole)
        coming = (purchases.arrival(number, 0.0) for number in range(UNIQUE_AMOUNTS))
    else:
        coming = arrivals(whole)
    for arrival in coming:
        yield _expected_of(arrival, start_ns)


def _expected_of(arrival: Arrival, start_ns: int) -> Expected:
    return Expected(
        arrival.payment,
        arrival.number,
        arrival.instrument.masked,
        arrival.amount_minor,
        start_ns + int(arrival.at_s * 1e9),
    )
