"""What the engine records of HTTP exchanges on observed hops, exact to the millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.attribution import PaymentIds
from paychain.payments.exchanges import HttpExchange
from paychain.protocol.envelope import traceparent
from paychain.simulation.simulate import simulate
from paychain.toxics.api import Api
from paychain.toxics.observer import MAX_KEPT, Observer, ProxyFaults
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer
from tests.support.laws import examples

PREFIX = "pk3fa"
PAYMENT = "pk3fa0000042"
Play = Callable[["Observed"], Awaitable[None]]


class Observed:
    """A proxy `shop.authorise.psp` before a PSP that answers `/slow` after 5 s."""

    def __init__(self, api: Api, port: int) -> None:
        self.port = port
        self._api = api

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = HttpRequest(method, path, {}, json.dumps(body).encode() if body else b"")
        response = await self._api.handle(sent)
        assert response.status < 300, response.body
        return json.loads(response.body) if response.body else None

    async def add(self, kind: str, stream: str = "downstream", **attributes: int) -> None:
        given = {"name": f"f1_{stream}", "type": kind, "stream": stream, "attributes": attributes}
        await self.ask("POST", "/proxies/p/toxics", given)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


def request(target: str = "/v1/payments", body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"POST {target} HTTP/1.1", "Host: psp", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def observed(
    play: Play, *, observe: str = PREFIX
) -> tuple[list[HttpExchange], list[dict[str, Any]]]:
    """The exchanges of a play, and the engine's events."""
    exchanges: list[HttpExchange] = []

    async def answer(http: HttpRequest) -> HttpResponse:
        if http.target == "/slow":
            await asyncio.sleep(5)
        status = 402 if http.target == "/refused" else 200
        return HttpResponse(status, b'{"id":"x"}', close=http.target == "/last")

    async def main(_: Any) -> list[dict[str, Any]]:
        server = HttpServer(answer)
        await server.start("127.0.0.1", 9_000)
        api = Api(1, exchanges=exchanges.append)
        given = {"name": "p", "upstream": "127.0.0.1:9000", "listen": "127.0.0.1:0"}
        seen = Observed(api, 0)
        made = await seen.ask("POST", "/proxies", given | {"observe": observe})
        seen.port = int(made["listen"].rpartition(":")[2])
        await play(seen)
        await seen.ask("DELETE", "/proxies/p")
        await server.stop(0.0)
        events: list[dict[str, Any]] = api.events.after(0)["events"]
        return events

    events = simulate(main)
    return exchanges, events


def took_s(exchange: HttpExchange) -> float:
    return (exchange.ended_ns - exchange.started_ns) / 1e9


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(10)


def test_requests_on_one_connection_are_counted_with_their_status_and_their_evidence() -> None:
    async def play(seen: Observed) -> None:
        reader, writer = await seen.connect()
        body = f"amount=1250&metadata[order]={PAYMENT}".encode()
        for target in ("/v1/payments", "/refused"):
            writer.write(request(target, body, Idempotency_Key="k-1"))
            await read_answer(reader)
        writer.close()

    (first, second), _ = observed(play)
    assert (first.hop, first.connection, first.request) == ("p", 1, 1)
    assert (second.connection, second.request, second.target) == (1, 2, "/refused")
    assert (first.status, second.status) == (200, 402)
    assert {first.ended_by, second.ended_by} == {"answer"}
    assert first.port == second.port > 0
    assert first.started_ns <= first.sent_ns < first.ended_ns < second.started_ns


def test_who_leaves_before_the_answer_has_waited_that_long() -> None:
    async def play(seen: Observed) -> None:
        _, writer = await seen.connect()
        writer.write(request("/slow", Traceparent=traceparent(PAYMENT, "1" * 16)))
        await asyncio.sleep(3)
        writer.close()
        await asyncio.sleep(4)  # the link answers, and nobody is there any more

    (left,), _ = observed(play)
    assert (left.ended_by, left.status) == ("client", 0)
    assert 2.99 < took_s(left) < 3.01
    assert (left.payment, left.by) == (PAYMENT, "trace")


def test_a_connection_in_a_blackhole_is_observed_although_no_byte_arrives() -> None:
    async def play(seen: Observed) -> None:
        await seen.add("blackhole")
        _, writer = await seen.connect()
        writer.write(request(body=PAYMENT.encode()))
        await asyncio.sleep(2)
        writer.close()
        await asyncio.sleep(0.1)

    (swallowed,), _ = observed(play)
    assert (swallowed.ended_by, swallowed.port, swallowed.payment) == ("client", 0, PAYMENT)
    assert 1.99 < took_s(swallowed) < 2.01
    assert swallowed.toxics == "f1_downstream"


def test_latency_on_the_answer_is_part_of_the_exchange() -> None:
    async def play(seen: Observed) -> None:
        await seen.add("latency", latency=250)
        reader, writer = await seen.connect()
        writer.write(request())
        await read_answer(reader)
        writer.close()

    (late,), _ = observed(play)
    assert 0.25 < took_s(late) < 0.26
    assert (late.status, late.toxics) == (200, "f1_downstream")


@pytest.mark.parametrize(
    ("kind", "stream", "attributes"),
    [("reset_peer", "upstream", {}), ("limit_data", "downstream", {"bytes": 30})],
)
def test_what_a_fault_cuts_has_no_answer(
    kind: str, stream: str, attributes: dict[str, int]
) -> None:
    async def play(seen: Observed) -> None:
        await seen.add(kind, stream, **attributes)
        reader, writer = await seen.connect()
        writer.write(request(body=PAYMENT.encode()))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    (cut,), _ = observed(play)
    assert (cut.ended_by, cut.status, cut.payment) == ("engine", 0, PAYMENT)


def test_a_link_that_closes_its_connection_has_answered_before() -> None:
    async def play(seen: Observed) -> None:
        reader, writer = await seen.connect()
        writer.write(request("/last"))
        assert b"connection: close" in await reader.read()
        writer.close()

    (last,), _ = observed(play)
    assert (last.ended_by, last.status) == ("answer", 200)


def test_a_connection_that_nobody_listens_behind_is_cut() -> None:
    async def play(seen: Observed) -> None:
        await seen.ask("POST", "/proxies/p", {"upstream": "127.0.0.1:9"})
        reader, writer = await seen.connect()
        writer.write(request(body=PAYMENT.encode()))
        await reader.read()
        writer.close()

    exchanges, events = observed(play)
    assert [event["kind"] for event in events if event["connection"]] == ["dial_failed"]
    # The client's bytes may come after its connection has ended: then there is no request.
    assert all(cut.ended_by in ("engine", "client") for cut in exchanges)


@pytest.mark.parametrize(
    ("first_bytes", "reason"),
    [(b"\x16\x03\x01\x02\x00\x01\x00\x01", "TLS"), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "")],
)
def test_what_is_no_http_passes_unread_and_is_counted(first_bytes: bytes, reason: str) -> None:
    async def play(seen: Observed) -> None:
        _, writer = await seen.connect()
        writer.write(first_bytes)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)

    exchanges, events = observed(play)
    given_up = [event for event in events if event["kind"] == "unreadable"]
    assert len(given_up) == 1
    assert reason in given_up[0]["detail"]
    assert exchanges == []


def test_a_proxy_that_is_not_to_be_observed_records_nothing() -> None:
    async def play(seen: Observed) -> None:
        reader, writer = await seen.connect()
        writer.write(request(body=PAYMENT.encode()))
        await read_answer(reader)
        writer.close()

    assert observed(play, observe="")[0] == []


# -- the observer alone ---------------------------------------------------------------------------
def reading() -> tuple[Observer, list[HttpExchange], list[str]]:
    exchanges: list[HttpExchange] = []
    reasons: list[str] = []
    observer = Observer(
        "p",
        1,
        PaymentIds(PREFIX),
        record=exchanges.append,
        now_ns=lambda: 7,
        switched=ProxyFaults(),
        gave_up=reasons.append,
    )
    return observer, exchanges, reasons


ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@examples(60)
@given(st.lists(st.integers(1, 40), max_size=12), st.lists(st.integers(1, 40), max_size=12))
def test_however_the_bytes_are_cut_the_exchanges_are_the_same(
    up: list[int], down: list[int]
) -> None:
    def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
        found, at = [], 0
        for size in sizes:
            found.append(data[at : at + size])
            at += size
        return [piece for piece in (*found, data[at:]) if piece]

    observer, exchanges, reasons = reading()
    offer = {"Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AA", "Upgrade": "h2c"}
    for asked, answered in (
        (request("/o", b"ref=" + PAYMENT.encode(), **offer), ANSWER),
        (request("/o", b"", **offer), ANSWER),
        (request("/a", b"ref=" + PAYMENT.encode()), CONTINUE + CHUNKED),
        (request("/b", Cko_Idempotency_Key="kb"), ANSWER),
    ):
        for piece in pieces(asked, up):
            observer.requested(piece, 7)
        for piece in pieces(answered, down):
            observer.answered(piece)
    assert reasons == []
    assert [(each.method, each.target, each.status) for each in exchanges] == [
        ("POST", "/o", 201),
        ("POST", "/o", 201),
        ("POST", "/a", 200),
        ("POST", "/b", 201),
    ]
    for piece in pieces(request("/c", b"ref=" + PAYMENT.encode(), Cko_Idempotency_Key="kc"), up):
        observer.requested(piece, 7)
    observer.client_left()
    left = exchanges[-1]
    assert (left.target, left.payment, left.by, left.key) == ("/c", PAYMENT, "reference", "kc")


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    observer, exchanges, _ = reading()
    observer.requested(request(), 7)
    observer.answered(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
    observer.server_closed()
    assert [(each.ended_by, each.status) for each in exchanges] == [("answer", 200)]


def test_half_an_answer_is_none() -> None:
    observer, exchanges, _ = reading()
    observer.requested(request(), 7)
    observer.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nhello")
    observer.server_closed()
    assert [(each.ended_by, each.status) for each in exchanges] == [("server", 0)]


def test_a_second_copy_of_an_answer_belongs_to_no_request() -> None:
    observer, exchanges, reasons = reading()
    observer.requested(request(), 7)
    observer.answered(ANSWER * 2)
    assert len(exchanges) == 1
    assert reasons == []


def test_an_answer_that_is_no_http_is_garbage_for_its_request() -> None:
    observer, exchanges, reasons = reading()
    observer.requested(request(body=PAYMENT.encode()), 7)
    observer.answered(b"\x00\x01 not http\r\n\r\n")
    assert [(each.ended_by, each.payment) for each in exchanges] == [("garbage", PAYMENT)]
    assert len(reasons) == 1


def test_a_protocol_that_both_agree_on_is_not_read_and_nothing_is_wrong_with_it() -> None:
    observer, exchanges, reasons = reading()
    observer.requested(request(Connection="Upgrade", Upgrade="h2c"), 7)
    observer.answered(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0"
    )
    observer.server_closed()
    assert exchanges == []
    assert reasons == ["another protocol was agreed on"]


def test_a_long_body_is_kept_in_part_and_a_card_number_never() -> None:
    observer, exchanges, _ = reading()
    card = b'{"number":"4242424242424242","amount":1250,"x":"' + b"y" * 1_000_000 + b'"}'
    observer.requested(request(body=card), 7)
    assert len(observer._open[0].request) == MAX_KEPT
    observer.client_left()
    assert "424242x4242 1250" in exchanges[0].hints
    assert "4242424242424242" not in exchanges[0].hints


def test_a_key_in_the_body_is_a_key_and_no_reference() -> None:
    observer, exchanges, _ = reading()
    observer.requested(request(body=b'{"idempotency_key":"order-%s"}' % PAYMENT.encode()), 7)
    observer.client_left()
    (seen,) = exchanges
    assert (seen.key, seen.payment, seen.by) == (f"order-{PAYMENT}", PAYMENT, "key")


def test_requests_that_are_sent_ahead_are_no_longer_read() -> None:
    observer, exchanges, reasons = reading()
    observer.requested(request() * 2, 7)
    observer.answered(ANSWER * 2)
    assert reasons == ["requests are sent ahead of their answers"]
    assert exchanges == []


def answered_once() -> tuple[Observer, list[HttpExchange], list[str]]:
    """An observer of a connection on which one request has been answered."""
    observer, exchanges, reasons = reading()
    observer.requested(request("/first"), 7)
    observer.answered(ANSWER)
    return observer, exchanges, reasons


def test_a_later_request_in_one_piece_shows_whose_it_is_when_it_is_not_answered() -> None:
    observer, exchanges, _ = answered_once()
    observer.requested(request("/again", b"ref=" + PAYMENT.encode()), 8)
    observer.client_left()
    left = exchanges[1]
    assert (left.request, left.target, left.ended_by) == (2, "/again", "client")
    assert (left.payment, left.by, left.started_ns, left.sent_ns) == (PAYMENT, "reference", 8, 8)


def test_a_request_that_is_answered_before_all_of_it_has_come() -> None:
    observer, exchanges, reasons = answered_once()
    whole = request("/early", b"ref=" + b"x" * 100)
    observer.requested(whole[:-50], 8)
    observer.answered(ANSWER)
    observer.requested(whole[-50:], 9)
    observer.requested(request("/next"), 10)
    observer.answered(ANSWER)
    assert reasons == []
    assert [each.target for each in exchanges] == ["/first", "/early", "/next"]
    assert [each.request for each in exchanges] == [1, 2, 3]
    assert {each.status for each in exchanges} == {201}


def test_a_later_request_whose_body_comes_in_another_piece() -> None:
    observer, exchanges, reasons = answered_once()
    whole = request("/slow", b"ref=" + PAYMENT.encode())
    observer.requested(whole[:-20], 8)
    observer.requested(whole[-20:], 9)
    observer.client_left()
    assert reasons == []
    left = exchanges[1]
    assert (left.target, left.payment, left.started_ns, left.sent_ns) == ("/slow", PAYMENT, 8, 9)


@pytest.mark.parametrize("target", ["/first", "/other"])
def test_later_requests_that_are_sent_ahead_are_no_longer_read(target: str) -> None:
    observer, exchanges, reasons = answered_once()
    observer.requested(request(target) * 2, 8)
    observer.answered(ANSWER)
    observer.answered(ANSWER)
    observer.requested(request(), 9)
    observer.answered(ANSWER)
    assert reasons == ["requests are sent ahead of their answers"]
    assert len(exchanges) <= 2  # the first of the two has its own answer


def test_a_second_copy_of_a_later_answer_belongs_to_no_request() -> None:
    observer, exchanges, reasons = answered_once()
    observer.requested(request("/second"), 8)
    observer.answered(ANSWER * 2)
    observer.requested(request("/third"), 9)
    observer.answered(ANSWER)
    assert reasons == []
    assert [each.target for each in exchanges] == ["/first", "/second", "/third"]


def test_what_is_no_http_behind_a_request_is_no_longer_read() -> None:
    observer, exchanges, reasons = answered_once()
    observer.requested(b"\x16\x03\x01\x02", 8)
    assert reasons == ["TLS"]
    assert len(exchanges) == 1


def test_too_many_requests_without_an_answer_are_no_longer_read() -> None:
    observer, _, reasons = reading()
    for _number in range(100):
        observer.requested(request(), 7)
    assert reasons == ["too many requests without an answer"]
    assert not observer._open


def test_httptools_reports_errors_of_our_own_callbacks_as_its_own() -> None:
    """The observer relies on it: a mistake in it must never end a connection."""

    class Broken:
        def on_message_begin(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(httptools.HttpParserError):
        httptools.HttpRequestParser(Broken()).feed_data(b"GET / HTTP/1.1\r\n\r\n")
