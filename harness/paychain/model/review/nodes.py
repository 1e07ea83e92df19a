"""Findings about nodes: who believes one of them, or as many as one provider has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from paychain.model.chain import Chain
from paychain.model.fallbacks.step import Failover
from paychain.model.operations import LOOKS
from paychain.model.pick import Pick
from paychain.model.policy import Call
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness, accept
from paychain.model.review.remedy import Edit

# A node passes on what it reads, and a customer may choose any node: neither is the chain's policy.
_NOT_OURS = frozenset({"node", "depositor"})
_ENOUGH = 3  # nodes, of which one may be wrong or away


@dataclass(frozen=True)
class _Look:
    """A call that reads a ledger through nodes. `asked`: those whose answers it may believe."""

    declared: DeclaredCall
    asked: tuple[str, ...]

    @property
    def call(self) -> Call:
        return self.declared.call

    @property
    def is_of_template(self) -> bool:
        """Whether it goes to `nodes`, which says for all calls how many are asked."""
        return self.call.pick is not None and self.call.quorum is None


def one_node_believed(chain: Chain) -> Iterator[Weakness]:
    """Looks at a ledger for which the word of a single node is enough."""
    for look in _looks(chain):
        pick, declared = look.call.pick, look.declared
        # A quorum of one is split, and of a node that is known to lie another finding says so.
        is_known = look.call.quorum is not None or any(
            chain.links[name].lies for name in look.asked
        )
        if is_known or (pick is not None and pick.agree > 1):
            continue
        whom = look.asked[0] if len(look.asked) == 1 else f"one node of {len(look.asked)}"
        yield Weakness(
            kind="one_node_believed",
            path=declared.path,
            subject=declared.subject,
            what=f"{declared.subject} believes what {whom} reports, and asks no other",
            hint="ask three nodes of different providers, and believe what two of them report; "
            "of two nodes both have to agree, and one that is away stops everything",
            remedy=_more_nodes(chain, look),
        )


def quorum_at_one_provider(chain: Chain) -> Iterator[Weakness]:
    """Quorums that the nodes of one provider can always reach alone."""
    for look, pick in _quorums(chain):
        # One finding for all of them: the remedy is the same.
        enough = {
            provider: ", ".join(there)
            for provider in chain.providers
            if _reaches(pick, there := _at(chain, provider, pick.of))
        }
        if not enough:
            continue
        have = (
            f"{each} has so many of those that it asks: {there}" for each, there in enough.items()
        )
        yield Weakness(
            kind="quorum_at_one_provider",
            path=look.declared.path,
            subject=look.declared.subject,
            what=f"{look.declared.subject} believes what {pick.agree} nodes report, and "
            + ", and ".join(have),
            hint="ask nodes of other providers",
            remedy=_spread(chain, look, (look.call.to,), len(pick.of)),
        )


def quorum_lost_with_provider(chain: Chain) -> Iterator[Weakness]:
    """Quorums for which too few nodes are left without one provider."""
    for look, pick in _quorums(chain):
        gone = {
            provider: there
            for provider in chain.providers
            if len(pick.of) - len(there := _at(chain, provider, pick.of)) < pick.agree
        }
        if not gone or any(_reaches(pick, there) for there in gone.values()):
            continue
        yield Weakness(
            kind="quorum_lost_with_provider",
            path=look.declared.path,
            subject=look.declared.subject,
            what=f"{look.declared.subject} needs {pick.agree} of {len(pick.of)} nodes to agree, "
            f"and fewer are left without {' or without '.join(gone)}",
            hint="ask more nodes, or let fewer of them agree, as long as that is more than half",
            remedy=_fewer_agree(chain, look, pick),
        )


def _looks(chain: Chain) -> Iterator[_Look]:
    for declared in declared_calls(chain):
        if declared.operation not in LOOKS or chain.links[declared.link].role in _NOT_OURS:
            continue
        pick = declared.call.pick
        asked = pick.of if pick is not None else tuple(declared.call.targets)
        # The ledger itself is nobody's word.
        if all(chain.links[name].role == "node" for name in asked):
            yield _Look(declared, asked)


def _quorums(chain: Chain) -> Iterator[tuple[_Look, Pick]]:
    for look in _looks(chain):
        pick = look.call.pick
        if pick is not None and pick.agree > 1:
            yield look, pick


def _at(chain: Chain, provider: str, nodes: Collection[str]) -> list[str]:
    return [name for name in nodes if provider in chain.links[name].depends_on]


def _reaches(pick: Pick, there: Sequence[str]) -> bool:
    """Whether enough of these are among those that are asked, whichever are drawn."""
    return pick.ask - (len(pick.of) - len(there)) >= pick.agree


def _more_nodes(chain: Chain, look: _Look) -> Edit:
    """The nodes that it knows and others that the chain asks; more than half of them agree."""
    if look.is_of_template:
        pick = look.call.pick
        assert pick is not None
        if pick.ask == 1:  # both `ask` and `agree` have to change
            return accept("one_node_believed", look.declared.subject)
        return Edit(("nodes", "agree"), pick.ask // 2 + 1)
    call = look.call
    is_plain = all(isinstance(step, Failover) for step in call.fallback)
    nodes = _chosen(chain, look, look.asked, max(_ENOUGH, len(look.asked)))
    if call.hedge is not None or call.prefer or not is_plain or len(nodes) == 1:
        return accept("one_node_believed", look.declared.subject)
    return _quorum(look, nodes)


def _spread(chain: Chain, look: _Look, first: Sequence[str], size: int) -> Edit:
    """As many nodes, of which no provider has enough; to accept it where there are none."""
    nodes = _chosen(chain, look, first, size)
    agree = len(nodes) // 2 + 1
    is_spread = all(len(_at(chain, each, nodes)) < agree for each in chain.providers)
    if look.is_of_template or len(nodes) == 1 or not is_spread:
        return accept("quorum_at_one_provider", look.declared.subject)
    return _quorum(look, nodes)


def _fewer_agree(chain: Chain, look: _Look, pick: Pick) -> Edit:
    """More than half, of one more node if need be; to accept it where that is not enough."""
    for size in (len(pick.of), len(pick.of) + 1):
        nodes = _chosen(chain, look, pick.of, size)
        agree = len(nodes) // 2 + 1
        largest = max(len(_at(chain, each, nodes)) for each in chain.providers)
        if not look.is_of_template and len(nodes) - largest >= agree:
            return _quorum(look, nodes)
    return accept("quorum_lost_with_provider", look.declared.subject)


def _quorum(look: _Look, nodes: Sequence[str]) -> Edit:
    others = [name for name in nodes if name != look.call.to]
    agree = len(nodes) // 2 + 1
    return Edit(look.declared.at("quorum"), {"with": others, "agree": agree})


def _chosen(chain: Chain, look: _Look, first: Sequence[str], size: int) -> list[str]:
    """These nodes and others that can be read, up to so many: those at other providers first."""
    nodes = list(first)
    of_template = chain.nodes.all_names if chain.nodes is not None else ()
    others = [
        name
        for name in _known(chain)
        if look.declared.operation in chain.links[name].calls
        and not chain.links[name].lies
        and name not in (*nodes, *of_template)
    ]
    while others and len(nodes) < size:
        best = min(others, key=partial(_shared_providers, chain, nodes))
        nodes.append(best)
        others.remove(best)
    return nodes


def _shared_providers(chain: Chain, nodes: Sequence[str], other: str) -> tuple[bool, bool]:
    """Whether a further node shares a provider with these, and whether it names none."""
    providers = chain.links[other].depends_on
    taken = {each for name in nodes for each in chain.links[name].depends_on}
    return not taken.isdisjoint(providers), not providers


def _known(chain: Chain) -> list[str]:
    """The nodes that the chain itself asks: a customer may choose any, also one that deceives."""
    asked = {
        callee
        for name, link in chain.links.items()
        if link.role not in _NOT_OURS
        for callee in chain.callees_of(name)
    }
    return [name for name, link in chain.links.items() if link.role == "node" and name in asked]
