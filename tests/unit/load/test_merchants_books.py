"""The merchant's own view of an order: asked over HTTP, or printed by a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from paychain.environment.own.books import BooksRead
from paychain.load.traffic.books import (
    OrderInBooks,
    OrderPaid,
    entry_of,
    look,
    noted,
    printed_entries,
)
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.paid_at import books_at
from paychain.payments.journal import DecisionKind
from paychain.protocol.pays.template import PaysTemplate
from paychain.wire.http import HttpResponse
from tests.support.chains import checked
from tests.support.own_chains import PAYS, own_shop
from tests.support.paid_shop import paid_shop

ORDER = OrderPaid("pk3fa0000042r2", "pk3fa0000042", 1_250, "EUR", "shop")
BOOKS = {
    "get": "/orders/{order}",
    "headers": {"x-payment": "{payment}"},
    "paid": {"where": {"state": "paid"}},
    "amount": {"field": "sum.charged", "unit": "minor"},
}

PAID = '{"state": "paid", "sum": {"charged": 1250}}'


def chain(**books: Any) -> Chain:
    return checked(own_shop(shop={"pays": PAYS, "books": {**BOOKS, **books}}))


def template(**books: Any) -> PaysTemplate:
    found = books_at(chain(**books), "shop")
    assert found is not None
    return found


def answered(status: int, body: str, **books: Any) -> OrderInBooks:
    return entry_of(template(**books), ORDER, HttpResponse(status, body.encode()))


def test_an_order_is_asked_for_by_its_id() -> None:
    http = look(template(), ORDER)
    assert (http.method, http.target) == ("GET", "/orders/pk3fa0000042")
    assert http.headers["x-payment"] == "pk3fa0000042r2"


@pytest.mark.parametrize(
    ("status", "body", "entry"),
    [
        (200, '{"state": "paid", "sum": {"charged": 1250}}', OrderInBooks(True, 1_250)),
        (200, '{"state": "new", "sum": {"charged": 1250}}', OrderInBooks(False)),
        (404, "{}", OrderInBooks(False)),  # an order that it does not know
        (410, "", OrderInBooks(False)),
        (204, "", OrderInBooks(False)),
        (200, "null", OrderInBooks(False)),
        (
            200,
            "[]",
            OrderInBooks(False, problem="the answer is a list; a path into one begins with [0]"),
        ),
        (200, "", OrderInBooks(False, problem="the answer has no body")),
        (
            200,
            "<p>Log in",
            OrderInBooks(False, problem="the answer is not JSON: invalid character (byte 0)"),
        ),
        (302, "", OrderInBooks(False, problem="HTTP 302: redirects are not followed")),
        (401, "", OrderInBooks(False, problem="HTTP 401")),
        # What looks like a paid order in an error's page is none.
        (500, PAID, OrderInBooks(False, problem="HTTP 500")),
        (503, PAID, OrderInBooks(False, problem="HTTP 503")),
        (400, PAID, OrderInBooks(False, problem="HTTP 400")),
        (302, PAID, OrderInBooks(False, problem="HTTP 302: redirects are not followed")),
        (404, PAID, OrderInBooks(False)),
        (429, "", OrderInBooks(False, problem="HTTP 429")),
        (500, "", OrderInBooks(False, problem="HTTP 500")),
    ],
)
def test_what_an_answer_says(status: int, body: str, entry: OrderInBooks) -> None:
    assert answered(status, body) == entry


@pytest.mark.parametrize("status", [402, 404, 500])
def test_a_status_that_the_declaration_names_may_be_that_of_a_paid_order(status: int) -> None:
    paid = {"status": status, "where": {"state": "paid"}}
    assert answered(status, PAID, paid=paid) == OrderInBooks(True, 1_250)
    assert answered(status, '{"state": "new"}', paid=paid) == OrderInBooks(False)
    assert answered(status, "<p>Down", paid=paid).problem.startswith("the answer is not JSON")
    assert not answered(200, PAID, paid=paid).is_paid


REDIRECTED = "HTTP 302: redirects are not followed"


@pytest.mark.parametrize("statuses", ["200-499", "200-599", [200, 302, 401, 404, 429, 503]])
@pytest.mark.parametrize(
    ("status", "problem"),
    [(401, "HTTP 401"), (429, "HTTP 429"), (503, "HTTP 503"), (302, REDIRECTED), (404, "")],
)
def test_a_refusal_within_declared_statuses_says_nothing_of_the_order(
    statuses: str | list[int], status: int, problem: str
) -> None:
    paid = {"status": statuses, "where": {"state": "paid"}}
    for body in ('{"error": "slow down"}', "<p>Slow down", ""):
        assert answered(status, body, paid=paid) == OrderInBooks(False, problem=problem)
    contains = {"status": statuses, "contains": "paid"}
    refused = answered(status, "slow down", paid=contains, amount=None)
    assert refused == OrderInBooks(False, problem=problem)
    if status != 503 or statuses != "200-499":  # where it is declared, it may be a paid order's
        assert answered(status, PAID, paid=paid) == OrderInBooks(True, 1_250)
    assert answered(200, '{"state": "new"}', paid=paid) == OrderInBooks(False)


def test_the_page_of_an_error_is_no_paid_order() -> None:
    page = "<html>Bad gateway for /orders/pk3fa0000042: paid</html>"
    found = answered(502, page, paid={"contains": "paid"}, amount=None)
    assert found == OrderInBooks(False, problem="HTTP 502")


def test_a_paid_order_without_its_amount_could_not_be_read() -> None:
    entry = answered(200, '{"state": "paid"}')
    assert entry.is_paid
    assert "no amount at 'sum.charged'" in entry.problem


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_an_order_in_another_currency_is_not_paid_where_the_books_say_the_currency(
    currency: str,
) -> None:
    body = f'{{"state": "paid", "currency": "{currency}", "sum": {{"charged": 1250}}}}'
    paid = {"where": {"state": "paid", "currency": "{currency}"}}
    assert answered(200, body, paid=paid).is_paid == (currency == ORDER.currency)


@pytest.mark.parametrize(
    "body",
    [
        '{"state": "paid", "sum": {"charged": 1250, "currency": "USD"}}',
        '{"state": "paid", "sum": {"charged": 1250}, "currency": "usd"}',
        '{"state": "paid", "sum": {"charged": 1250}, "currency_code": "USD"}',
        '{"state": "paid", "sum": {"charged": 1250, "currencyIso": "USD"}, "currency": "EUR"}',
        '{"state": "paid", "sum": {"charged": 1250, "Ccy": "USD"}}',
    ],
)
def test_an_amount_in_another_currency_is_not_the_orders(body: str) -> None:
    entry = answered(200, body)
    assert entry.amount_minor == 0
    assert "'sum.charged' is in USD, the payment in EUR" in entry.problem


@pytest.mark.parametrize(
    "body",
    [
        '{"state": "paid", "sum": {"charged": 1250, "currency": "eur"}, "currency": "USD"}',
        '{"state": "paid", "sum": {"charged": 1250}, "currency": {"code": "USD"}}',
        '{"state": "paid", "sum": {"charged": 1250}, "refund": {"currency": "USD"}}',
        '{"state": "paid", "sum": {"charged": 1250}, "currency": null}',
    ],
)
def test_a_currency_elsewhere_says_nothing_of_the_amount(body: str) -> None:
    assert answered(200, body) == OrderInBooks(True, 1_250)


def test_without_an_amount_only_the_state_is_known() -> None:
    assert answered(200, '{"state": "paid"}', amount=None) == OrderInBooks(True, 0)


@pytest.mark.parametrize(
    ("amount_minor", "stated"), [(1_250, "the order's amount"), (990, "another amount"), (0, "")]
)
def test_what_is_noted_of_an_entry(amount_minor: int, stated: str) -> None:
    made = noted("shop", ORDER, OrderInBooks(True, amount_minor), 5)
    assert (made.kind, made.detail) == (DecisionKind.BOOKED_PAID, stated)
    assert (made.payment, made.amount_minor) == ("pk3fa0000042r2", amount_minor)
    assert noted("shop", ORDER, OrderInBooks(False), 5).kind is DecisionKind.BOOKED_UNPAID


def test_what_a_command_prints_is_found_by_its_order() -> None:
    printed = printed_entries('{"id": "a", "state": "paid"}\n\n{"id": 7}\n', "id")
    assert list(printed) == ["a", "7"]


def test_an_order_that_is_printed_twice_could_not_be_read(tmp_path: Path) -> None:
    line = "{'id': 'pk3fa0000042', 'state': 'paid', 'sum': {'charged': 1250}}"
    books = read(
        chain(**command(f"import json; print(*[json.dumps({line})] * 2, sep='\\n')")), tmp_path
    )
    assert [entry.payment for entry in books.entries] == ["pk3fa0000043"]
    (problem,) = books.problems
    assert problem.endswith("for 1 of 2 payments: it is printed 2 times; print it once")


def test_a_service_that_answers_no_look_is_not_asked_for_every_order() -> None:
    def answer(number: int, _asked: Any) -> Any:
        return (404, {}) if number == 20 else None  # it begins to count again

    orders = [OrderPaid(f"pk3fa{number:07d}", "", 500, "EUR", "shop") for number in range(400)]
    with paid_shop(answer) as shop:
        books = BooksRead(chain(), Path(), "pk3fa", lambda: 7)
        books.read(orders, {"shop": ("127.0.0.1", shop.port)})
        assert len(shop.received) < 100
    assert len(books.entries) == 1
    assert "for 399 of 400 payments: not asked, after " in books.problems[0]


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("nonsense", "line 1 is not JSON"),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"x": 1}', "line 1 has no 'id'"),
    ],
)
def test_what_is_no_list_of_orders_is_refused(output: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        printed_entries(output, "id")


# -- reading them ---------------------------------------------------------------------------------
def read(declared: Chain, home: Path, at: tuple[str, int] = ("127.0.0.1", 9)) -> BooksRead:
    books = BooksRead(declared, home, "pk3fa", lambda: 7)
    other = OrderPaid("pk3fa0000043", "pk3fa0000043", 500, "EUR", "shop")
    books.read([ORDER, other], {"shop": at})
    return books


def test_a_service_is_asked_for_every_order(tmp_path: Path) -> None:
    def answer(_number: int, asked: Any) -> Any:
        if asked.path.endswith("42"):
            return 200, {"state": "paid", "sum": {"charged": 1_250}}
        return 404, {}

    with paid_shop(answer) as shop:
        books = read(chain(), tmp_path, ("127.0.0.1", shop.port))
    assert [entry.kind for entry in books.entries] == [
        DecisionKind.BOOKED_PAID,
        DecisionKind.BOOKED_UNPAID,
    ]
    assert books.problems == []


def test_books_that_nobody_answers_for_are_a_problem_of_the_run(tmp_path: Path) -> None:
    books = read(chain(), tmp_path)
    assert books.entries == []
    (problem,) = books.problems
    assert problem.startswith("the books of shop could not be read for 2 of 2 payments: ")


def command(script: str) -> dict[str, Any]:
    return {
        "get": None,
        "headers": {},
        "command": [sys.executable, "-c", script, "{run}"],
        "order": "id",
    }


def test_a_command_prints_all_orders_of_the_run(tmp_path: Path) -> None:
    script = (
        "import json, sys; "
        "print(json.dumps({'id': sys.argv[1] + '0000042', 'state': 'paid', 'sum': {'charged': 9}}))"
    )
    books = read(chain(**command(script)), tmp_path)
    assert [(entry.kind.value, entry.amount_minor) for entry in books.entries] == [
        ("booked_paid", 9),
        ("booked_unpaid", 0),
    ]


def test_a_command_that_fails_is_a_problem_of_the_run(tmp_path: Path) -> None:
    books = read(chain(**command("import sys; sys.exit('no such table')")), tmp_path)
    assert books.entries == []
    assert "exit code 1: no such table" in books.problems[0]


# -- declared -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("books", "what"),
    [
        ({"get": "/orders"}, "the path has no id of the order"),
        ({"get": "/orders/{order}/{answer.id}"}, "{answer.id}: no answer came before"),
        ({"amount": "charged"}, "'charged' may be decimal or in minor units"),
    ],
)
def test_a_mistake_has_its_place(books: dict[str, Any], what: str) -> None:
    pays = {**PAYS, "request": {"path": "/pay", "json": {"payment": "{payment}"}}}
    pays["approved"] = {"status": "200"}
    declared = Chain.model_validate(
        _plain(own_shop(shop={"pays": pays, "books": {**BOOKS, **books}}))
    )
    (problem,) = check_chain(declared)
    assert problem.what.startswith(what)
    assert problem.path[:3] == ("links", "shop", "books")


def _plain(text: str) -> Any:
    import yaml

    return yaml.load(text, Loader=yaml.BaseLoader)


@pytest.mark.parametrize(
    "books", [{"command": "psql"}, {"get": None}, {"paid": {}}, {"paid": None}]
)
def test_books_that_say_too_much_or_too_little_are_refused(books: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="books"):
        chain(**books)
