"""The receiver of traces: what OpenTelemetry's exporters send, and what it refuses."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from paychain.environment.otlp.hops import TracedHops, ended_by
from paychain.environment.otlp.protobuf import MalformedProtobuf, fields
from paychain.environment.otlp.receiver import MAX_BYTES, SpanReceiver
from paychain.environment.otlp.spans import from_json, from_protobuf
from paychain.payments.attribution import PaymentIds
from paychain.payments.exchanges import TRACED
from paychain.protocol.envelope import trace_id
from paychain.toxics.endpoint import LINGER_ZERO

PAYMENT = "pk3fa0000042"
HOP = "shop.authorise.processor-a"
PORT = 40_123
STARTED_NS, ENDED_NS = 1_800_000_000_000_000_000, 1_800_000_000_250_000_000
EPOCH_NS = 1_799_999_999_000_000_000


@pytest.fixture
def receiver() -> Iterator[SpanReceiver]:
    """A receiver in a run that knows one hop."""
    made = SpanReceiver()
    ids = PaymentIds("pk3fa")
    hosts = {"api.stripe.com": HOP}
    hops = TracedHops(ids, {PORT: HOP}, hosts, lambda: 0, lambda: EPOCH_NS)
    made.exchange = hops.exchange
    yield made
    made.stop()


def attributes(given: dict[str, str | int]) -> list[dict[str, Any]]:
    return [
        {
            "key": name,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for name, value in given.items()
    ]


def export(kind: int = 3, payment: str = PAYMENT, **span: Any) -> bytes:
    """An export request in JSON with one span, as SDKs write it."""
    url = f"http://127.0.0.1:{PORT}/v1/payments?x=1"
    plain: dict[str, Any] = {
        "traceId": trace_id(payment),
        "spanId": "00f067aa0ba902b7",
        "name": "POST",
        "kind": kind,
        "startTimeUnixNano": str(STARTED_NS),
        "endTimeUnixNano": str(ENDED_NS),
        "attributes": attributes(
            {"http.request.method": "POST", "url.full": url, "server.port": PORT}
        ),
    }
    scopes = [{"scope": {"name": "http"}, "spans": [plain | span]}]
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": scopes}]}).encode()


def post(
    receiver: SpanReceiver, body: bytes, path: str = "/v1/traces", **headers: str
) -> tuple[int, bytes]:
    given = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    connection = http.client.HTTPConnection(receiver.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", path, body, given)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_client_span_is_an_exchange_on_its_hop(receiver: SpanReceiver) -> None:
    answered = export(
        attributes=attributes({"http.response.status_code": 402, "server.port": PORT})
    )
    assert post(receiver, export()) == (200, b"{}")
    assert post(receiver, answered)[0] == 200
    lost, refused = receiver.take()
    assert (lost.hop, lost.payment, lost.by) == (HOP, PAYMENT, "trace")
    assert (lost.method, lost.target) == ("POST", "/v1/payments?x=1")
    assert (lost.connection, lost.status, lost.ended_by) == (TRACED, 0, "server")
    assert (lost.started_ns, lost.ended_ns) == (1_000_000_000, 1_250_000_000)
    assert (refused.status, refused.ended_by) == (402, "answer")
    assert receiver.take() == []
    assert receiver.taken == 2


@pytest.mark.parametrize(
    "body",
    [
        export(kind=2),  # the service's own requests
        export(payment="somebody-else"),
        export(attributes=attributes({"server.port": PORT + 1})),
        export(attributes=[]),
    ],
)
def test_what_is_no_call_of_a_payment_over_a_hop_is_passed_over(
    receiver: SpanReceiver, body: bytes
) -> None:
    assert post(receiver, body)[0] == 200
    assert receiver.take() == []


def test_a_service_behind_a_proxy_names_the_provider(receiver: SpanReceiver) -> None:
    url = "https://api.stripe.com/v1/refunds"
    post(receiver, export(attributes=attributes({"url.full": url})))
    (found,) = receiver.take()
    assert (found.hop, found.target) == (HOP, "/v1/refunds")


def test_names_of_older_versions_are_known(receiver: SpanReceiver) -> None:
    url = f"http://localhost:{PORT}/pay"
    older: dict[str, str | int] = {"http.method": "PUT", "http.url": url, "http.status_code": 201}
    post(receiver, export(attributes=attributes(older)))
    (found,) = receiver.take()
    assert (found.method, found.target, found.status) == ("PUT", "/pay", 201)


@pytest.mark.parametrize(
    ("words", "end"),
    [
        ("ConnectionError Max retries exceeded (Caused by NewConnectionError('…'))", "refused"),
        ("ECONNREFUSED", "refused"),
        ("dial tcp 127.0.0.1:9: connect: connection refused", "refused"),
        ("requests.exceptions.ConnectTimeout", "refused"),
        ("java.net.ConnectException", "refused"),
        ("ReadTimeout Read timed out. (read timeout=2)", "client"),
        ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "client"),
        ("AbortError", "client"),
        ("ECONNRESET", "server"),
        ("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))", "server"),
        ("", "server"),
    ],
)
def test_what_clients_say_of_an_error(words: str, end: str) -> None:
    assert ended_by(words) == end


def test_an_exception_is_read_from_the_span_s_events(receiver: SpanReceiver) -> None:
    event = {
        "name": "exception",
        "attributes": attributes({"exception.message": "[Errno 111] Connection refused"}),
    }
    post(receiver, export(events=[event]))
    assert receiver.take()[0].ended_by == "refused"


def test_requests_may_be_packed(receiver: SpanReceiver) -> None:
    assert post(receiver, gzip.compress(export()), content_encoding="gzip")[0] == 200
    assert len(receiver.take()) == 1


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{}", {"path": "/v1/metrics"}, 404),
        (b"{}", {"path": "/v1/logs"}, 404),
        (b"{}", {"content_type": "application/grpc"}, 415),
        (b"{}", {"content_encoding": "zstd"}, 415),
        (b"no json", {}, 400),
        (b"[]", {}, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": 3}]}]}]}', {}, 400),
        (b"\xff\xff", {"content_type": "application/x-protobuf"}, 400),
        (b"no gzip", {"content_encoding": "gzip"}, 400),
        (gzip.compress(b" " * (MAX_BYTES + 1)), {"content_encoding": "gzip"}, 413),
    ],
)
def test_what_is_not_supported_is_refused(
    receiver: SpanReceiver, body: bytes, more: dict[str, str], status: int
) -> None:
    assert post(receiver, body, **more)[0] == status
    assert post(receiver, export())[0] == 200  # it goes on


# -- protobuf --------------------------------------------------------------------------------------
def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def attribute(key: str, value: str | int) -> bytes:
    return field(1, key) + field(2, field(1 if isinstance(value, str) else 3, value))


def packed(kind: int = 3) -> bytes:
    """An export request in protobuf, with a field that nobody knows."""
    span = (
        field(1, bytes.fromhex(trace_id(PAYMENT)))
        + field(2, bytes(range(8)))
        + field(6, kind)
        + fixed(7, STARTED_NS)
        + fixed(8, ENDED_NS)
        + field(9, attribute("server.port", PORT))
        + field(9, attribute("url.full", f"http://127.0.0.1:{PORT}/v1/x"))
        + field(11, field(2, "exception") + field(3, attribute("exception.type", "ReadTimeout")))
        + field(15, field(2, "it failed") + field(3, 2))
        + field(99, "new")
    )
    return field(1, field(1, b"") + field(2, field(1, b"") + field(2, span)))


def test_protobuf_says_the_same_as_json(receiver: SpanReceiver) -> None:
    body = packed()
    assert post(receiver, body, content_type="application/x-protobuf") == (200, b"")
    (found,) = receiver.take()
    assert (found.hop, found.payment, found.target) == (HOP, PAYMENT, "/v1/x")
    assert (found.started_ns, found.ended_ns) == (1_000_000_000, 1_250_000_000)
    assert found.ended_by == "client"
    (span,) = from_protobuf(body)
    assert span.error == "ReadTimeout it failed"
    assert from_protobuf(packed(kind=2)) == []


@pytest.mark.parametrize("cut", [1, 5, 20, 60, 100])
def test_protobuf_that_is_cut_off_is_malformed(cut: int) -> None:
    with pytest.raises(MalformedProtobuf):
        from_protobuf(packed()[:-cut])


def test_no_wire_type_is_guessed() -> None:
    with pytest.raises(MalformedProtobuf, match="wire type 3"):
        list(fields(varint(1 << 3 | 3)))
    with pytest.raises(MalformedProtobuf, match="cut off"):
        list(fields(b"\x08" + b"\xff" * 12))


def test_json_kinds_may_be_written_as_names() -> None:
    named = export().replace(b'"kind": 3', b'"kind": "SPAN_KIND_CLIENT"')
    assert len(from_json(named)) == 1


def test_the_official_exporter_is_understood(receiver: SpanReceiver) -> None:
    exporter = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    batches = pytest.importorskip("opentelemetry.sdk.trace.export")
    provider = sdk.TracerProvider()
    sender = exporter.OTLPSpanExporter(f"{receiver.url}/v1/traces")
    provider.add_span_processor(batches.BatchSpanProcessor(sender))
    tracer = provider.get_tracer("test")
    parent = trace.NonRecordingSpan(
        trace.SpanContext(int(trace_id(PAYMENT), 16), 1, True, trace.TraceFlags(1))
    )
    context = trace.set_span_in_context(parent)
    given = {
        "http.request.method": "POST",
        "url.full": f"http://127.0.0.1:{PORT}/v1/x",
        "server.port": PORT,
    }
    for status in (200, 0):
        more = {"http.response.status_code": status} if status else {}
        span = tracer.start_span(
            "POST", context, kind=trace.SpanKind.CLIENT, attributes=given | more
        )
        if not status:
            span.record_exception(ConnectionRefusedError(111, "Connection refused"))
        span.end()
    provider.shutdown()
    answered, refused = receiver.take()
    assert (answered.status, answered.hop, answered.payment) == (200, HOP, PAYMENT)
    assert refused.ended_by == "refused"
    now_ns = time.time_ns() - EPOCH_NS
    assert abs(answered.started_ns - now_ns) < 60_000_000_000


def spans_of_a_library() -> list[dict[str, Any]]:
    """A call of a library: a client span, an internal one, the client span of the socket."""
    whole = json.loads(export())["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    names = [("aa" * 8, "11" * 8, 3), ("bb" * 8, "aa" * 8, 1), ("cc" * 8, "bb" * 8, 3)]
    return [
        whole | {"spanId": own, "parentSpanId": parent, "kind": kind}
        for own, parent, kind in reversed(names)  # as they end
    ]


def test_a_span_is_within_what_is_above_the_internal_ones() -> None:
    scopes = [{"spans": spans_of_a_library()}]
    inner, outer = from_json(json.dumps({"resourceSpans": [{"scopeSpans": scopes}]}).encode())
    assert (inner.above, outer.above) == ("aa" * 8, "11" * 8)
    packed_spans = b"".join(
        field(
            2,
            field(2, bytes.fromhex(span["spanId"]))
            + field(4, bytes.fromhex(span["parentSpanId"]))
            + field(6, span["kind"]),
        )
        for span in spans_of_a_library()
    )
    inner, outer = from_protobuf(field(1, field(2, packed_spans)))
    assert (inner.above, outer.above) == ("aa" * 8, "11" * 8)


def test_an_exporter_that_breaks_its_connection_off_writes_nothing_to_the_terminal(
    receiver: SpanReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    port = int(receiver.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 5\r\n\r\n12")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    assert post(receiver, export())[0] == 200  # after the reset
    receiver.stop()
    assert capfd.readouterr().err == ""
