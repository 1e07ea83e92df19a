"""What own services did, on the terminal and on the page."""

from __future__ import annotations

import re

from paychain.analysis.measures.own_policies import PolicyLine
from paychain.analysis.measures.own_services import OwnServiceMeasures
from paychain.report.html.page import render
from paychain.report.text.own_services import own_service_lines
from paychain.report.text.terminal import terminal_lines
from tests.support.report_results import OWN_CALL, result

LINES = [
    PolicyLine(
        call="shop.authorise",
        what="timeout",
        claimed="2.0 s",
        observed="3.0 s (42 of 42 waits)",
        holds=False,
    ),
    PolicyLine(
        call="shop.authorise", what="failover", claimed="", observed="a → b <3>", holds=None
    ),
]
OBSERVED = result(own_services=OwnServiceMeasures([OWN_CALL], LINES))


def test_claimed_stands_beside_observed_and_then_what_the_sdk_did() -> None:
    assert own_service_lines(OBSERVED) == [
        "✕ shop.authorise timeout: claimed 2.0 s; observed 3.0 s (42 of 42 waits)",
        "– shop.authorise failover: observed a → b <3>",
        "shop → stripe: 300 requests, 2.31 that move money per payment, at most 4, 50% with an "
        "idempotency key, 37 repeats with the same key, 1 repeat without a key, 5.0 requests per "
        "connection, 35 without an answer, 2 inferred as refused, 1 connection could not be read "
        "(TLS)",
        "  attributed: 167 by reference, 5 by key, 1 of no payment (POST /v1/payment_intents at "
        "4.3 s, …); seen by engine and link",
        "  a repeat that does not have the key of the first request may charge again: keep one key "
        "for each try to pay an order until its outcome is known",
    ]
    assert "Own services" in terminal_lines(OBSERVED)


WAITS = ("2.0 s", "3.0 s (42 of 42 waits)", "✕ no")


def test_the_page_has_both_tables_and_foreign_text_is_escaped() -> None:
    page = render(OBSERVED)
    assert "What your own services did" in page
    claimed, observed, answer = (r"<td[^>]*>" + re.escape(text) + "</td>" for text in WAITS)
    assert re.search(claimed + observed + answer, page)
    assert "a → b &lt;3&gt;" in page
    assert "37 repeats with the same key" in page


def test_a_chain_of_mocks_has_no_such_part() -> None:
    assert "What your own services did" not in render(result())
    assert "Own services" not in terminal_lines(result())
