"""Findings about how an own service and the mocks that it calls understand each other."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.review.calls import declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.remedy import Edit

_LIKELIEST = "stripe"


def dialect_not_declared(chain: Chain) -> Iterator[Weakness]:
    """Mocks at which an own service authorises payments, and that declare no dialect.

    They speak our own JSON then. To declare that (`dialect: paychain`) says that it is meant.
    """
    own, found = chain.own_services(), set[str]()
    # What a mock or a customer calls, too, can speak nothing else.
    native = {hop.callee for hop in chain.hops() if hop.caller not in own}
    for declared in declared_calls(chain):
        if declared.link not in own or declared.operation != "authorise":
            continue
        for target in declared.call.targets:
            link = chain.links[target]
            if link.service is not None or "dialect" in link.model_fields_set:
                continue
            if target in native or target in found:
                continue
            found.add(target)
            yield Weakness(
                kind="dialect_not_declared",
                path=("links", target),
                subject=f"link {target}",
                what=f"{declared.link} must call {target} in paychain's own JSON",
                hint="declare the provider's API (dialect: stripe, adyen, …), or dialect: paychain "
                "where the service's code speaks that JSON",
                remedy=Edit(("links", target, "dialect"), _LIKELIEST),
            )
