"""Findings about dependence: what no payment goes round, and fallbacks that fail together."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from harness.model.chain import Chain
from harness.model.fallback import (
    DeclineWith,
    Exempt,
    FailoverTo,
    Fallback,
    Queue,
    Skip,
    Split,
    StandIn,
)
from harness.model.policy import Call
from harness.model.review.finding import Found
from harness.model.review.paths import calls_in_payment

ANY = Decimal("Infinity")
NONE = Decimal(0)


def largest_payment(chain: Chain, gone: frozenset[str], link: str | None = None) -> Decimal:
    """The largest amount that still goes through a link when these links are gone.

    ANY when every payment does, NONE when no payment does.
    """
    link = link or chain.entry
    if link in gone:
        return NONE
    calls = calls_in_payment(chain, link).values()
    return min((_through(chain, gone, call) for call in calls), default=ANY)


def _through(chain: Chain, gone: frozenset[str], call: Call) -> Decimal:
    first = largest_payment(chain, gone, call.to)
    return max((first, *(_by_step(chain, gone, step) for step in call.fallback)))


def _by_step(chain: Chain, gone: frozenset[str], step: Fallback) -> Decimal:
    match step:
        case FailoverTo():
            return largest_payment(chain, gone, step.to)
        case Split():
            return max(largest_payment(chain, gone, target) for target in step.split)
        case Skip():
            return step.skip.up_to
        case Exempt():
            return step.exempt.up_to
        case StandIn():
            return step.stand_in.up_to
        case Queue():
            return step.queue.up_to if step.queue.up_to is not None else ANY
        case DeclineWith():
            return NONE


def links_of(chain: Chain, provider: str) -> frozenset[str]:
    """The links that fail together with a provider."""
    return frozenset(name for name, link in chain.links.items() if link.provider == provider)


def single_links(chain: Chain) -> Iterator[Found]:
    """Links that no payment, or no larger payment, goes round."""
    for link in chain.links:
        largest = largest_payment(chain, frozenset({link}))
        if largest < ANY:
            yield Found(
                "single_link", ("links", link), f"link {link}",
                f"without {link} {_nothing_over(largest, chain)} goes through",
                "give the calls to it a fallback that does not need it, or accept it knowingly",
            )  # fmt: skip


def single_providers(chain: Chain) -> Iterator[Found]:
    """Providers that no payment, or no larger payment, goes round."""
    for provider in chain.providers:
        links = links_of(chain, provider)
        largest = largest_payment(chain, links)
        if largest < ANY:
            yield Found(
                "single_provider", ("providers", provider), f"provider {provider}",
                f"without {provider} ({', '.join(sorted(links))}) "
                f"{_nothing_over(largest, chain)} goes through",
                "put a fallback with another provider, or accept it knowingly",
            )  # fmt: skip


def shared_providers(chain: Chain) -> Iterator[Found]:
    """Fallback targets that need a provider which the declared target needs too."""
    for link, declared in chain.links.items():
        for operation, call in declared.calls.items():
            first = _needed(chain, call.to)
            for other in call.targets[1:]:
                for provider in sorted(first & _needed(chain, other)):
                    where = f"{link}.{operation}"
                    yield Found(
                        "shared_provider", ("links", link, "calls", operation, "fallback"), where,
                        f"{where}: {call.to} and its fallback {other} both need {provider}"
                        + _through_links(chain, provider, call.to, other),
                        f"choose a fallback that does not need {provider}",
                    )  # fmt: skip


def _needed(chain: Chain, link: str) -> set[str]:
    """The providers without which nothing goes through a link."""
    return {
        provider
        for provider in chain.providers
        if largest_payment(chain, links_of(chain, provider), link) == NONE
    }


def _through_links(chain: Chain, provider: str, *targets: str) -> str:
    """Says through which link, when it is not the targets' own provider."""
    links = links_of(chain, provider)
    behind = sorted(links - set(targets))
    if all(target in links for target in targets) or not behind:
        return ""
    return f" (through {', '.join(behind)})"


def _nothing_over(largest: Decimal, chain: Chain) -> str:
    return "no payment" if largest == NONE else f"no payment over {largest} {chain.currency}"
