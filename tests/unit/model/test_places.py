"""Where a fault acts, by its target."""

from __future__ import annotations

import pytest

from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.places import InLinkPlace, Place, affected_links, place_of


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.model_validate(
        {
            "chain": "shop",
            "entry": "gateway",
            "providers": {
                "cloud": {"kind": "cloud"},
                "carrier": {"kind": "carrier"},
            },
            "links": {
                "gateway": {
                    "role": "gateway",
                    "provider": "cloud",
                    "calls": {
                        "authorise": {"to": "processor-a", "fallback": [{"to": "processor-b"}]}
                    },
                },
                "processor-a": {
                    "role": "processor",
                    "provider": "carrier",
                    "calls": {"authorise": {"to": "issuer"}},
                },
                "processor-b": {"role": "processor", "calls": {"authorise": {"to": "issuer"}}},
                "issuer": {"role": "issuer"},
            },
        }
    )


def fault(kind: str, **target: str) -> Fault:
    return Fault.model_validate({"at": "0s", "for": "1s", "target": target, kind: {}})


@pytest.mark.parametrize(
    ("target", "links"),
    [
        ({"link": "issuer"}, ("issuer",)),
        ({"provider": "cloud"}, ("gateway",)),
        ({"call": "gateway.authorise"}, ("processor-a",)),
        ({"hop": "gateway -> processor-b"}, ("processor-b",)),
    ],
)
def test_a_target_names_the_links_that_are_called(
    chain: Chain, target: dict[str, str], links: tuple[str, ...]
) -> None:
    assert affected_links(chain, fault("down", **target).target) == links


def test_a_fault_in_a_link_is_for_one_caller_when_its_target_is_a_hop(chain: Chain) -> None:
    assert place_of(chain, fault("lost_answer", hop="gateway->processor-b")) == Place(
        spots=(InLinkPlace("processor-b", caller="gateway"),)
    )
    assert place_of(chain, fault("lost_answer", call="gateway.authorise")) == Place(
        spots=(InLinkPlace("processor-a", caller="gateway", operation="authorise"),)
    )


def test_a_provider_that_hosts_a_link_cuts_its_own_calls_too(chain: Chain) -> None:
    hosting = place_of(chain, fault("down", provider="cloud")).hops
    assert "customer.pay.gateway" in hosting
    assert "gateway.authorise.processor-a" in hosting
    carrying = place_of(chain, fault("down", provider="carrier")).hops
    assert "gateway.authorise.processor-a" in carrying
    assert "processor-a.authorise.issuer" not in carrying


def test_a_call_is_its_own_operation_at_its_first_target(chain: Chain) -> None:
    assert place_of(chain, fault("down", call="gateway.authorise")).hops == (
        "gateway.authorise.processor-a",
    )
    assert place_of(chain, fault("down", hop="gateway -> processor-b")).hops == (
        "gateway.authorise.processor-b",
        "gateway.void.processor-b",
    )
