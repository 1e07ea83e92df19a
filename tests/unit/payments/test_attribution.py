"""Which payment a request is for: each way by itself, in their order, and never a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.attribution import (
    UNIQUE_AMOUNTS,
    WAYS,
    CardAmounts,
    Expected,
    PaymentIds,
    find_payment,
)
from paychain.protocol.envelope import traceparent
from paychain.protocol.vendor import Evidence
from paychain.services.attribution import Attribution
from paychain.toxics.evidence import evidence_of
from tests.support.laws import examples

IDS = PaymentIds("pk3fa")
P = "pk3fa0000042"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (P, P),
        (f"order {P}", P),
        (f"order-{P}-retry-2", P),
        (P.upper(), P),
        (f"{P}r2", f"{P}r2"),
        (f"{P}b", f"{P}b"),
        (f"{P}br12", f"{P}br12"),
        (f"{P} and {P}r2", f"{P}r2"),  # the longest
        (f"{P}bc", P),  # a word that goes on is no suffix
        (f"{P}r2x", P),
        ("pk3fa42", ""),
        ("pk3fb0000042", ""),
        ("", ""),
    ],
)
def test_an_id_is_found_in_any_text(text: str, found: str) -> None:
    assert IDS.in_text(text) == found
    assert IDS.in_bytes(text.encode()) == found


@examples(50)
@given(st.integers(0, 9_999_999), st.sampled_from(["", "b", "r2", "r127", "br3"]))
def test_a_trace_of_ours_leads_back_to_its_payment(number: int, suffix: str) -> None:
    payment = f"pk3fa{number:07d}{suffix}"
    assert IDS.in_trace(traceparent(payment, "1" * 16)) == payment


@pytest.mark.parametrize("header", ["", "00-xyz-1-01", "00-" + "ab" * 16 + "-" + "1" * 16 + "-01"])
def test_a_foreign_trace_leads_nowhere(header: str) -> None:
    assert IDS.in_trace(header) == ""


def test_the_surest_evidence_decides() -> None:
    others = [f"pk3fa000000{number}" for number in range(6)]
    evidence = {
        "headers": {"traceparent": traceparent(others[0], "1" * 16)},
        "texts": [others[1]],
        "key": others[2],
        "of_other_text": lambda: others[3],
        "of_object": lambda: others[4],
        "of_card_and_amount": lambda: others[5],
    }
    found = [find_payment(IDS, **evidence, ways=WAYS[number:]) for number in range(6)]  # type: ignore[arg-type]  # of each its own type
    assert found == list(zip(others, WAYS, strict=True))
    assert find_payment(IDS, **evidence, ways=()) == ("", "nothing")  # type: ignore[arg-type]  # as above


def test_baggage_counts_as_the_trace_does() -> None:
    assert find_payment(IDS, headers={"baggage": f"payment={P},x=1"}) == (P, "trace")


# -- card and amount ------------------------------------------------------------------------------
def expected(number: int, amount_minor: int, card: str = "424242…4242", at_s: int = 0) -> Expected:
    return Expected(f"pk3fa{number:07d}", number, card, amount_minor, at_s * 1_000_000_000)


def test_an_amount_that_one_payment_has_is_that_payments() -> None:
    known = CardAmounts()
    known.expect([expected(1, 1_250), expected(2, 1_251)])
    assert known.payment_of("424242…4242", 1_251, 0) == "pk3fa0000002"
    assert known.payment_of("", 1_250, 0) == "pk3fa0000001"
    assert known.payment_of("", 999, 0) == ""


def test_what_two_payments_could_mean_is_nobodys() -> None:
    known = CardAmounts()
    known.expect([expected(1, 1_250), expected(2, 1_250), expected(3, 1_250, "555555…4444")])
    assert known.payment_of("424242…4242", 1_250, 0) == ""
    assert known.payment_of("", 1_250, 0) == ""
    assert known.payment_of("555555…4444", 1_250, 0) == "pk3fa0000003"


def test_a_payment_that_has_not_begun_is_no_candidate() -> None:
    known = CardAmounts()
    known.expect([expected(1, 1_250), expected(2, 1_250, at_s=60)])
    assert known.payment_of("", 1_250, 0) == "pk3fa0000001"
    assert known.payment_of("", 1_250, 60_000_000_000) == ""


def test_a_payment_long_ago_is_forgotten() -> None:
    known = CardAmounts()
    known.expect(expected(number, number) for number in range(UNIQUE_AMOUNTS + 1))
    assert known.payment_of("", 0, 0) == ""
    assert known.payment_of("", 1, 0) == "pk3fa0000001"


# -- any other text -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "whole",
    [f"order {P}", f"/v1/payments?back=/orders/{P}", f"return_url=https%3A%2F%2Fshop%2F{P}"],
)
def test_an_id_anywhere_in_a_request_counts_where_nothing_surer_is_there(whole: str) -> None:
    attribution = Attribution("pk3fa")
    bare = Evidence(headers={}, key="k1")
    found = attribution.attribute("psp", bare, 0, whole.encode)
    assert (found.payment, found.attempt, found.by) == (P, 1, "other text")
    assert attribution.attribute("psp", bare, 0, whole.encode) == found  # the same key
    named = Evidence(headers={}, texts=("pk3fa0000007",), key="k2")
    assert attribution.attribute("psp", named, 0, whole.encode).payment == "pk3fa0000007"
    unknown = attribution.attribute("psp", Evidence(headers={}), 0, "/".encode)
    assert (unknown.payment, unknown.by) == ("?psp-1", "nothing")


@pytest.mark.parametrize(
    ("text", "stated"), [(P, P), (f"{P}r2", ""), (f"{P} and {P}r2", ""), ("", "")]
)
def test_what_a_traced_request_names_beside_its_own_payment_is_known(
    text: str, stated: str
) -> None:
    headers = {"traceparent": traceparent(f"{P}r2", "1" * 16)}
    found = Attribution("pk3fa").attribute("psp", Evidence(headers=headers, texts=(text,)))
    assert (found.payment, found.by, found.stated) == (f"{P}r2", "trace", stated)


def test_a_query_by_reference_is_about_what_its_own_link_was_asked_for() -> None:
    """Another provider is asked while the outcome at the first one is being queried."""
    attribution = Attribution("pk3fa")
    query = Evidence(headers={}, texts=(P,), makes_attempt=False)
    assert attribution.attribute("first", query).attempt == 1  # nobody was asked before
    for key, link in (("k1", "first"), ("k2", "second")):
        attribution.attribute(link, Evidence(headers={}, texts=(P,), key=key))
    found = {link: attribution.attribute(link, query) for link in ("first", "second", "third")}
    assert {link: each.attempt for link, each in found.items()} == {
        "first": 1,
        "second": 2,
        "third": 2,
    }
    assert found["first"].reference == f"{P}-1"


def test_the_engine_finds_it_in_a_header_too() -> None:
    request = f"POST /pay HTTP/1.1\r\nX-Shop-Order: {P}\r\n\r\n{{}}".encode()
    assert evidence_of(request, IDS)[1:3] == (P, "other text")
