"""Where a value is in a JSON answer: `state`, `$.charge.amount`, `items[0].id`, `['odd.name']`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec

_STEP = re.compile(
    r"\.?(?P<name>[A-Za-z_][\w-]*)|\.?\[(?P<index>\d{1,6})\]|\['(?P<quoted>[^']+)'\]"
)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_SEPARATORS = re.compile(r"[^A-Za-z]")
# Names of a field with the code of a currency, without separators: PayPal, Adyen, Braintree,
# ISO 20022 and Open Banking write them so.
_CURRENCY_NAMES = frozenset({"currency", "currencycode", "currencyiso", "currencyisocode", "ccy"})
Path = tuple[str | int, ...]
_REPEATED = object()  # in place of a value that an object has twice


@cache
def parse_path(text: str) -> Path:
    """The names and indexes of a path; () is the whole answer.

    Raises ValueError with a message `what; hint` for text that is none.
    """
    rest = text.removeprefix("$")
    path: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            hint = "write one such as state, charge.amount or items[0].id"
            raise ValueError(f"'{text}' is not a path to a field of an answer; {hint}")
        index = match["index"]
        path.append(int(index) if index is not None else match["name"] or match["quoted"])
        position = match.end()
    if not path and text != "$":
        raise ValueError("a field name is empty; write one such as state")
    return tuple(path)


def find(value: Any, path: Path) -> Any:
    """The value at a path; None when there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def currency_beside(value: Any, path: Path) -> str:
    """The currency that an answer shows for the amount at a path, "" when it shows none.

    It is the one of the innermost object around the amount that has any, under a usual name:
    `currency`, `currency_code`, `currencyIso`.
    """
    for depth in reversed(range(len(path))):
        around = find(value, path[:depth])
        if not isinstance(around, dict):
            continue
        for name, code in around.items():
            is_code = isinstance(code, str) and _CURRENCY.fullmatch(code)
            if is_code and _SEPARATORS.sub("", name).lower() in _CURRENCY_NAMES:
                return str(code)
    return ""


def first_repeated(body: bytes, fields: Iterable[str]) -> str:
    """The first of some paths of which a JSON text names a step twice in one object; "" for none.

    The text is read once more for all of them, and only where a name stands in it twice.
    """
    paths = {field: path for field in fields if _may_repeat(body, path := parse_path(field))}
    if not paths:
        return ""
    with suppress(ValueError, RecursionError):
        value = json.loads(body, object_pairs_hook=_with_repetitions)
        return next((field for field, path in paths.items() if _is_repeated(value, path)), "")
    return ""


def _may_repeat(body: bytes, path: Path) -> bool:
    names = [step for step in path if isinstance(step, str)]
    return any(body.count(b'"%s"' % name.encode()) > 1 for name in names)


def _is_repeated(value: Any, path: Path) -> bool:
    return any(find(value, path[:length]) is _REPEATED for length in range(1, len(path) + 1))


def _with_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _REPEATED if name in found else value
    return found


def text_of(value: Any) -> str:
    """A text as it is, any other value as JSON writes it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
