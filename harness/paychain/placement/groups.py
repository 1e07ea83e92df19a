"""Which mock links share a container: those of one machine, of one provider, or of one role."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paychain.model.chain import Chain
from paychain.model.placement import DEFAULT_PORT


class GroupKey(StrEnum):
    """What the links of one container have in common."""

    PROVIDER = "provider"
    ROLE = "role"
    LINK = "link"  # each has its own
    CHAIN = "chain"  # one for all of them


@dataclass(frozen=True)
class Group:
    """Links that run together, away from the run. `name` is that of their host in the chain."""

    name: str
    links: tuple[str, ...]
    has_engine: bool = True
    port: int = DEFAULT_PORT


def groups_of(chain: Chain, by: GroupKey) -> list[Group]:
    """The groups of a chain: its `hosts:` where it has some, otherwise by what links share.

    Links of no group stay with the run: own services, what they call, what the run has to kill,
    and, by provider, links without one.
    """
    if chain.hosts:
        return [
            Group(name, tuple(host.links), host.engine, host.port)
            for name, host in chain.hosts.items()
        ]
    found: dict[str, list[str]] = {}
    for link in _movable(chain):
        name = _shared(chain, link, by)
        if name:
            found.setdefault(name, []).append(link)
    return [Group(name, tuple(links)) for name, links in found.items()]


def _shared(chain: Chain, link: str, by: GroupKey) -> str:
    declared = chain.links[link]
    match by:
        case GroupKey.PROVIDER:
            return declared.depends_on[0] if declared.depends_on else ""
        case GroupKey.ROLE:
            return str(declared.role)
        case GroupKey.LINK:
            return link
        case GroupKey.CHAIN:
            return "all"


def _movable(chain: Chain) -> list[str]:
    own = chain.own_services()
    called = {callee for name in own for callee in chain.callees_of(name)}
    return [
        name
        for name, link in chain.links.items()
        if name not in own and name not in called and not link.isolate
    ]
