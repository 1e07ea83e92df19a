"""What is written into `pays:`: statuses, paths of URLs and of fields, headers, JSON.

Every reader raises ValueError with a message `what; hint`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator, Field, WithJsonSchema

from paychain.declaration.schema import several
from paychain.protocol.pays.json_path import parse_path
from paychain.protocol.pays.placeholders import mistakes_in, placeholders_in
from paychain.protocol.pays.requests import OWN_HEADERS, address_in

_RANGE = re.compile(r"([1-5][0-9][0-9])\s*-\s*([1-5][0-9][0-9])")
_CLASS = re.compile(r"([1-5])xx")
_STATUS = re.compile(r"[1-5][0-9][0-9]")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ADAPTER = re.compile(r"[^:\s]+\.py:[A-Za-z_]\w*")
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_NULLS = ("null", "~")
Range = tuple[int, int]


def _statuses(value: Any) -> Any:
    return tuple(_status(each) for each in several(value))


def _status(value: Any) -> Range:
    """200, `200-299` or `2xx` as a range."""
    text = str(value).strip()
    if _STATUS.fullmatch(text):
        return int(text), int(text)
    if (match := _CLASS.fullmatch(text)) is not None:
        return int(match[1]) * 100, int(match[1]) * 100 + 99
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{value}' is not a status; write 200, 200-299 or [200, 201]")
    if int(match[1]) > int(match[2]):
        raise ValueError(f"'{value}' is empty; write {match[2]}-{match[1]}")
    return int(match[1]), int(match[2])


def _field(value: Any) -> Any:
    parse_path(str(value))
    return str(value)


def _path(value: Any) -> Any:
    """Path and query of a request."""
    text = str(value)
    if text.startswith(("http://", "https://")):
        raise ValueError(f"'{text}' has a host; write the path alone, such as /orders")
    if not text.startswith("/") and address_in(text) is None:
        raise ValueError(f"'{text}' does not begin with a slash; write /{text}")
    if any(not "!" <= character <= "~" for character in text):
        what = "a space or another character that no URL may have"
        raise ValueError(f"'{text}' has {what}; percent-encode it")
    return text


def _look_path(value: Any) -> Any:
    text = _path(value)
    _refuse_mistakes(text, has_answer=True)
    return text


def _refuse_mistakes(text: str, *, has_answer: bool) -> None:
    for mistake in mistakes_in(text, has_answer=has_answer):
        raise ValueError(mistake)


def _headers(value: Any) -> Any:
    for name in value if isinstance(value, dict) else ():
        if _HEADER.fullmatch(name) is None:
            raise ValueError(f"'{name}' is not a header name; write one such as x-shop")
        if name.lower() in OWN_HEADERS | _FRAMING:
            raise ValueError(f"paychain writes the header '{name}' itself; remove it")
        if any(not " " <= character <= "~" for character in str(value[name])):
            raise ValueError(f"the header '{name}' has a letter outside ASCII; percent-encode it")
    return value


def _look_headers(value: Any) -> Any:
    for text in _headers(value).values() if isinstance(value, dict) else ():
        _refuse_mistakes(str(text), has_answer=True)
    return value


def allowed_values(value: Any) -> Any:
    """The values that a field may have, as text: JSON's true is `true`, null is ``."""
    if not isinstance(value, dict):
        return value
    found: dict[str, list[str]] = {}
    for path, wanted in value.items():
        parse_path(str(path))
        for each in several(wanted):
            if isinstance(each, dict | list):
                raise ValueError(f"'{path}' needs a value, not a mapping; write {path}: paid")
            _refuse_mistakes(str(each), has_answer=False)
        found[path] = [_text(each) for each in several(wanted)]
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # A services process reads the same file as texts only, where null is the word.
    return "" if value is None or value in _NULLS else str(value)


def json_value(value: Any) -> Any:
    """A JSON value, or a text of JSON: YAML as we read it has no decimal numbers."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    if value.startswith("{") and next(placeholders_in(value), None) and value.count("{") == 1:
        return value  # one placeholder, which is the whole value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(
            f"the text is not JSON: {error}; write it as a YAML mapping, or use body:"
        ) from None


Statuses = Annotated[
    tuple[Range, ...],
    BeforeValidator(_statuses),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": "^([1-5][0-9]{2}( *- *[1-5][0-9]{2})?|[1-5]xx)$"},
                {"type": "array", "minItems": 1},
            ],
            "examples": ["200-299"],
        }
    ),
]
FieldPath = Annotated[
    str, BeforeValidator(_field), WithJsonSchema({"type": "string", "examples": ["charge.id"]})
]
UrlPath = Annotated[
    str, BeforeValidator(_path), WithJsonSchema({"type": "string", "examples": ["/orders"]})
]
LookPath = Annotated[
    str,
    BeforeValidator(_look_path),
    WithJsonSchema({"type": "string", "examples": ["/orders/{payment}"]}),
]
Headers = Annotated[dict[str, str], BeforeValidator(_headers), Field(max_length=100)]
LookHeaders = Annotated[dict[str, str], BeforeValidator(_look_headers), Field(max_length=100)]
