"""Findings about dependence: what no payment can avoid, and fallbacks that fail together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from paychain.model.chain import Chain
from paychain.model.fallbacks.step import ANY_AMOUNT, NO_AMOUNT, Failover, GoOn, LocalStep, Step
from paychain.model.links_behind import behind
from paychain.model.policy import Call
from paychain.model.review.finding import Weakness, accept
from paychain.model.review.paths import calls_in_payment
from paychain.model.roles import ROLES

ANY, NONE = ANY_AMOUNT, NO_AMOUNT


class LargestPayment:
    """The largest amount that a link can still process when these links are down.

    In the chain's currency; ANY when it processes every payment, NONE when it processes none. A
    link that many paths lead to is looked at once. `preferring`: of the payments that prefer
    whichever link can do most.
    """

    def __init__(self, chain: Chain, gone: frozenset[str], *, preferring: bool = False) -> None:
        self._chain = chain
        self._preferring = preferring
        self._known = dict.fromkeys(gone, NONE)

    def anywhere(self) -> Decimal:
        """For the customers of whichever entry can do least."""
        return min(self.at(entry) for entry in self._chain.entries)

    def at(self, link: str) -> Decimal:
        """For those who call this link."""
        if link not in self._known:
            calls = calls_in_payment(self._chain, link).values()
            self._known[link] = min((self._through(call) for call in calls), default=ANY)
        return self._known[link]

    def _through(self, call: Call) -> Decimal:
        if call.pick is not None:
            # As much as the last one can that is needed.
            able = sorted(map(self.at, call.pick.of), reverse=True)
            return able[call.pick.needs - 1]
        preferred = call.preferred if self._preferring else ()
        asked = (call.to, *preferred)
        steps = (self._by_step(step) for step in call.fallback)
        largest = max((*map(self.at, asked), *steps))
        # A payment needs each of its tenders.
        return min((largest, *(self.at(name) for name, _ in call.shared_tenders)))

    def _by_step(self, step: Step) -> Decimal:
        if isinstance(step, Failover):
            return max(self.at(target) for target in step.targets)
        assert isinstance(step, LocalStep)  # there are steps to other links, and local ones
        return NONE if isinstance(step, GoOn) and not step.lasts else step.largest


def links_of(chain: Chain, provider: str) -> frozenset[str]:
    """The links that fail together with a provider."""
    return frozenset(name for name, link in chain.links.items() if provider in link.depends_on)


def single_links(chain: Chain) -> Iterator[Weakness]:
    """Links without which no payment, or none above some amount, succeeds."""
    for link in chain.links:
        without = LargestPayment(chain, frozenset({link}))
        largest = without.anywhere()
        if largest < ANY:
            yield Weakness(
                kind="single_link",
                path=("links", link),
                subject=f"link {link}",
                what=f"without {link} {_what_is_left(chain, frozenset({link}), without)}",
                hint="give its callers a fallback that does not need it, or accept the risk",
                remedy=accept("single_link", f"link {link}"),
                unavoidable=_is_unavoidable(chain, link),
            )


def single_providers(chain: Chain) -> Iterator[Weakness]:
    """Providers without which no payment, or none above some amount, succeeds."""
    for provider in chain.providers:
        links = links_of(chain, provider)
        without = LargestPayment(chain, links)
        largest = without.anywhere()
        if largest < ANY:
            yield Weakness(
                kind="single_provider",
                path=("providers", provider),
                subject=f"provider {provider}",
                what=f"without {provider} ({', '.join(sorted(links))}) "
                f"{_what_is_left(chain, links, without)}",
                hint="add a fallback at another provider, or accept the risk",
                remedy=accept("single_provider", f"provider {provider}"),
                unavoidable=all(_is_unavoidable(chain, link) for link in links),
            )


def _is_unavoidable(chain: Chain, link: str) -> bool:
    """Whether every chain has this single point: customers enter somewhere, a card has one bank."""
    return link in chain.entries or ROLES[chain.links[link].role].settles is not None


def shared_providers(chain: Chain) -> Iterator[Weakness]:
    """Fallback targets that need a provider that the declared target needs as well."""
    without = {
        provider: LargestPayment(chain, links_of(chain, provider)) for provider in chain.providers
    }
    for link, declared in chain.links.items():
        for operation, call in declared.calls.items():
            if call.pick is not None:  # some of them share a provider; that others do not counts
                continue
            first = _needed(without, call.to)
            # By what they share with the target: the fallbacks that do.
            sharing: dict[tuple[str, ...], list[str]] = {}
            for other in call.alternatives[1:]:
                shared = tuple(sorted(first & _needed(without, other)))
                if shared:
                    sharing.setdefault(shared, []).append(other)
            if not sharing:
                continue
            where = f"{link}.{operation}"
            said = [_both_need(chain, call.to, *others, of=of) for of, others in sharing.items()]
            is_one = len({provider for of in sharing for provider in of}) == 1
            yield Weakness(
                kind="shared_provider",
                path=("links", link, "calls", operation, "fallback"),
                subject=where,
                what=f"{where}: {'; '.join(said)}",
                hint=f"choose a fallback that does not need {'it' if is_one else 'them'}",
                remedy=accept("shared_provider", where),
            )


def _both_need(chain: Chain, to: str, *others: str, of: Sequence[str]) -> str:
    """`pa and its fallback pb both need cloud-a (through scheme) and cloud-b`."""
    needed = [f"{provider}{_through_links(chain, provider, to, *others)}" for provider in of]
    fallbacks, all_ = ("fallback", "both") if len(others) == 1 else ("fallbacks", "all")
    return f"{to} and its {fallbacks} {_listed(others)} {all_} need {_listed(needed)}"


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _what_is_left(chain: Chain, gone: frozenset[str], without: LargestPayment) -> str:
    """`no payment over 30 EUR succeeds`: which payments do not, without these links."""
    largest = without.anywhere()
    if LargestPayment(chain, gone, preferring=True).anywhere() > largest:
        only = "" if largest == NONE else f" over {largest} {chain.currency}"
        return f"no payment{only} succeeds, except for those that prefer another link"
    return f"{_nothing_over(largest, chain)}{_where(chain, without)} succeeds"


def _where(chain: Chain, without: LargestPayment) -> str:
    """At which entries customers can pay least, where they can pay more at others."""
    largest = {entry: without.at(entry) for entry in chain.entries}
    least = min(largest.values())
    entries = [entry for entry, amount in largest.items() if amount == least]
    return f" at {', '.join(entries)}" if len(entries) < len(largest) else ""


def _needed(without: Mapping[str, LargestPayment], link: str) -> set[str]:
    """The providers without which a link processes no payment."""
    return {provider for provider, largest in without.items() if largest.at(link) == NONE}


def _through_links(chain: Chain, provider: str, *targets: str) -> str:
    """Through which link the provider is needed, where it is not the targets' own provider."""
    links = links_of(chain, provider)
    if all(target in links for target in targets):
        return ""
    further = {name for target in targets for name in behind(chain.links, target)}
    through = sorted(links & further - set(targets))
    return f" (through {', '.join(through)})" if through else ""


def _nothing_over(largest: Decimal, chain: Chain) -> str:
    return "no payment" if largest == NONE else f"no payment over {largest} {chain.currency}"
