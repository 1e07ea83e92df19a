"""Several calls of one operation: a list in the file, and a call with a name of its own each.

    serve: [{to: captcha}, {to: flags}]      →  serve-captcha, serve-flags

The name stands wherever an operation does: in hops, in decisions and in a fault's `call:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from paychain.declaration.text import KeyPath
from paychain.model.policy import Call

# Operations that a link may ask of several others for one payment, one after the other.
SEVERAL = ("serve", "screen")


def operation_of(name: str) -> str:
    """The operation of a call by its name: `serve` of `serve-captcha`."""
    operation = name.partition("-")[0]
    return operation if operation in SEVERAL else name


def named(operation: str, calls: Iterable[str]) -> list[str]:
    """The names of the calls of an operation, in declared order."""
    return [name for name in calls if operation_of(name) == operation]


def by_name(declared: Mapping[str, Call | list[Call]]) -> dict[str, Call]:
    """Every call by its name. Raises ValueError for calls that cannot be told apart."""
    found: dict[str, Call] = {}
    for operation, given in declared.items():
        if isinstance(given, Call):
            found[operation] = given
            continue
        if operation not in SEVERAL:
            hint = f"give one call and fallback:, or use {' or '.join(SEVERAL)}"
            raise ValueError(f"'{operation}' cannot be a list of calls; {hint}")
        if not given:
            raise ValueError(f"'{operation}' is an empty list; add a call or remove it")
        for call in given:
            name = f"{operation}-{call.to}"
            if name in found:
                raise ValueError(f"two {operation} calls go to '{call.to}' first; keep one of them")
            found[name] = call
    return found


def path_in_file(calls: Iterable[str], name: str) -> KeyPath:
    """Where a call stands under `calls`: `("serve", 0)` of the first call in a list."""
    operation = operation_of(name)
    if name == operation:
        return (name,)
    return operation, named(operation, calls).index(name)


def _form(value: Any) -> str:
    return "several" if isinstance(value, list) else "one"


if TYPE_CHECKING:
    OneOrSeveral = Call | list[Call]
else:
    OneOrSeveral = Annotated[
        Annotated[Call, Tag("one")] | Annotated[list[Call], Tag("several")], Discriminator(_form)
    ]
