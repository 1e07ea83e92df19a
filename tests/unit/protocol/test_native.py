"""The dialect `paychain`: what each response proves, and how errors and events look."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult, Outcome, Proof
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.native import MAX_RETRY_AFTER_S, decode_answer, encode
from paychain.protocol.message import Answer, Error, ErrorKind, Event, PaymentRequest
from paychain.wire.http import HttpRequest, HttpResponse
from tests.support.laws import examples

NATIVE = DIALECTS["paychain"]
REQUEST = PaymentRequest("p1", 100, "EUR", TEST_CARDS[0], "shop", reference="p1-1", key="k1")
MANY = "9" * 20  # digits that no date has
APPROVAL = Answer(Outcome.APPROVED, "00", "issuer", "p1-1", 100)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429])
def test_a_refusal_proves_that_nothing_was_done(status: int) -> None:
    reply = NATIVE.classify(HttpResponse(status, b'{"error":"no"}'))
    assert (reply.result, reply.code) == (HopResult.REJECTED, str(status))
    assert reply.proves is Proof.NOT_EXECUTED
    assert not reply.result.leaves_unknown


@pytest.mark.parametrize("status", [402, 408, 500, 502, 503, 504])
def test_any_other_error_status_proves_nothing(status: int) -> None:
    reply = NATIVE.classify(HttpResponse(status, b'{"error":"no"}'))
    assert (reply.result, reply.code) == (HopResult.HTTP_ERROR, str(status))
    assert reply.proves is Proof.UNKNOWN


@pytest.mark.parametrize(
    ("code", "result"), [("51", HopResult.DECLINED), ("91", HopResult.TECHNICAL)]
)
def test_a_402_with_a_decline_in_its_body_is_a_decline(code: str, result: HopResult) -> None:
    reply = NATIVE.classify(HttpResponse(402, encode(Answer(Outcome.DECLINED, code, "issuer"))))
    assert (reply.result, reply.code, reply.proves) == (result, code, Proof.EXECUTED)


def test_a_402_with_an_approval_contradicts_itself_and_proves_nothing() -> None:
    reply = NATIVE.classify(HttpResponse(402, encode(APPROVAL)))
    assert (reply.result, reply.answer) == (HopResult.HTTP_ERROR, None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0", 0.0), ("", 0.0), ("-1", 0.0), ("Fri, 28 Nov 2026 08:00:00 GMT", 0.0)],
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float) -> None:
    reply = NATIVE.classify(HttpResponse(429, b"", {"retry-after": header}))
    assert reply.retry_after_s == seconds
    assert NATIVE.classify(HttpResponse(429)).retry_after_s == 0.0


@pytest.mark.parametrize(
    ("until", "now", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:39 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 2.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:39 GMT", 0.0),
        ("Mon, 06 Nov 2094 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", MAX_RETRY_AFTER_S),
        ("Sun, 06 Nov 1994 08:49:39 GMT", "", 0.0),
        ("Sun, 06 Nov 1994 08:49:39 GMT", "today", 0.0),
        ("tomorrow", "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (f"Sun, 06 Nov 1994 08:49:{MANY} GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (f"Sun, 06 Nov {MANY} 08:49:39 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (f"Sun, 06 Nov 1994 08:49:39 +{MANY}", "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:39 GMT", f"Sun, 06 Nov 1994 08:49:{MANY} GMT", 0.0),
    ],
)
def test_a_date_to_retry_after_is_read_by_the_callees_clock(
    until: str, now: str, seconds: float
) -> None:
    headers = {"retry-after": until, "date": now} if now else {"retry-after": until}
    assert NATIVE.classify(HttpResponse(429, b"", headers)).retry_after_s == seconds


@pytest.mark.parametrize(
    ("header", "seconds"), [("99", 99.0), ("3600", 3_600.0), ("9" * 30, MAX_RETRY_AFTER_S)]
)
def test_a_long_retry_after_is_read_as_long(header: str, seconds: float) -> None:
    # How long is too long for a payment, its caller decides.
    reply = NATIVE.classify(HttpResponse(429, b"", {"retry-after": header}))
    assert reply.retry_after_s == seconds


_part = st.sampled_from(
    [
        "Sun,",
        "06",
        "Nov",
        "1994",
        "08:49:37",
        "GMT",
        "+0000",
        "-",
        ".",
        ":",
        "(",
        '"',
        "\\",
        "²",
        MANY,
    ]
)
_header = st.one_of(st.text(), st.lists(_part | st.integers().map(str)).map(" ".join))


@given(until=_header, date=_header)
@example(until=f"Sun, 06 Nov 1994 08:49:{MANY} GMT", date="Sun, 06 Nov 1994 08:49:37 GMT")
@examples(400)
def test_any_headers_are_read_as_some_time_to_wait(until: str, date: str) -> None:
    headers = {"retry-after": until, "date": date}
    reply = NATIVE.classify(HttpResponse(503, b"", headers))
    assert 0.0 <= reply.retry_after_s <= MAX_RETRY_AFTER_S


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_bytes_and_no_kind_is_read_as_an_answer(kind: ErrorKind) -> None:
    reply = NATIVE.classify(NATIVE.error(Error(kind, "why")))
    expected = {HopResult.REJECTED, HopResult.HTTP_ERROR}
    if kind is ErrorKind.GARBLED:
        expected = {HopResult.MALFORMED}
    assert reply.result in expected
    assert reply.answer is None


def test_an_error_keeps_its_declared_status_and_its_headers() -> None:
    error = Error(ErrorKind.INJECTED, "injected", 418, retry_after_s=3.0, replayed_as="replayed")
    response = NATIVE.error(error)
    assert (response.status, response.body) == (418, b'{"error":"injected"}')
    assert response.headers == {
        "content-type": "application/json",
        "retry-after": "3",
        "replayed": "true",
    }


def test_what_is_asked_is_read_as_it_was() -> None:
    http = NATIVE.ask("authorise", REQUEST)
    assert NATIVE.read(http) == ("authorise", REQUEST)
    response = NATIVE.write(REQUEST, APPROVAL)
    assert decode_answer(response.body) == APPROVAL
    assert NATIVE.classify(response).answer == APPROVAL


@pytest.mark.parametrize(
    ("http", "status"),
    [
        (HttpRequest("GET", "/authorise"), 404),
        (HttpRequest("POST", "/authorise", {}, b"{"), 400),
        (HttpRequest("POST", "/notify", {}, b'{"payment": 1}'), 400),
    ],
)
def test_what_cannot_be_read_is_answered_with_an_error(http: HttpRequest, status: int) -> None:
    read = NATIVE.read(http)
    assert isinstance(read, HttpResponse)
    assert read.status == status


def test_an_event_is_signed_read_and_proved() -> None:
    event = NATIVE.sign(Event.of(REQUEST, "authorised", 5), "secret")
    read = NATIVE.read(NATIVE.ask("notify", event))
    assert read == ("notify", event)
    assert NATIVE.is_signed(event, "secret")
    assert not NATIVE.is_signed(event, "another")
    assert (event.key, event.at_ns) == ("p1-1-payment-authorised", 5)


def test_the_authorisation_of_an_event_is_the_request_it_is_about() -> None:
    event = Event.of(REQUEST, "captured", 5)
    assert event.authorisation() == PaymentRequest(
        "p1", 100, "EUR", TEST_CARDS[0], "shop", reference="p1-1", key="p1-1"
    )
