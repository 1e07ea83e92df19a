"""The merchant's own view of an order: what to ask its service, and what the answer says."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.json_path import find, parse_path
from paychain.protocol.pays.outcomes import read
from paychain.protocol.pays.requests import Values, written
from paychain.protocol.pays.template import PaysTemplate
from paychain.wire.http import HttpRequest, HttpResponse

# What a paid order's entry states.
SAME, OTHER, UNSTATED = "the order's amount", "another amount", ""
BooksTemplate = PaysTemplate  # one request, or none, and what a paid order looks like
BOOKS = "books"  # the operation of what is noted of an entry
_SPAN = "b" + "0" * 15  # of a look into the books: no link's spans begin with a b


class OrderPaid(NamedTuple):
    """What is known of a payment's order when the books are read. Minor units."""

    payment: str
    order: str
    amount_minor: int
    currency: str
    merchant: str


class OrderInBooks(NamedTuple):
    """One order in the service's books. `amount_minor` is 0 where none is stated.

    `problem`: why it could not be read; then nothing is known.
    """

    is_paid: bool
    amount_minor: int = 0
    problem: str = ""


def look(template: BooksTemplate, order: OrderPaid) -> HttpRequest:
    """The request that asks the service for one order."""
    return written(template.steps[0], _values(template, order), _SPAN)


def entry_of(template: BooksTemplate, order: OrderPaid, response: HttpResponse) -> OrderInBooks:
    """What the service's answer says of an order. One that it does not know is not paid."""
    if response.status >= 500:
        return OrderInBooks(False, problem=f"HTTP {response.status}")
    reading = read(template, response, _values(template, order))
    if reading.pattern is None:
        return OrderInBooks(False)
    if reading.problem:
        return OrderInBooks(True, problem=reading.problem)
    has_amount = bool(template.patterns[0].amount)
    answer = reading.reply.answer if reading.reply is not None else None
    return OrderInBooks(True, answer.amount_minor if answer is not None and has_amount else 0)


def printed_entries(output: str, field: str) -> dict[str, HttpResponse]:
    """Every object that a command printed, by the id that it has. Raises ValueError."""
    path = parse_path(field)
    found: dict[str, HttpResponse] = {}
    for number, line in enumerate(filter(None, map(str.strip, output.splitlines())), start=1):
        try:
            value: Any = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from None
        name = find(value, path)
        if name is None:
            raise ValueError(f"line {number} has no '{field}'")
        found[str(name)] = HttpResponse(200, line.encode())
    return found


def noted(link: str, order: OrderPaid, entry: OrderInBooks, at_ns: int) -> Decision:
    """An entry of the books as a record of the run."""
    stated = UNSTATED
    if entry.is_paid and entry.amount_minor:
        stated = SAME if entry.amount_minor == order.amount_minor else OTHER
    return Decision(
        link=link,
        kind=DecisionKind.BOOKED_PAID if entry.is_paid else DecisionKind.BOOKED_UNPAID,
        at_ns=at_ns,
        payment=order.payment,
        attempt=0,
        operation=BOOKS,
        target="",
        detail=stated,
        amount_minor=entry.amount_minor,
    )


def _values(template: BooksTemplate, order: OrderPaid) -> Values:
    request = PaymentRequest(
        order.payment,
        order.amount_minor,
        order.currency,
        TEST_CARDS[0],  # no look into a book asks for a card
        order.merchant,
        order=order.order,
    )
    return Values(template, request, 1)
