"""The calls of a chain as the review reads them: caller, callees, and place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.links_behind import behind
from paychain.model.policy import Call
from paychain.model.roles import ROLES


@dataclass(frozen=True)
class DeclaredCall:
    """A call that a link declares under `calls`."""

    link: str
    operation: str
    call: Call

    @property
    def subject(self) -> str:
        """`gateway.authorise`."""
        return f"{self.link}.{self.operation}"

    @property
    def path(self) -> KeyPath:
        """Its key path in the chain's file."""
        return ("links", self.link, "calls", self.operation)

    def at(self, *keys: str | int) -> KeyPath:
        """The key path of one of its settings."""
        return (*self.path, *keys)


def declared_calls(chain: Chain) -> Iterator[DeclaredCall]:
    """Every call under `calls` that is ever made, in declared order; `forwards_to` has no settings.

    A node passes on what it is asked for: where it is only read, it makes no transfers.
    """
    asked: set[tuple[str, str]] = set()
    callers: dict[str, list[Link]] = {}
    for name, link in chain.links.items():
        for operation, call in chain.calls_of(name).items():
            asked |= {(target, operation) for target in call.targets}
            for target in call.targets:
                callers.setdefault(target, []).append(link)
    for name, link in chain.links.items():
        only_if_asked = _is_asked_by_mocks(chain, name, callers.get(name, []))
        for operation, call in link.calls.items():
            if not only_if_asked or (name, operation) in asked:
                yield DeclaredCall(name, operation, call)


def with_call(chain: Chain, link: str, operation: str, call: Call) -> Chain:
    """The chain with another call of a link in the place of its own."""
    declared = chain.links[link]
    changed = declared.model_copy(update={"calls": {**declared.calls, operation: call}})
    return chain.model_copy(update={"links": {**chain.links, link: changed}})


def _is_asked_by_mocks(chain: Chain, node: str, callers: list[Link]) -> bool:
    """Whether a link is a node that is called only as the file declares."""
    link = chain.links[node]
    is_mock = all(caller.service is None for caller in callers) and node not in chain.entries
    return link.role == "node" and not link.dialect.is_vendors and bool(callers) and is_mock


def paying_links(chain: Chain) -> list[str]:
    """The links that read the customer's request: the first behind those that only forward."""
    found: list[str] = []
    waiting = [*chain.entries]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if not reads_payments(chain, name):
            waiting += [to for call in chain.calls_of(name).values() for to in call.targets]
        else:
            found.append(name)
    return found


def reads_payments(chain: Chain, link: str) -> bool:
    """Whether a link knows a payment when it comes again: one that only forwards does not.

    Unless it reverses what it forwards, for which it has to read it.
    """
    facts = ROLES[chain.links[link].role]
    return not facts.only_forwards or any(
        call.reverses(operation) for operation, call in chain.links[link].calls.items()
    )


def delivering_path(chain: Chain, gateway: Link) -> list[str]:
    """The links that what a gateway sells passes until it is final; none where it sells nothing."""
    call = gateway.calls.get("transfer")
    found = list(call.targets) if call is not None else []
    for name in found:
        for operation in ("transfer", "read"):
            call = chain.calls_of(name).get(operation)
            if call is not None:
                found += [target for target in call.targets if target not in found]
    return found


def authorising_path(chain: Chain, link: str) -> list[str]:
    """The links that may hold money for an authorisation of `link`, itself first."""
    return [link, *behind(chain.links, link, "authorise")]
