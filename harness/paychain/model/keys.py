"""Which keys a file may have at a place, and what an unknown key probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.faults.kinds import KINDS
from paychain.faults.target import Target

MODELS_KEPT = 8  # a chain, an experiment, an assurance
PLACES_KEPT = 1_024  # a file has some hundred places for keys; names of links differ
MAX_LISTED = 10  # keys that a hint lists in full
Schema = dict[str, Any]
_NO_FAULTS = ("fault", "kind", "type")  # what people write in front of the name of a fault
# What people write who know other tools, where that key exists.
_OTHER_WORDS = {
    "duration": "for",
    "lasts": "for",
    "length": "for",
    "start": "at",
    "begin": "at",
    "every": "flapping",
    "outage": "down",
    "maintenance": "down",
    "partition": "blackhole",
    "circuit_breaker": "breaker",
    "retries": "retry",
    "routing": "prefer",
    "rollout": "prefer",
    "canary": "prefer",
    "url": "to",
    "target": "link",
    "cmd": "command",
    # Toxiproxy's names, and those of other fault injectors.
    "latency": "delay",
    "timeout": "after",
    "bytes": "after",
    "average_size": "size",
    "toxicity": "share",
    "probability": "share",
    "percentage": "share",
    "code": "status",
    "status_code": "status",
    # Of tolerances, in other tools' words.
    "success_rate": "technical_success",
    "availability": "technical_success",
}


def no_key(key: str, inside: KeyPath, model: type[Declared]) -> tuple[str, str]:
    """What is wrong with a key that may not stand there, and a hint. `inside`: where it stands."""
    # One item of a list has the keys of any other.
    allowed = _allowed(model, tuple(0 if isinstance(step, int) else step for step in inside))
    what = f"unknown key '{key}'"
    # `median: 12,50` within braces: YAML reads the digits behind the comma as a key.
    if key.isdecimal():
        return f"'{key}' is read as a key: a comma separates keys here", "write a decimal point"
    is_fault = set(KINDS) <= set(allowed)
    if is_fault:
        what = f"unknown fault '{key}'"
    if is_fault and key in _NO_FAULTS:
        return what, "write the fault itself as the key, such as down: {}"
    if is_fault and "target" in allowed and key in Target.model_fields:
        return f"'{key}' is not allowed here", f"write target: {{{key}: …}}"
    other = _OTHER_WORDS.get(key)
    beside = _beside(key, other, inside, model)
    if beside and other not in allowed:
        return beside
    close = get_close_matches(key, allowed, n=1, cutoff=0.6) or _with_word(key, allowed)
    if other in allowed or close:
        intended = other if other in allowed else close[0]
        if intended not in KINDS:
            what = f"unknown key '{key}'"
        return what, f"did you mean '{intended}'?"
    if is_fault:
        return what, f"the faults are: {', '.join(sorted(KINDS))}"
    homes = tuple(name for name, owned in properties(model) if key in owned)
    if homes and len(allowed) > MAX_LISTED:
        return f"'{key}' is not allowed here", f"move it {_under(homes, model)}"
    if not allowed:
        return what, "remove it"
    more = ", …" if len(allowed) > MAX_LISTED else ""
    return what, f"the keys here are: {', '.join(allowed[:MAX_LISTED])}{more}"


def _with_word(key: str, allowed: Sequence[str]) -> list[str]:
    """The only key that has this one as one of its words: `latency_p95` for `p95`."""
    found = [name for name in allowed if key in name.split("_")]
    return found if len(found) == 1 else []


def _beside(
    key: str, other: str | None, inside: KeyPath, model: type[Declared]
) -> tuple[str, str] | None:
    """Of a key that belongs one level further out, as `every` in a fault's own settings."""
    if not inside or isinstance(inside[-1], int):
        return None
    outside = _allowed(model, tuple(0 if isinstance(step, int) else step for step in inside[:-1]))
    # A fault has one kind only: another one beside it would be a mistake as well.
    outside = tuple(word for word in outside if word != key or key not in KINDS)
    intended = next((word for word in (key, other) if word in outside), None)
    if intended is None or inside[-1] not in outside or intended == inside[-1]:
        return None
    place = f"beside '{inside[-1]}'"
    if intended == key:
        return f"'{key}' is not allowed here", f"move it {place}"
    return f"unknown key '{key}'", f"did you mean '{intended}', {place}?"


@lru_cache(maxsize=MODELS_KEPT)
def properties(model: type[Declared]) -> tuple[tuple[str, Schema], ...]:
    """Every part of a file by the name of its model ("" for the whole), with its keys."""
    schema = _schema(model)
    parts = [("", schema), *schema["$defs"].items()]
    return tuple((name, part.get("properties", {})) for name, part in parts)


@lru_cache(maxsize=MODELS_KEPT)
def _schema(model: type[Declared]) -> Schema:
    """The JSON Schema of a model: some 40 ms to make, and a file may have thousands of mistakes."""
    return model.model_json_schema()


@lru_cache(maxsize=PLACES_KEPT)
def _allowed(model: type[Declared], path: KeyPath) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_keys_at(_schema(model), path)))


def _keys_at(schema: Schema, path: KeyPath) -> Iterator[str]:
    """The keys that a file may have under a key path."""
    parts = [schema]
    for step in path:
        parts = [inner for part in _choices(parts, schema) for inner in _inside(part, step)]
    for part in _choices(parts, schema):
        yield from part.get("properties", {})


def _inside(part: Schema, step: str | int) -> Iterator[Schema]:
    """The schemas of what one part has under a key or an index."""
    if isinstance(step, int):
        yield part.get("items", {})
    elif step in part.get("properties", {}):
        yield part["properties"][step]
    elif isinstance(part.get("additionalProperties"), dict):
        yield part["additionalProperties"]
    yield from part.get("patternProperties", {}).values()


def _choices(parts: list[Schema], schema: Schema) -> list[Schema]:
    """The parts with references followed and every branch of a choice on its own."""
    found: list[Schema] = []
    waiting = list(parts)
    while waiting:
        part = waiting.pop(0)
        if "$ref" in part:
            waiting.append(schema["$defs"][part["$ref"].rsplit("/", 1)[-1]])
        for choice in ("anyOf", "oneOf", "allOf"):
            waiting += part.get(choice, [])
        found.append(part)
    return found


@lru_cache(maxsize=PLACES_KEPT)
def _under(homes: tuple[str, ...], model: type[Declared]) -> str:
    """`under calls or query`: the keys whose values may have the misplaced key."""
    parents: dict[str, None] = {}
    for home in homes:
        if not home:
            return "to the top of the file"
        for _, owned in properties(model):
            parents.update(
                dict.fromkeys(key for key, schema in owned.items() if f"/{home}'" in str(schema))
            )
    return f"under {' or '.join(list(parents)[:3])}" if parents else "elsewhere"
