"""Who asks whom for what: the calls that a role makes, and those that it answers.

A mock makes no other calls, and refuses what its role does not have: no payment would get through.
An own service may do either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.call_checks import named_targets
from paychain.model.named_calls import operation_of
from paychain.model.roles import roles_that

if TYPE_CHECKING:
    from paychain.model.chain import Link


def check_operation(
    links: Mapping[str, Link], caller: Link, name: str, at: KeyPath
) -> Iterator[Problem]:
    """A call by its name: whether its caller makes it, and the links that it names answer it."""
    if caller.service is not None:
        return
    operation = operation_of(name)
    callers, callees = roles_that("asks", operation), roles_that("serves", operation)
    if callers and caller.role not in callers:
        what = f"the role {caller.role} never calls '{operation}'"
        yield Problem(at, what, f"declare it on a link with the role {_either(callers)}")
    for target, place in named_targets(caller.calls[name], at):
        link = links.get(target)
        if link is None or link.service is not None or not callees or link.role in callees:
            continue
        what = f"'{target}' has the role {link.role}, not {_either(callees)}"
        yield Problem(place, what, f"{operation} is for the role {_either(callees)}")


def _either(names: Sequence[str]) -> str:
    """`processor, scheme or issuer`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
