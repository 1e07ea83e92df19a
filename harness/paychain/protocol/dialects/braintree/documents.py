"""Braintree's documents: XML with typed elements, or JSON in requests of the Node SDK.

Requests are read without entities, without a document type and within bounds. Answers are XML, as
both SDKs ask for. Names have underscores here, and hyphens in XML.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import inf
from typing import Any
from xml.parsers import expat

import msgspec

from paychain.payments.whole_number import whole_number
from paychain.protocol.json_text import decoded

MAX_BYTES = 262_144  # of a request: a transaction has a few thousand
MAX_DEPTH = 12  # of elements; the deepest that the SDKs send are seven
MAX_ELEMENTS = 5_000
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(ValueError):
    """Neither a document of Braintree's nor JSON."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A text that is typed as one of a few names."""

    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Elements of one name below another: an array, or a page of a collection."""

    name: str
    values: list[Any]
    page_size: int = 0  # of a collection; 0: an array


@dataclass(slots=True)
class _Element:
    """An element that is being read."""

    name: str
    type: str
    is_nil: bool
    children: list[tuple[str, Any]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def read(body: bytes, content_type: str, *, is_own: bool = False) -> dict[str, Any]:
    """A document by the names of its elements; empty for an empty body. Raises Unreadable.

    `is_own`: an answer of this mock, such as a search result, which has no size limit.
    """
    if not body.strip():
        return {}
    if len(body) > MAX_BYTES and not is_own:
        raise Unreadable("too long")
    if "json" in content_type:
        try:
            value = decoded(body)
        except msgspec.MsgspecError:
            raise Unreadable("not JSON") from None
        if not isinstance(value, dict):
            raise Unreadable("not an object")
        return value
    return _Reader(is_own=is_own).read(body)


class _Reader:
    """Turns elements into values as they end."""

    def __init__(self, *, is_own: bool) -> None:
        self._most = MAX_ELEMENTS if not is_own else inf
        self._open = [_Element("", "", is_nil=False)]
        self._count = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = lambda text: self._open[-1].text.append(text)
        # Without a document type only XML's five predefined entities exist.
        self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self, body: bytes) -> dict[str, Any]:
        """The document. Raises Unreadable."""
        try:
            self._parser.Parse(body, True)
        except (expat.ExpatError, ValueError) as error:
            raise Unreadable(str(error)) from None
        return dict(self._open[0].children)

    def _refuse(self, *_: Any) -> None:
        raise Unreadable("a document type is not allowed")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > MAX_DEPTH or self._count > self._most:
            raise Unreadable("too large")
        is_nil = attributes.get("nil") == "true"
        self._open.append(_Element(name.replace("-", "_"), attributes.get("type", ""), is_nil))

    def _end(self, _name: str) -> None:
        ended = self._open.pop()
        self._open[-1].children.append((ended.name, _value(ended)))


def _value(element: _Element) -> Any:
    if element.type == "array":
        return [value for _, value in element.children]
    if element.children:
        values: dict[str, Any] = {}
        for name, value in element.children:
            if name in values:
                before = values[name]
                values[name] = [*(before if isinstance(before, list) else [before]), value]
            else:
                values[name] = value
        return values
    text = "".join(element.text)
    match element.type:
        case "boolean":
            return text in ("true", "1")
        case "integer":
            written = text.strip()
            number = whole_number(written.removeprefix("-"))
            if number is None:
                return text
            return -number if written.startswith("-") else number
    return None if element.is_nil else text


def write(name: str, value: Any) -> bytes:
    """A document whose outermost element is `name`."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return (head + element(name, value) + "\n").encode()


def element(name: str, value: Any) -> str:
    """One element with its content."""
    tag = name.replace("_", "-")
    kind, content = _content(value)
    return f"<{tag}{kind}>{content}</{tag}>" if content else f"<{tag}{kind}/>"


def _content(value: Any) -> tuple[str, str]:
    """The type attribute of a value, and the value as XML."""
    match value:
        case None:
            return ' nil="true"', ""
        case bool():
            return ' type="boolean"', str(value).lower()
        case int():
            return ' type="integer"', str(value)
        case datetime():
            return ' type="datetime"', value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return ' type="date"', value.isoformat()
        case Symbol():
            return ' type="symbol"', html.escape(value.text)
        case Rows():
            return _rows(value)
        case dict():
            return "", "".join(element(name, each) for name, each in value.items())
    # Text from a request may contain characters that XML does not allow.
    return "", html.escape(_NOT_XML.sub("", str(value)))


def _rows(rows: Rows) -> tuple[str, str]:
    written = "".join(element(rows.name, value) for value in rows.values)
    if not rows.page_size:
        return ' type="array"', written
    about = {
        "current_page_number": 1,
        "page_size": rows.page_size,
        "total_items": len(rows.values),
    }
    return ' type="collection"', _content(about)[1] + written


def moment(seconds: int) -> datetime:
    """A time, given in seconds since 1970, as documents have it."""
    return datetime.fromtimestamp(seconds, UTC)
