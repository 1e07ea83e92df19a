"""A second target for a call that has none: which changes of the file give it one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from paychain.declaration.text import KeyPath
from paychain.declaration.yaml_text import parse
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.loading import Loaded
from paychain.model.review.keys import failover_on_unknown
from paychain.model.review.remedy import Edit
from paychain.model.roles import ROLES

_OF_A_PROVIDER = ("provider", "providers")  # what a second link must not share with the first


def second_target(chain: Loaded[Chain], link: str, operation: str) -> list[Edit]:
    """The changes after which the call of a link has a link to fall back to; none if none can be.

    It is another link of its target's role, or a second one like its target, at no provider. A card
    has one bank, and an own service is its own: of these no second one is declared.
    """
    declared = parse(chain.text).value
    if link not in declared.get("links", {}):  # a node: its calls are not in the file
        return []
    at = ("links", link, "calls", operation, "fallback")
    steps = _steps(declared, chain.model.path_in_file(at))
    for name, made in (
        *_others(chain.model, link, operation),
        *_twin(declared, chain.model, link, operation),
    ):
        # Behind what the link does by itself, such as to decline, no other link would be asked.
        first = Edit(at, [{"to": name}, *steps]) if steps else Edit(at, {"to": name}, "add")
        changes = [*made, first]
        changed = _with(declared, chain.model, changes)
        if changed is None:
            continue
        where = f"{link}.{operation}"
        found = [each.remedy for each in failover_on_unknown(changed) if each.subject == where]
        # A payment must not go on elsewhere while its first target may hold money.
        if all(remedy.action == "set" for remedy in found):
            return [*changes, *found]
    return []


Second = tuple[str, list[Edit]]
"""A link to fall back to, and what declares it, where the file does not."""


def _others(chain: Chain, link: str, operation: str) -> Iterator[Second]:
    call = chain.links[link].calls[operation]
    role = chain.links[call.to].role
    for name, other in chain.links.items():
        if other.role == role and name not in (link, *call.targets):
            yield name, []


def _twin(declared: Any, chain: Chain, link: str, operation: str) -> Iterator[Second]:
    to = chain.links[link].calls[operation].to
    target, written = chain.links[to], declared["links"].get(to)
    if written is None or target.service is not None or ROLES[target.role].settles is not None:
        return
    twin = {key: value for key, value in written.items() if key not in _OF_A_PROVIDER}
    name = next(name for number in range(2, 100) if (name := f"{to}-{number}") not in chain.links)
    yield name, [Edit(("links", name), twin)]


def _steps(declared: Any, path: KeyPath) -> Sequence[Any]:
    """The fallback of a call as the file has it."""
    for step in path[:-1]:
        declared = declared[step]
    steps: Sequence[Any] = declared.get(path[-1]) or ()
    return steps


def _with(declared: Any, chain: Chain, changes: Sequence[Edit]) -> Chain | None:
    """The chain with these changes in its file; None when that has a mistake."""
    declared = deepcopy(declared)
    for change in changes:
        _apply(declared, chain.path_in_file(change.path), change)
    try:
        changed = Chain.model_validate(declared)
    except ValidationError:
        return None
    return None if check_chain(changed) else changed


def _apply(declared: Any, path: KeyPath, change: Edit) -> None:
    *parents, last = path
    inside = declared
    for step in parents:
        inside = inside[step]
    if change.action == "add":
        inside[last] = [*inside.get(last, ()), change.value]
    else:
        inside[last] = change.value
