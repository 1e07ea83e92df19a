"""The client spans of an export request (`ExportTraceServiceRequest`), in JSON or protobuf.

A client span is one call as its caller saw it. Other kinds say nothing of a hop: they only show
which client span is within which. Source: opentelemetry.io/docs/specs/otlp, and the field numbers
of trace.proto.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paychain.environment.otlp.protobuf import MalformedProtobuf, fields
from paychain.payments.whole_number import whole_number

INTERNAL, CLIENT = 1, 3
_KINDS = {"SPAN_KIND_INTERNAL": INTERNAL, "SPAN_KIND_CLIENT": CLIENT}
Value = str | int
Parents = dict[str, str]  # of internal spans, by their ids


@dataclass(frozen=True, kw_only=True)
class ClientSpan:
    """A call. Times are nanoseconds since 1970; ids hex digits; `error`: all words about one.

    `above`: the span that it is within, seen past internal ones as far as these came along with it.
    """

    trace_id: str
    span_id: str
    above: str
    started_ns: int
    ended_ns: int
    attributes: dict[str, Value]
    error: str

    def attribute(self, *names: str) -> Value:
        """The first attribute that is there: names differ between versions. "" for none."""
        return next((self.attributes[name] for name in names if name in self.attributes), "")


def from_json(body: bytes) -> list[ClientSpan]:
    """The client spans of a request in JSON. Raises MalformedProtobuf."""
    try:
        request = json.loads(body)
        spans = [
            span
            for resource in request.get("resourceSpans", [])
            for scope in resource.get("scopeSpans", [])
            for span in scope.get("spans", [])
        ]
        parents = {
            span["spanId"].lower(): _json_parent(span)
            for span in spans
            if _json_kind(span) == INTERNAL
        }
        return [_of_json(span, parents) for span in spans if _json_kind(span) == CLIENT]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise MalformedProtobuf(f"not an ExportTraceServiceRequest: {error}") from error


def _json_kind(span: dict[str, Any]) -> int:
    given = span.get("kind", 0)
    number = whole_number(str(given))
    return _KINDS.get(given, 0) if number is None else number


def _json_parent(span: dict[str, Any]) -> str:
    return str(span.get("parentSpanId", "")).lower()


def _of_json(span: dict[str, Any], parents: Parents) -> ClientSpan:
    attributes = _json_attributes(span)
    words = [attributes.get("error.type", ""), span.get("status", {}).get("message", "")]
    for event in span.get("events", []):
        words += _json_attributes(event).values()
    return ClientSpan(
        trace_id=span["traceId"].lower(),
        span_id=span["spanId"].lower(),
        above=_above(_json_parent(span), parents),
        started_ns=int(span["startTimeUnixNano"]),
        ended_ns=int(span["endTimeUnixNano"]),
        attributes=attributes,
        error=_joined(words),
    )


def _json_attributes(given: dict[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for each in given.get("attributes", []):
        value = each.get("value", {})
        if "stringValue" in value:
            found[each["key"]] = str(value["stringValue"])
        elif "intValue" in value:
            found[each["key"]] = int(value["intValue"])
    return found


def from_protobuf(body: bytes) -> list[ClientSpan]:
    """The client spans of a request in protobuf. Raises MalformedProtobuf."""
    try:
        spans = [
            span
            for resource in _parts(body, 1)
            for scope in _parts(resource, 2)
            for span in _parts(scope, 2)
        ]
        ids = [_protobuf_ids(span) for span in spans]
        parents = {of: parent for of, parent, kind in ids if kind == INTERNAL}
        return [
            _of_protobuf(span, _above(parent, parents))
            for span, (_, parent, kind) in zip(spans, ids, strict=True)
            if kind == CLIENT
        ]
    except (TypeError, UnicodeDecodeError) as error:
        raise MalformedProtobuf(f"not an ExportTraceServiceRequest: {error}") from error


def _protobuf_ids(span: bytes) -> tuple[str, str, int]:
    """A span's id, its parent's, and its kind."""
    ids, kind = {2: "", 4: ""}, 0
    for number, value in fields(span):
        if number in ids and isinstance(value, bytes):
            ids[number] = value.hex()
        elif number == 6 and isinstance(value, int):
            kind = value
    return ids[2], ids[4], kind


def _above(parent: str, parents: Parents) -> str:
    """The nearest span above that is not internal, or is not known."""
    seen: set[str] = set()
    while parent in parents and parent not in seen:
        seen.add(parent)
        parent = parents[parent]
    return parent


def _of_protobuf(span: bytes, above: str) -> ClientSpan:
    attributes = _attributes(span, 9)
    words: list[Value] = [attributes.get("error.type", "")]
    ids = {1: "", 2: ""}
    times = {7: 0, 8: 0}
    for number, value in fields(span):
        if number in ids and isinstance(value, bytes):
            ids[number] = value.hex()
        elif number in times and isinstance(value, int):
            times[number] = value
        elif number == 11 and isinstance(value, bytes):
            words += _attributes(value, 3).values()
        elif number == 15 and isinstance(value, bytes):
            words += [message.decode() for message in _parts(value, 2)]
    return ClientSpan(
        trace_id=ids[1],
        span_id=ids[2],
        above=above,
        started_ns=times[7],
        ended_ns=times[8],
        attributes=attributes,
        error=_joined(words),
    )


def _parts(message: bytes, wanted: int) -> Iterator[bytes]:
    """The messages and texts in one field."""
    for number, value in fields(message):
        if number == wanted:
            if not isinstance(value, bytes):
                raise MalformedProtobuf(f"field {number} is a number")
            yield value


def _attributes(message: bytes, wanted: int) -> dict[str, Value]:
    """Attributes that are texts or whole numbers."""
    found: dict[str, Value] = {}
    for pair in _parts(message, wanted):
        key = b"".join(_parts(pair, 1)).decode()
        for value in _parts(pair, 2):
            for number, content in fields(value):
                if number == 1 and isinstance(content, bytes):
                    found[key] = content.decode()
                elif number == 3 and isinstance(content, int):
                    found[key] = content
    return found


def _joined(words: list[Any]) -> str:
    return " ".join(str(word) for word in words if word)
