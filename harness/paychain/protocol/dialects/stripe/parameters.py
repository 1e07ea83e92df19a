"""Which parameters each route accepts, and how Stripe refuses all others.

The routes and their parameters are in parameters.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from paychain.payments.errors import either
from paychain.payments.packaged import packaged_yaml
from paychain.protocol.dialects.stripe.errors import Invalid, invalid

MAX_INTEGER = 99_999_999  # eight digits: the largest amount (docs.stripe.com/api, amount)
TOO_LARGE = f"Amount must be no more than {MAX_INTEGER}."
SEARCH = "search"  # in a path: cannot be an object's id, as no route has it there
_INTEGER = re.compile("-?[0-9]{1,40}")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0", ""})


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route. `name`: its method and path with placeholders."""

    name: str
    parts: tuple[str, ...]
    uses: frozenset[str]
    ignores: frozenset[str]
    hashes: frozenset[str] = frozenset()  # `shipping.name`: all that is used of a hash

    def ignored_in(self, given: dict[str, Any]) -> Iterator[str]:
        """The parameters of a request that Stripe knows and the mock ignores."""
        heads = {each.partition(".")[0] for each in self.hashes}
        for name, value in given.items():
            if name in self.ignores:
                yield name
            elif name in heads and isinstance(value, dict):
                yield from (
                    f"{name}[{each}]" for each in value if f"{name}.{each}" not in self.hashes
                )

    def matches(self, method: str, parts: list[str]) -> list[str] | None:
        """The values of a path's placeholders, None for another route's path."""
        if not self.name.startswith(f"{method} ") or len(parts) != len(self.parts):
            return None
        found = []
        for mine, theirs in zip(self.parts, parts, strict=True):
            if mine.startswith("{"):
                if theirs == SEARCH:
                    return None
                found.append(theirs)
            elif mine != theirs:
                return None
        return found


@cache
def routes() -> tuple[ApiRoute, ...]:
    """The routes that the mock serves."""
    served = packaged_yaml(__package__, "parameters.yaml")["routes"]
    return tuple(
        ApiRoute(
            name,
            tuple(name.partition(" ")[2].strip("/").split("/")),
            frozenset(each.partition(".")[0] for each in takes.get("uses", "").split()),
            frozenset(takes.get("ignores", "").split()),
            frozenset(each for each in takes.get("uses", "").split() if "." in each),
        )
        for name, takes in ((name, takes or {}) for name, takes in served.items())
    )


@cache
def _hashes() -> dict[str, frozenset[str]]:
    """What Stripe knows in some of the hashes, by the hash's name."""
    known = packaged_yaml(__package__, "parameters.yaml")["hashes"]
    return {name: frozenset(parts.split()) for name, parts in known.items()}


def unknown_in(route: ApiRoute, given: dict[str, Any]) -> Invalid | None:
    """The error for parameters that Stripe does not know, None if it knows all of them."""
    unknown = [name for name in given if name not in route.uses | route.ignores]
    for name, parts in _hashes().items():
        inner = given.get(name)
        if name not in unknown and isinstance(inner, dict):
            unknown += [f"{name}[{part}]" for part in inner if part not in parts]
    if not unknown:
        return None
    words = "parameter" if len(unknown) == 1 else "parameters"
    return invalid(
        f"Received unknown {words}: {', '.join(unknown)}",
        code="parameter_unknown",
        param=unknown[0],
    )


def integer(given: dict[str, Any], name: str, *, least: int = 1) -> int | None:
    """A whole number, None when it is not given. Raises Invalid for anything else."""
    text = given.get(name)
    if text is None or text == "":
        return None
    number = int(text) if isinstance(text, str) and _INTEGER.fullmatch(text) else None
    if number is None:
        raise invalid(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    if number < least:
        raise invalid(
            f"This value must be greater than or equal to {least}.",
            code="parameter_invalid_integer",
            param=name,
        )
    if number > MAX_INTEGER:
        raise invalid(TOO_LARGE, code="amount_too_large", param=name)
    return number


def boolean(given: dict[str, Any], name: str, *, default: bool = False) -> bool:
    """A boolean as Stripe reads it. Raises Invalid for anything else."""
    text = given.get(name)
    if text is None:
        return default
    if isinstance(text, str) and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise invalid(f"Invalid boolean: {text}", param=name)


def text(given: dict[str, Any], name: str) -> str:
    """A text, "" when it is not given. Raises Invalid for a hash or list."""
    value = given.get(name, "")
    if not isinstance(value, str):
        raise invalid("Invalid string: expected a string", param=name)
    return value


def mapping(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A hash, empty when it is not given. Raises Invalid for anything else."""
    value = given.get(name, {})
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", param=name)
    return value


def required(given: dict[str, Any], name: str) -> None:
    """Raises Invalid when a parameter is missing."""
    if given.get(name, "") == "":
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)


def choice(given: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, "" when it is not given. Raises Invalid for anything else."""
    value = text(given, name)
    if value and value not in choices:
        raise invalid(f"Invalid {name}: must be one of {either(choices)}", param=name)
    return value
