"""The merchant's own view of an order: what to ask its service, and what the answer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.json_text import decoded
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.json_path import find, parse_path, text_of
from paychain.protocol.pays.outcomes import NO_CONTENT, Reading, read, why_not_json
from paychain.protocol.pays.requests import Values, written
from paychain.protocol.pays.template import PaysTemplate
from paychain.wire.http import HttpRequest, HttpResponse

# What a paid order's entry states.
SAME, OTHER, UNSTATED = "the order's amount", "another amount", ""
BooksTemplate = PaysTemplate  # one request, or none, and what a paid order looks like
_SUCCESS, _REDIRECTS = range(200, 300), range(300, 400)
_REFUSALS = frozenset({400, 401, 403, 405, 408, 425, 429})  # whatever the order is
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
    # The page of an error may contain anything, also what a paid order would: it is read only where
    # `paid` declares its status.
    is_entry = response.status in _SUCCESS and response.status != NO_CONTENT
    reading = None
    if is_entry or _declares(template, response.status):
        reading = read(template, response, _values(template, order))
        if reading.pattern is not None:
            return _paid(template, reading)
    # A range is declared for what it matches: a refusal in it still says nothing of the order.
    if reading is not None and (is_entry or _is_only(template, response.status)):
        return OrderInBooks(False, problem=_no_entry(template, response, reading.body))
    return OrderInBooks(False, problem=_why_refused(response.status))


def _paid(template: BooksTemplate, reading: Reading) -> OrderInBooks:
    if reading.problem:
        return OrderInBooks(True, problem=reading.problem)
    has_amount = bool(template.patterns[0].amount)
    answer = reading.reply.answer if reading.reply is not None else None
    return OrderInBooks(True, answer.amount_minor if answer is not None and has_amount else 0)


def _declares(template: BooksTemplate, status: int) -> bool:
    """Whether a paid order may have this status."""
    return any(first <= status <= last for first, last in template.patterns[0].statuses)


def _is_only(template: BooksTemplate, status: int) -> bool:
    """Whether paid orders have this status and no other, so that it is no refusal."""
    return all(first == last == status for first, last in template.patterns[0].statuses)


def _why_refused(status: int) -> str:
    """Why an answer with this status says nothing of any order; "" where it says something."""
    if status >= 500 or status in _REFUSALS:
        return f"HTTP {status}"
    return f"HTTP {status}: redirects are not followed" if status in _REDIRECTS else ""


def _no_entry(template: BooksTemplate, response: HttpResponse, body: Any) -> str:
    """Why an answer says nothing of an order; "" where it says that the order is not paid."""
    first = [step for path in template.patterns[0].where for step in parse_path(path)[:1]]
    if not first or (response.status == NO_CONTENT and not response.body):
        return ""
    if body is None and (problem := why_not_json(response)):
        return problem
    if isinstance(body, list) and all(isinstance(step, str) for step in first):
        return "the answer is a list; a path into one begins with [0]"
    return ""


def printed_entries(output: str, field: str) -> dict[str, list[HttpResponse]]:
    """Every object that a command printed, by the id that it has. Raises ValueError."""
    path = parse_path(field)
    found: dict[str, list[HttpResponse]] = {}
    for number, line in enumerate(filter(None, map(str.strip, output.splitlines())), start=1):
        try:
            value = decoded(line)
        except msgspec.MsgspecError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from None
        name = find(value, path)
        if name is None:
            raise ValueError(f"line {number} has no '{field}'")
        found.setdefault(text_of(name), []).append(HttpResponse(200, line.encode()))
    return found


def printed_entry(
    template: BooksTemplate, order: OrderPaid, printed: Mapping[str, Sequence[HttpResponse]]
) -> OrderInBooks:
    """What a command printed of an order, under the id of the payment or else of the order."""
    lines = printed.get(order.payment) or printed.get(order.order) or ()
    if len(lines) > 1:
        return OrderInBooks(False, problem=f"it is printed {len(lines)} times; print it once")
    return entry_of(template, order, lines[0]) if lines else OrderInBooks(False)


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
