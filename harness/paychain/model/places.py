"""Where a fault acts in a chain: on which hops or in which links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paychain.model.chain import Chain
from paychain.model.hop import Hop

# What runs in a link knows spots, and no declared fault.
if TYPE_CHECKING:
    from paychain.faults.fault import Fault
    from paychain.faults.target import Target


@dataclass(frozen=True, slots=True)
class InLinkPlace:
    """A link that a fault acts in, maybe for one caller or one operation only."""

    link: str
    caller: str | None = None
    operation: str | None = None

    def covers(self, link: str, caller: str, operation: str) -> bool:
        """Whether a request to a link is one that the fault acts on here."""
        return (
            link == self.link
            and self.caller in (None, caller)
            and self.operation in (None, operation)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault acts: on hops (their proxies) or at spots in links."""

    hops: tuple[str, ...] = ()
    spots: tuple[InLinkPlace, ...] = ()

    @property
    def links(self) -> tuple[str, ...]:
        """The links that it acts in, each once."""
        return tuple(dict.fromkeys(spot.link for spot in self.spots))


def affected_links(chain: Chain, target: Target) -> tuple[str, ...]:
    """The links that a target names: those that are called, for a call or a hop."""
    if target.link is not None:
        return (target.link,)
    if target.role is not None:
        return tuple(name for name, link in chain.links.items() if link.role == target.role)
    if target.provider is not None:
        return tuple(
            name for name, link in chain.links.items() if target.provider in link.depends_on
        )
    if target.call is not None:
        caller, operation = _call(target.call)
        called = chain.calls_of(caller)[operation]
        return called.pick.of if called.pick is not None else (called.to,)
    assert target.hop is not None  # a checked target has exactly one of them
    return (_hop(target.hop)[1],)


def place_of(chain: Chain, fault: Fault) -> Place:
    """The hops or links that a fault acts on, those of all its targets together."""
    if fault.acts_in_link:
        spots = (spot for target in fault.every_target for spot in _spots(chain, target))
        return Place(spots=tuple(dict.fromkeys(spots)))
    links = {target: affected_links(chain, target) for target in fault.every_target}
    return Place(
        hops=tuple(
            hop.name
            for hop in chain.hops()
            if any(_is_on(chain, target, called, hop) for target, called in links.items())
        )
    )


def links_of(chain: Chain, fault: Fault) -> list[str]:
    """The links that a fault's targets name, each once."""
    found = (link for target in fault.every_target for link in affected_links(chain, target))
    return list(dict.fromkeys(found))


def _spots(chain: Chain, target: Target) -> Iterator[InLinkPlace]:
    caller, operation = _narrowed(target)
    for link in affected_links(chain, target):
        yield InLinkPlace(link, caller, operation)


def _is_on(chain: Chain, target: Target, links: tuple[str, ...], hop: Hop) -> bool:
    """Whether a fault of a target acts on a hop."""
    if target.provider is not None:
        # A provider that carries traffic cuts its links off from their callers. One that hosts
        # them cuts their own calls, too.
        is_outgoing = hop.caller in links and not chain.providers[target.provider].carries
        return hop.callee in links or is_outgoing
    caller, operation = _narrowed(target)
    return (
        hop.callee in links and caller in (None, hop.caller) and operation in (None, hop.operation)
    )


def _narrowed(target: Target) -> tuple[str | None, str | None]:
    """The caller and the operation that a target is for; None is any."""
    if target.call is not None:
        return _call(target.call)
    if target.hop is not None:
        return _hop(target.hop)[0], None
    return None, None


def _call(written: str) -> tuple[str, str]:
    """`gateway.authorise` in its parts."""
    caller, _, operation = written.partition(".")
    return caller, operation


def _hop(written: str) -> tuple[str, str]:
    """`gateway -> processor-a` in its parts."""
    caller, _, callee = written.partition("->")
    return caller.strip(), callee.strip()
