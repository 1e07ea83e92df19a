"""The client spans of an export request (`ExportTraceServiceRequest`), in JSON or protobuf.

A client span is one call as its caller saw it. Other kinds say nothing of a hop and are passed
over. Source: opentelemetry.io/docs/specs/otlp, and the field numbers of trace.proto.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paychain.environment.otlp.protobuf import Malformed, fields

CLIENT = 3
_CLIENT_NAMES = (CLIENT, str(CLIENT), "SPAN_KIND_CLIENT")
Value = str | int


@dataclass(frozen=True)
class ClientSpan:
    """A call. Times are nanoseconds since 1970; ids hex digits; `error`: all words about one."""

    trace_id: str
    span_id: str
    started_ns: int
    ended_ns: int
    attributes: dict[str, Value]
    error: str

    def attribute(self, *names: str) -> Value:
        """The first attribute that is there: names differ between versions. "" for none."""
        return next((self.attributes[name] for name in names if name in self.attributes), "")


def from_json(body: bytes) -> list[ClientSpan]:
    """The client spans of a request in JSON. Raises Malformed."""
    try:
        request = json.loads(body)
        return [
            _of_json(span)
            for resource in request.get("resourceSpans", [])
            for scope in resource.get("scopeSpans", [])
            for span in scope.get("spans", [])
            if span.get("kind") in _CLIENT_NAMES
        ]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise Malformed(f"this is no ExportTraceServiceRequest: {error}") from error


def _of_json(span: dict[str, Any]) -> ClientSpan:
    attributes = _json_attributes(span)
    words = [attributes.get("error.type", ""), span.get("status", {}).get("message", "")]
    for event in span.get("events", []):
        words += _json_attributes(event).values()
    return ClientSpan(
        span["traceId"].lower(),
        span["spanId"].lower(),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        attributes,
        _joined(words),
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
    """The client spans of a request in protobuf. Raises Malformed."""
    try:
        return [
            _of_protobuf(span)
            for resource in _parts(body, 1)
            for scope in _parts(resource, 2)
            for span in _parts(scope, 2)
            if any(number == 6 and value == CLIENT for number, value in fields(span))
        ]
    except (TypeError, UnicodeDecodeError) as error:
        raise Malformed(f"this is no ExportTraceServiceRequest: {error}") from error


def _of_protobuf(span: bytes) -> ClientSpan:
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
    return ClientSpan(ids[1], ids[2], times[7], times[8], attributes, _joined(words))


def _parts(message: bytes, wanted: int) -> Iterator[bytes]:
    """The messages and texts in one field."""
    for number, value in fields(message):
        if number == wanted:
            if not isinstance(value, bytes):
                raise Malformed(f"field {number} is a number")
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
