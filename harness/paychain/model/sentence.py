"""What pydantic found wrong in a file, as a sentence and a hint."""

from __future__ import annotations

import re
from typing import Any

from paychain.declaration.quantity import brief
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.model.keys import no_key, properties
from paychain.payments.errors import meant

_MAX_KEYS = 8  # keys named in one hint
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
# How values are written whose form is not that of a name, by their keys.
_WRITTEN = {
    "app": "the module and the name in it, such as shop.app:app",
    "asset": "capital letters, such as USDC",
    "code": "one to four digits or letters, such as 05",
    "codes": "one to four digits or letters, such as 05",
    "currency": "three capital letters, such as EUR",
    "header": "a name and a value without commas, such as x-test: lost",
    "time_scale": "1, or such as 1/10",
}
_COMPRESSION = re.compile("(?!1$)[1-9][0-9]{0,6}")
_UNIT = re.compile("(?<=[0-9])\\s*[a-zA-Z/%]+$")  # behind a written quantity
_NAME = "small letters, digits and hyphens, at most 63"
MAX_NAME = 63
_MIN_CARD = 12  # digits of a card number (ISO/IEC 7812-1: of 8 to 19; none in use is shorter)
_NAME_STEP = "[key]"  # of pydantic's location: the key of a mapping is wrong, not what it has
_OPERATION = "operation"
_USUAL_OPERATIONS = (
    "authorise pays, screen asks a fraud check, authenticate a 3-D Secure server, tokenise a vault"
)
# What is named by its kind where a value would be shown: Python writes it, not YAML.
_NAMELESS = {type(None): "nothing", list: "a list", dict: "a mapping"}
# What is wrong with nothing at all (`deadline: ~`) is not its form.
_OF_VALUES = {
    "value_error",
    "literal_error",
    "bool_type",
    "int_type",
    "float_type",
    "string_type",
    "list_type",
}


def sentence(detail: dict[str, Any], model: type[Declared], path: KeyPath) -> tuple[str, str, bool]:
    """What is wrong, a hint, and whether the key is wrong rather than its value.

    `detail` is one entry of pydantic's `ValidationError.errors()`, `path` its place in the file.
    """
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    given, context = detail["input"], detail.get("ctx", {})
    shown = _NAMELESS.get(type(given), f"'{brief(given)}'")
    is_name = detail["loc"][-1:] == (_NAME_STEP,)
    if is_name:
        key = "name"
    if given is None and detail["type"] in _OF_VALUES:
        hint = str(context["error"]).partition("; ")[2] if "error" in context else ""
        return f"'{key}' has no value", hint or "write one, or remove the key", False
    match detail["type"]:
        case "extra_forbidden":
            return *no_key(str(detail["loc"][-1]), path[:-1], model), True
        case "missing":
            absent = str(detail["loc"][-1])
            return f"'{absent}' is missing", f"add {absent}:", True
        case "value_error":
            what, _, hint = str(context["error"]).partition("; ")
            return what, hint, False
        case "literal_error":
            thing, hint = _thing(detail, key), meant(str(given), _words(detail))
            if thing == _OPERATION and hint.startswith("there are"):
                hint = f"{_USUAL_OPERATIONS}; {hint}"
            return f"unknown {thing} {shown}", hint, is_name
        case "string_pattern_mismatch":
            if key == "card":
                return *_card(str(given), shown), False
            # A name in a mapping has the form that its mapping asks for.
            home = str(path[-2]) if is_name and len(path) > 1 else key
            return f"{key}: {shown} has the wrong form", _well_formed(home, str(given)), is_name
        case "bool_parsing" | "bool_type":
            return f"{shown} is neither true nor false", f"write {key}: true", False
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{shown} is not a whole number", "write one such as 3", False
        case "finite_number":
            return f"{shown} is not a number", "write one such as 3", False
        case "int_parsing_size":
            return f"{shown} is too large", "write one such as 3", False
        case "float_parsing" | "float_type":
            return f"{shown} is not a number", "write one such as 1.5", False
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound, words = _BOUNDS[detail["type"]]
            limit = _with_unit(float(context[bound]), given)
            return f"{key}: {shown} is out of range", f"write {words} {limit}", False
        case "string_too_short":
            return f"'{key}' is empty", f'write {key}: "…"', False
        case "string_type":
            return f"'{key}' must be text", f'write {key}: "…"', False
        case "list_type":
            return f"'{key}' must be a list", f"write {key}: […] or lines that begin with -", False
        case "dict_type" | "model_type" | "model_attributes_type":
            is_item = bool(path) and isinstance(path[-1], int)
            what = f"an item of '{key}'" if is_item else f"'{key}'"
            return f"{what} must be a mapping, not {shown}", _its_keys(detail, model), False
        case "too_short" | "too_long":
            is_short = detail["type"] == "too_short"
            wanted = context["min_length" if is_short else "max_length"]
            words = "at least" if is_short else "at most"
            actual = context["actual_length"]
            if actual is None:  # pydantic stops to count at the limit
                actual = len(given) if isinstance(given, list | dict) else f"over {wanted}"
            what = f"'{key}' has {actual} item{'' if actual == 1 else 's'}"
            return what, f"give it {words} {wanted}", False
        case _:
            return f"{key}: {detail['msg']}", "", False


def _well_formed(key: str, given: str) -> str:
    """How to write a value whose form is wrong; a name as it could be."""
    if key == "time_scale" and _COMPRESSION.fullmatch(given):
        return f"write 1/{given}: the run takes that part of the outage's time"
    if key in _WRITTEN:
        return f"write {_WRITTEN[key]}"
    name = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:MAX_NAME].strip("-")
    return f"write {_NAME}: {name or 'cloud-a'}"


def _with_unit(bound: float, given: Any) -> str:
    """A bound of a quantity in the unit that its value has: a bare number would be a mistake."""
    unit = _UNIT.search(str(given))
    match unit[0] if unit else "":
        case "":
            return _plain(bound)
        case "%":
            return f"{_plain(bound * 100)}%"
        case rate if rate.endswith(("/s", "/min", "/h")):
            return f"{_plain(bound)}{'B' if 'B' in rate else ''}/s"
        case size if size.endswith("B"):
            return f"{_plain(bound)}B"
    return f"{_plain(bound)}s"


def _plain(number: float) -> str:
    """A number as a file may have it: 1000000, where :g writes 1e+06."""
    return f"{number:.15g}"


def _card(given: str, shown: str) -> tuple[str, str]:
    """A card that is not written as `400005-5556`; a whole number is not repeated in a message."""
    digits = re.sub(r"\D", "", given)
    form = "write its first six and last four digits"
    if len(digits) < _MIN_CARD:
        return f"card: {shown} has the wrong form", f"{form}, such as 400005-5556"
    return "card: a file holds no whole card number", f"{form}: {digits[:6]}-{digits[-4:]}"


def _its_keys(detail: dict[str, Any], model: type[Declared]) -> str:
    """The keys that a mapping may have, where its kind is known."""
    home = detail.get("ctx", {}).get("class_name", "")
    owned = next((list(keys) for name, keys in properties(model) if name == home != ""), [])
    more = ", …" if len(owned) > _MAX_KEYS else ""
    listed = f"its keys are: {', '.join(owned[:_MAX_KEYS])}{more}"
    return listed if owned else "write key: value lines"


def _thing(detail: dict[str, Any], key: str) -> str:
    return _OPERATION if _NAME_STEP in detail["loc"] else key or "value"


def _words(detail: dict[str, Any]) -> list[str]:
    return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
