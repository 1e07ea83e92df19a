"""What breaks an arrangement of nodes, what stands in front of it, and what the formula expects."""

from __future__ import annotations

import pytest

from paychain.analysis.nodes.breaking import behind, breaking_zones, in_front, shared_parts
from paychain.analysis.nodes.found import expected
from paychain.model.chain import Chain
from paychain.model.files import available
from paychain.model.loading import load_chain
from tests.support.chains import checked

CHAIN = available("chain")["depin-many"].read_text("utf-8")


def chain(*changes: tuple[str, str]) -> Chain:
    text = CHAIN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return checked(text)


@pytest.mark.parametrize(
    ("name", "breaking"),
    [
        ("depin-one", [("aws-us-east-1",)]),
        ("depin-two", [("aws-us-east-1",)]),
        ("depin-two-apart", [("aws-us-east-1", "hetzner-fsn1")]),
        ("depin-many", [("aws-us-east-1", "hetzner-fsn1", "homes")]),
        ("depin-many-gateway", [("cloudflare",), ("aws-us-east-1", "hetzner-fsn1", "homes")]),
    ],
)
def test_the_smallest_sets_of_zones_that_break_it(
    name: str, breaking: list[tuple[str, ...]]
) -> None:
    found = load_chain(name).model
    assert breaking_zones(found) == breaking
    assert shared_parts(found) == ["payouts", "wallet", "base"]


def test_the_share_of_a_zone_matters_where_too_few_are_left_outside() -> None:
    twelve, thirteen = (
        chain(
            ("aws-us-east-1: 35%", f"aws-us-east-1: {share}%"),
            ("hetzner-fsn1:  15%", "hetzner-fsn1: 5%"),
            ("share: 50%", f"share: {95 - share}%"),
            ("  ask: 3\n  agree: 2", "  ask: 11\n  agree: 8"),
        )
        for share in (60, 65)
    )
    assert ("aws-us-east-1",) not in breaking_zones(twelve)
    assert ("aws-us-east-1",) in breaking_zones(thirteen)


def test_a_gateway_and_an_edge_stand_in_front_and_the_reports_say_so() -> None:
    assert behind(chain()) == ""
    assert behind(load_chain("card-ecommerce").model) == ""
    gateway = load_chain("depin-many-gateway").model
    assert in_front(gateway) == [("node-gateway", "cloudflare")]
    assert behind(gateway).startswith("20 node operators stand behind one gateway (cloudflare): ")
    edge = chain(
        ("entry: payouts", "entry: shop"),
        ("links:\n", "links:\n  shop: {role: edge, provider: cloudflare, forwards_to: payouts}\n"),
    )
    assert behind(edge).startswith("20 node operators stand behind one edge shop (cloudflare): ")


def test_what_is_expected_follows_from_who_is_left() -> None:
    nobody = frozenset({"aws-us-east-1", "hetzner-fsn1", "homes"})
    assert expected(chain(), "read", nobody) == 0
    clouds = expected(chain(), "read", frozenset({"homes"}))
    homes = expected(chain(), "read", frozenset({"aws-us-east-1", "hetzner-fsn1"}))
    assert 0.7 < homes < 0.8 < 0.95 < clouds < 1
    assert expected(chain(), "transfer", frozenset({"homes"})) > clouds
    gateway = load_chain("depin-many-gateway").model
    assert expected(gateway, "read", frozenset({"cloudflare"})) == 0
    assert expected(gateway, "read", frozenset({"homes"})) == pytest.approx(clouds)
