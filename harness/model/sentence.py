"""What pydantic found wrong in a file, as a sentence and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from harness.model.schema import Declared
from harness.payments.errors import meant

_MOST_KEYS = 8  # of one thing that are named
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_WRITTEN = {"currency": "three capital letters, such as EUR", "time_scale": "1, or such as 1/10"}
_NAME = "letters, digits and hyphens, such as cloud-a"


def sentence(detail: dict[str, Any], model: type[Declared]) -> tuple[str, str, bool]:
    """What is wrong, how to mend it, and whether the key is wrong rather than its value."""
    key = next((str(one) for one in reversed(detail["loc"]) if isinstance(one, str)), "")
    given, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return *_no_key(str(detail["loc"][-1]), model), True
        case "missing":
            return f"'{key}' is missing", f"add {key}:", True
        case "value_error":
            what, _, mend = str(context["error"]).partition("; ")
            return what, mend, False
        case "literal_error":
            return f"unknown {_thing(detail)} '{given}'", meant(str(given), _words(detail)), False
        case "string_pattern_mismatch":
            return f"'{given}' is not written as it should be", _WRITTEN.get(key, _NAME), False
        case "bool_parsing" | "bool_type":
            return f"'{given}' is neither true nor false", f"write {key}: true", False
        case "int_parsing" | "int_type" | "int_from_float":
            return f"'{given}' is not a whole number", "write one such as 3", False
        case "float_parsing" | "float_type":
            return f"'{given}' is not a number", "write one such as 1.5", False
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound, words = _BOUNDS[detail["type"]]
            return f"{key}: '{given}' is out of range", f"{words} {context[bound]:g}", False
        case "string_type" if isinstance(given, int):
            return f"{key}: {given} is a number here", f'put it in quotes: "{given}"', False
        case "string_type":
            return f"'{key}' must be text", f'write {key}: "…"', False
        case "list_type":
            return f"'{key}' must be a list", f"write {key}: […], or lines that begin with -", False
        case "dict_type" | "model_type" | "model_attributes_type":
            value = "nothing" if given is None else f"'{given}'"
            return f"'{key}' has keys of its own, not {value}", _its_keys(detail, model), False
        case "too_short" | "too_long":
            least = detail["type"] == "too_short"
            wanted = context["min_length" if least else "max_length"]
            words = "at least" if least else "at most"
            return f"'{key}' has {context['actual_length']}", f"give it {words} {wanted}", False
        case _:
            return f"{key}: {detail['msg']}", "", False


def _no_key(key: str, model: type[Declared]) -> tuple[str, str]:
    """A key that nothing has there: misspelt, or at home elsewhere."""
    homes = [name for name, owned in _properties(model) if key in owned]
    if homes:
        return f"'{key}' does not belong here", f"it goes {_under(homes, model)}"
    known = {one for _, owned in _properties(model) for one in owned}
    close = get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    return f"unknown key '{key}'", f"did you mean '{close[0]}'?" if close else "remove it"


def _under(homes: list[str], model: type[Declared]) -> str:
    """`under calls or query`: the keys whose values may have it."""
    parents: dict[str, None] = {}
    for home in homes:
        if not home:
            return "to the top of the file"
        for _, owned in _properties(model):
            parents.update(
                dict.fromkeys(key for key, said in owned.items() if f"/{home}'" in str(said))
            )
    return f"under {' or '.join(list(parents)[:3])}" if parents else "elsewhere"


def _its_keys(detail: dict[str, Any], model: type[Declared]) -> str:
    """The keys that a thing may have, where its kind is known."""
    home = detail.get("ctx", {}).get("class_name", "")
    owned = next((list(keys) for name, keys in _properties(model) if name == home), [])
    more = ", …" if len(owned) > _MOST_KEYS else ""
    listed = f"one or more of: {', '.join(owned[:_MOST_KEYS])}{more}"
    return listed if owned else "write it as key: value"


def _properties(model: type[Declared]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a file by the name of its kind ("" for the whole), with its keys."""
    schema = model.model_json_schema()
    for name, part in [("", schema), *schema["$defs"].items()]:
        yield name, part.get("properties", {})


def _thing(detail: dict[str, Any]) -> str:
    names = [step for step in detail["loc"] if isinstance(step, str) and step != "[key]"]
    return "operation" if "[key]" in detail["loc"] else (names[-1] if names else "value")


def _words(detail: dict[str, Any]) -> list[str]:
    return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
