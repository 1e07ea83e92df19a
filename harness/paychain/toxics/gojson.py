"""JSON as Go's encoding/json reads and writes it: same tolerance, same error texts.

Toxiproxy decodes request bodies with it, and its clients see those texts, so the embedded engine
gives the same ones (docs/toxiproxy.md §1): keys in any case, unknown keys ignored, whatever follows
the first value ignored, null changes nothing, and a mismatch names Go's struct, field and type. See
https://pkg.go.dev/encoding/json#Unmarshal.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import Any, NoReturn

MAX_NESTED = 10_000  # as encoding/json: deeper bodies are errors
REPEATED_BYTES = 512  # bodies and texts up to this size repeat, and their results are kept
MAX_BODIES_KEPT, MAX_STRINGS_KEPT = 256, 1_024
INT64 = (-(2**63), 2**63 - 1)

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = rb'[^"\\\x00-\x1f]*'
_STRING = re.compile(rb'"%s(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})%s)*"' % (_PLAIN, _PLAIN))
_STRING_PREFIX = re.compile(_STRING.pattern[:-1])
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS: dict[bytes, tuple[bytes, bool | None]] = {
    b"t": (b"true", True),
    b"f": (b"false", False),
    b"n": (b"null", None),
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_BEGINNING = "looking for beginning of value"
_KEY = "looking for beginning of object key string"


class MalformedJson(ValueError):
    """A body that is not JSON, or does not have the expected shape; in Go's words."""


@dataclass(frozen=True, slots=True)
class GoNumber:
    """A number as it was written: what it may become depends on the field it goes into."""

    text: str


class Members(list[tuple[str, Any]]):
    """An object's members, in order and with repeated keys."""


def parse(body: bytes) -> Any:
    """The first value of a body, to be read only; what follows it is ignored.

    Raises MalformedJson.
    """
    return _repeated(body) if len(body) <= REPEATED_BYTES else _Parser(body).value()


@lru_cache(maxsize=MAX_BODIES_KEPT)
def _repeated(body: bytes) -> Any:
    """A run switches the same faults on and off, and a search does so thousands of times."""
    return _Parser(body).value()


class _Parser:
    """Reads one value without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def value(self) -> Any:
        if self._space() == b"":
            raise MalformedJson("EOF")
        containers: list[Any] = []  # the open ones, outermost first
        keys: list[str] = []  # the key each open object waits to fill
        while True:
            value, is_complete = self._begin(containers, keys)
            while is_complete:
                if not containers:
                    return value
                holder = containers[-1]
                if isinstance(holder, Members):
                    holder.append((keys.pop(), value))
                    closing, place = b"}", "after object key:value pair"
                else:
                    holder.append(value)
                    closing, place = b"]", "after array element"
                mark = self._space()
                if mark == closing:
                    self._at += 1
                    value = containers.pop()
                elif mark == b",":
                    self._at += 1
                    if closing == b"}":
                        self._space()
                        keys.append(self._key())
                    is_complete = False
                else:
                    self._fail(place)

    def _begin(self, containers: list[Any], keys: list[str]) -> tuple[Any, bool]:
        """A scalar or an empty container, complete; or a container's beginning."""
        mark = self._space()
        if mark in (b"{", b"["):
            if len(containers) >= MAX_NESTED:
                self._fail("exceeded max depth")
            self._at += 1
            container: Any = Members() if mark == b"{" else []
            if self._space() == (b"}" if mark == b"{" else b"]"):
                self._at += 1
                return container, True
            containers.append(container)
            if mark == b"{":
                keys.append(self._key())
            return None, False
        if mark == b'"':
            return self._string(), True
        if mark in _LITERALS:
            return self._literal(mark), True
        if mark != b"-" and not mark.isdigit():
            self._fail(_BEGINNING)
        return self._number(), True

    def _space(self) -> bytes:
        """Skip white space; the byte that follows, empty at the end."""
        found = _SPACE.match(self._body, self._at)
        assert found is not None  # it matches the empty string, too
        self._at = found.end()
        return self._body[self._at : self._at + 1]

    def _key(self) -> str:
        if self._body[self._at : self._at + 1] != b'"':
            self._fail(_KEY)
        key = self._string()
        if self._space() != b":":
            self._fail("after object key")
        self._at += 1
        return key

    def _string(self) -> str:
        found = _STRING.match(self._body, self._at)
        if found is None:
            self._bad_string()
        self._at = found.end()
        text: str = json.loads(found.group().decode("utf-8", "replace"))
        return _LONE_SURROGATE.sub("\ufffd", text)

    def _bad_string(self) -> NoReturn:
        prefix = _STRING_PREFIX.match(self._body, self._at)
        assert prefix is not None  # it was entered at a quote
        self._at = prefix.end()
        if self._body[self._at : self._at + 1] != b"\\":
            self._fail("in string literal")
        self._at += 1
        if self._body[self._at : self._at + 1] != b"u":
            self._fail("in string escape code")
        self._at += 1
        while re.match(rb"[0-9a-fA-F]", self._body[self._at : self._at + 1]):
            self._at += 1
        self._fail("in \\u hexadecimal character escape")

    def _literal(self, mark: bytes) -> bool | None:
        word, value = _LITERALS[mark]
        for expected in word:
            if self._body[self._at : self._at + 1] != bytes((expected,)):
                self._fail(f"in literal {word.decode()} (expecting '{chr(expected)}')")
            self._at += 1
        return value

    def _number(self) -> GoNumber:
        start = self._at
        if self._body[self._at : self._at + 1] == b"-":
            self._at += 1
        if self._body[self._at : self._at + 1] == b"0":
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._body[self._at : self._at + 1] == b".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._body[self._at : self._at + 1] in (b"e", b"E"):
            self._at += 1
            if self._body[self._at : self._at + 1] in (b"+", b"-"):
                self._at += 1
            self._digits("in exponent of numeric literal")
        return GoNumber(self._body[start : self._at].decode())

    def _digits(self, place: str) -> None:
        found = _DIGITS.match(self._body, self._at)
        assert found is not None  # it matches the empty string, too
        if found.end() == self._at:
            self._fail(place)
        self._at = found.end()

    def _fail(self, place: str) -> NoReturn:
        if self._at >= len(self._body):
            raise MalformedJson("unexpected EOF")
        raise MalformedJson(f"invalid character {_quoted(self._body[self._at])} {place}")


_ESCAPES = {
    7: "\\a",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    11: "\\v",
    12: "\\f",
    13: "\\r",
    39: "\\'",
    92: "\\\\",
}


def _quoted(byte: int) -> str:
    """A byte as Go names it in a syntax error: as the rune of that number."""
    rune = chr(byte)
    if byte in _ESCAPES:
        rune = _ESCAPES[byte]
    elif byte < 0x20 or byte == 0x7F:
        rune = f"\\x{byte:02x}"
    elif byte > 0x7F and not (rune.isprintable() and not rune.isspace()):
        rune = f"\\u{byte:04x}"
    return f"'{rune}'"


@dataclass(frozen=True)
class GoStruct:
    """A Go struct to decode into: its type as Go prints it, its bare name, its fields by key."""

    type: str
    name: str
    fields: dict[str, GoStruct | str] = field(default_factory=dict)
    within: str = ""  # path of the embedded struct that the fields belong to
    own: tuple[str, ...] = ()  # fields that do not belong to that embedded struct


def decode(value: Any, shape: GoStruct) -> dict[str, Any]:
    """The fields that are given and not null, by their keys. Raises MalformedJson.

    Go goes on after a mismatch and keeps the other fields; here the first mismatch is the end, so
    that a refused request changes nothing.
    """
    if value is None:
        return {}
    if not isinstance(value, Members):
        raise MalformedJson(
            f"json: cannot unmarshal {_kind(value)} into Go value of type {shape.type}"
        )
    found: dict[str, Any] = {}
    _decode_members(value, shape, "", found)
    return found


def decode_list(value: Any, shape: GoStruct) -> list[dict[str, Any]]:
    """A list of structs; null is the empty list. Raises MalformedJson."""
    if value is None:
        return []
    if not isinstance(value, list) or isinstance(value, Members):
        raise MalformedJson(
            f"json: cannot unmarshal {_kind(value)} into Go value of type []{shape.type}"
        )
    return [decode(entry, shape) for entry in value]


def _decode_members(members: Members, shape: GoStruct, path: str, found: dict[str, Any]) -> None:
    by_folded_key = {key.casefold(): key for key in shape.fields}
    for written, value in members:
        key = written if written in shape.fields else by_folded_key.get(written.casefold())
        if key is None or value is None:
            continue
        kind = shape.fields[key]
        within = "" if key in shape.own else shape.within
        place = f"{path}{within}{key}"
        if isinstance(kind, GoStruct):
            if not isinstance(value, Members):
                _mismatch(_kind(value), shape, place, kind.type)
            _decode_members(value, kind, f"{place}.", found.setdefault(key, {}))
        else:
            found[key] = _scalar(value, kind, shape, place)


def _scalar(value: Any, kind: str, shape: GoStruct, place: str) -> str | bool | int | float:
    if isinstance(value, str) and kind == "string":
        return value
    if isinstance(value, bool) and kind == "bool":
        return value
    if not isinstance(value, GoNumber) or kind in ("string", "bool"):
        _mismatch(_kind(value), shape, place, kind)
    if kind == "float32":
        try:
            number = float(struct.unpack("f", struct.pack("f", float(value.text)))[0])
        except OverflowError:
            number = inf
        if abs(number) == inf:
            _mismatch(f"number {value.text}", shape, place, kind)
        return number
    digits = value.text.lstrip("-")
    if not digits.isdigit() or len(digits) > 19 or not INT64[0] <= int(value.text) <= INT64[1]:
        _mismatch(f"number {value.text}", shape, place, kind)
    return int(value.text)


def _mismatch(what: str, shape: GoStruct, place: str, kind: str) -> NoReturn:
    raise MalformedJson(
        f"json: cannot unmarshal {what} into Go struct field {shape.name}.{place} of type {kind}"
    )


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case GoNumber():
            return "number"
        case str():
            return "string"
        case Members():
            return "object"
        case _:
            return "array"


_HTML = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)

_STRINGS = json.JSONEncoder(ensure_ascii=False)


def encode(value: Any) -> str:
    """A value as Go writes it: no spaces, HTML characters escaped; a float is a float32."""
    match value:
        case str():
            return _string(value) if len(value) <= REPEATED_BYTES else _written(value)
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int():
            return str(value)
        case float():
            return _float32(value)
        case dict():
            members = ",".join(f"{encode(key)}:{encode(member)}" for key, member in value.items())
            return "{" + members + "}"
        case list():
            return "[" + ",".join(map(encode, value)) + "]"
        case _:
            raise AssertionError(f"{value!r} has no JSON")


def _written(text: str) -> str:
    return _STRINGS.encode(text).translate(_HTML)


_string = lru_cache(maxsize=MAX_STRINGS_KEPT)(_written)


def _float32(value: float) -> str:
    """The shortest text that reads back as the same float32."""
    if value == int(value):
        return str(int(value))
    wanted = struct.pack("f", value)
    short = next(
        text
        for text in (f"{value:.{digits}g}" for digits in range(1, 18))
        if struct.pack("f", float(text)) == wanted
    )
    if abs(value) >= 1e-6:
        return format(Decimal(short), "f")
    mantissa, _, exponent = short.partition("e")
    return f"{mantissa}e{int(exponent)}"
