"""Requests in GraphQL: what they ask for, with their variables filled in.

    query ($id: ID!) { node(id: $id) { id ... on Transaction { status } } }

Only what a server needs that knows its answers: no schema, no directives, no subscriptions.
Source: https://spec.graphql.org/October2021, §2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from paychain.payments.whole_number import whole_number

MAX_BYTES = 100_000
MAX_DEPTH = 50
MAX_SELECTIONS = 10_000
MAX_DIGITS = 400  # of a number: more than any double has
_TOKEN = re.compile(
    r'[\s,\ufeff]+|\#[^\n\r]*|(?P<block>"""(?:\\"""|[^"]|"(?!""))*""")|(?P<text>"(?:\\.|[^"\\\n])*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[_A-Za-z]\w*)"
    r"|(?P<mark>\.\.\.|[!$()\[\]{}:=@|&])"
)
_ESCAPED = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_KINDS = ("query", "mutation")


class Unreadable(Exception):
    """A request that is no GraphQL, or uses what is not served here."""


@dataclass(slots=True)
class Selection:
    """A field, or with `on` what is asked of objects of one type ("" for any)."""

    name: str = ""
    alias: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    selections: list[Selection] = field(default_factory=list)
    on: str | None = None
    fragment: str = ""  # whose selections these are

    @property
    def key(self) -> str:
        """Its name in the answer."""
        return self.alias or self.name


@dataclass(slots=True)
class Operation:
    """One operation of a request. `kind`: query or mutation. `defaults`: of its variables."""

    kind: str
    name: str
    selections: list[Selection]
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str


def operation_of(text: str, variables: Mapping[str, Any], name: str = "") -> Operation:
    """The operation that a request executes: the only one, or the named one. Raises Unreadable."""
    if len(text) > MAX_BYTES:
        raise Unreadable("too long")
    operations, fragments = _Parser(text).document()
    found = [each for each in operations if not name or each.name == name]
    if len(found) != 1:
        raise Unreadable("Must provide an operation name that the request has.")
    _Filling({**found[0].defaults, **variables}, fragments).fill(found[0].selections, ())
    return found[0]


class _Filling:
    """Puts variables and fragments in their places, up to a size: fragments may have fragments."""

    def __init__(self, variables: Mapping[str, Any], fragments: Mapping[str, Selection]) -> None:
        self._variables, self._fragments = variables, fragments
        self._filled = 0

    def fill(self, selections: list[Selection], within: tuple[str, ...]) -> None:
        """Fill in some selections. `within`: the fragments that they are in. Raises Unreadable."""
        # Fragments nest, too: each one is flat, and together they may be as deep as any stack.
        if len(within) > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        self._filled += len(selections)
        if self._filled > MAX_SELECTIONS:
            raise Unreadable("asks for too much")
        for each in selections:
            self._fill(each, within)

    def _fill(self, each: Selection, within: tuple[str, ...]) -> None:
        each.arguments = {
            name: _valued(value, self._variables) for name, value in each.arguments.items()
        }
        if each.fragment:
            of = self._fragments.get(each.fragment)
            if of is None or each.fragment in within:
                raise Unreadable(f"Unknown fragment {each.fragment}")
            each.on, each.selections = of.on, of.selections
        self.fill(each.selections, (*within, each.fragment))


def _valued(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, _Variable):
        return variables.get(value.name)
    if isinstance(value, list):
        return [_valued(each, variables) for each in value]
    if isinstance(value, dict):
        return {name: _valued(each, variables) for name, each in value.items()}
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise Unreadable(f"Syntax error at character {at}")
            at = found.end()
            if found.lastgroup:
                self._tokens.append((found.lastgroup, found[0]))
        self._at, self._depth = 0, 0

    def document(self) -> tuple[list[Operation], dict[str, Selection]]:
        """Operations, and fragments by name."""
        operations: list[Operation] = []
        fragments: dict[str, Selection] = {}
        while self._at < len(self._tokens):
            if self._is("{"):
                operations.append(Operation("query", "", self._selections()))
                continue
            word = self._word()
            if word == "fragment":
                name = self._word()
                self._expect("on")
                fragments[name] = Selection(on=self._word(), selections=self._selections())
                continue
            if word not in _KINDS:
                raise Unreadable(f"Syntax error: unexpected {word}")
            name = "" if self._is("(") or self._is("{") else self._word()
            defaults = self._variables() if self._is("(") else {}
            operations.append(Operation(word, name, self._selections(), defaults))
        return operations, fragments

    def _variables(self) -> dict[str, Any]:
        """The declared variables that have a default; their types are not checked."""
        found: dict[str, Any] = {}
        self._expect("(")
        while not self._is(")"):
            self._expect("$")
            name = self._word()
            self._expect(":")
            while self._peek()[1] not in ("$", "=", ")"):
                self._next()
            if self._is("="):
                self._next()
                found[name] = self._value()
        self._next()
        return found

    def _selections(self) -> list[Selection]:
        found: list[Selection] = []
        with self._nested():
            self._expect("{")
            while not self._is("}"):
                found.append(self._selection())
            self._next()
        return found

    @contextmanager
    def _nested(self) -> Iterator[None]:
        """What is read inside is in brackets of its own. Raises Unreadable for too many of them."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        yield
        self._depth -= 1

    def _selection(self) -> Selection:
        if self._is("..."):
            self._next()
            if self._is("{"):
                return Selection(on="", selections=self._selections())
            word = self._word()
            if word == "on":
                return Selection(on=self._word(), selections=self._selections())
            return Selection(on="", fragment=word)
        made = Selection(name=self._word())
        if self._is(":"):
            self._next()
            made.alias, made.name = made.name, self._word()
        if self._is("("):
            made.arguments = self._fields("(", ")")
        if self._is("@"):
            raise Unreadable("Directives are not served.")
        if self._is("{"):
            made.selections = self._selections()
        return made

    def _fields(self, begin: str, end: str) -> dict[str, Any]:
        self._expect(begin)
        found: dict[str, Any] = {}
        while not self._is(end):
            name = self._word()
            self._expect(":")
            found[name] = self._value()
        self._next()
        return found

    def _value(self) -> Any:
        kind, what = self._peek()
        if what == "{":
            with self._nested():
                return self._fields("{", "}")
        self._next()
        if what == "[":
            with self._nested():
                return self._items()
        if what == "$":
            return _Variable(self._word())
        if kind == "number":
            return _number(what)
        if kind == "text":
            return _text(what[1:-1])
        if kind == "block":
            return what[3:-3].replace('\\"""', '"""').strip()
        if kind == "word":
            return _WORDS.get(what, what)  # else a value of an enumeration
        raise Unreadable(f"Syntax error: unexpected {what}")

    def _items(self) -> list[Any]:
        found = []
        while not self._is("]"):
            found.append(self._value())
        self._next()
        return found

    def _word(self) -> str:
        kind, token = self._next()
        if kind != "word":
            raise Unreadable(f"Syntax error: unexpected {token}")
        return token

    def _expect(self, token: str) -> None:
        if self._next()[1] != token:
            raise Unreadable(f"Syntax error: expected {token}")

    def _is(self, token: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1] == token

    def _peek(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise Unreadable("Syntax error: unexpected end")
        return self._tokens[self._at]

    def _next(self) -> tuple[str, str]:
        found = self._peek()
        self._at += 1
        return found


def _number(written: str) -> int | float:
    if len(written) > MAX_DIGITS:
        raise Unreadable("a number with too many digits")
    whole = whole_number(written.removeprefix("-"))
    if whole is None:
        return float(written)
    return -whole if written.startswith("-") else whole


def _text(written: str) -> str:
    """A text without its escapes: two of them may be the halves of one character."""
    text = _ESCAPED.sub(_unescaped, written)
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Unreadable("Syntax error: half a character in a string") from None


def _unescaped(found: re.Match[str]) -> str:
    what = found[1]
    return chr(int(what[1:], 16)) if what[0] == "u" else _ESCAPES.get(what, what)
