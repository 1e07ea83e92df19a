"""A 3-D Secure result that is valid at one processor only, and a failover to another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.faults.kinds.http_error import HttpError
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.places import InLinkPlace
from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.outcome import HopResult
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from paychain.services.in_link_faults import ActiveFault
from tests.support.virtual_links import VirtualLinks, on_links, paid

VISA, MASTERCARD = TEST_CARDS[0], TEST_CARDS[3]
BASE = """
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authenticate: {{to: acs, timeout: 1s}}
      authorise:
        {{to: processor-a, timeout: 1s, on_unknown: reverse, fallback: [{{to: processor-b}}]}}
  acs: {{role: authentication{acs}}}
  processor-a: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 1s}}}}}}
  processor-b: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 1s}}}}}}
  issuer: {{role: issuer{issuer}}}
"""
BOUND = ", valid_for: [processor-a]"
INSISTS = ", soft_declines: {share: 100%, lacking: authentication}"


def shop(*, acs: str = BOUND, issuer: str = "") -> str:
    return BASE.format(acs=acs, issuer=issuer)


def failed_over(card: Card = VISA, **declared: str) -> tuple[VirtualLinks, str]:
    """A payment while processor-a refuses all of them."""

    async def work(links: VirtualLinks) -> str:
        down = ActiveFault(
            id="f",
            parameters=HttpError(status=503),
            spots=(InLinkPlace("processor-a", operation="authorise"),),
        )
        links.host.faults.apply(down)
        reply = await links.pay(card=card)
        links.host.faults.heal("f")
        await links.drain()
        return reply.code

    return on_links(shop(**declared), work)


def test_an_authentication_is_valid_where_it_was_made_for() -> None:
    links, reply = paid(shop(issuer=INSISTS))
    assert reply.result is HopResult.APPROVED
    assert "authentication_lost" not in links.decisions("gateway")
    # Without a binding it is valid at every processor.
    links, code = failed_over(acs="", issuer=INSISTS)
    assert code == "00"
    assert "authentication_lost" not in links.decisions("gateway")


@pytest.mark.parametrize(("card", "code"), [(VISA, "1A"), (MASTERCARD, "65")])
def test_a_failover_without_its_authentication_is_declined_softly(card: Card, code: str) -> None:
    links, got = failed_over(card, issuer=INSISTS)
    assert got == code
    # The second round is authenticated for processor-a as well, and fails over again.
    assert links.decisions("gateway").count("authentication_lost") == 2
    assert links.broken() == {}


def test_a_failover_to_an_issuer_that_does_not_insist_is_approved_unauthenticated() -> None:
    links, code = failed_over()
    assert code == "00"
    assert links.decisions("gateway").count("authentication_lost") == 1


EXPERIMENT = """
experiment: a-down
load: {arrivals: 20/s, spacing: even, warm_up: 0s, before: 1s, after: 1s}
faults: [{at: 0s, for: 3s, target: {link: processor-a}, down: {}}]
tolerances: {technical_success: ">= 10%"}
"""


def measured(folder: Path, **declared: str) -> Result:
    (folder / "shop.yaml").write_text(shop(**declared), "utf-8")
    (folder / "x.yaml").write_text(EXPERIMENT, "utf-8")
    chain = load_chain(str(folder / "shop.yaml"))
    loaded = load_experiment(str(folder / "x.yaml"), chain.model)
    spec = RunSpec(chain=chain, experiment=loaded, virtual=True, out=folder / "runs")
    return run(spec, chain_of(spec)).result


def test_what_fails_over_without_its_authentication_is_a_risk_and_not_saved(
    tmp_path: Path,
) -> None:
    result = measured(tmp_path)
    (failover,) = (each for each in result.fallbacks if each.kind == "failover")
    # 20/s for 3 s
    assert failover.payments == pytest.approx(60, abs=2)
    assert (failover.succeeded, failover.amount_saved) == (0, 0)
    (risk,) = result.risks
    assert (risk.call, risk.text) == ("gateway.authorise", "approved without authentication")
    assert risk.payments == failover.payments


def test_what_fails_over_with_its_authentication_is_saved(tmp_path: Path) -> None:
    result = measured(tmp_path, acs="")
    (failover,) = (each for each in result.fallbacks if each.kind == "failover")
    assert failover.succeeded == failover.payments > 0
    assert result.risks == []


@pytest.mark.parametrize(
    ("named", "what"),
    [("nobody", "unknown link 'nobody'"), ("issuer", "no gateway authorises at 'issuer'")],
)
def test_a_binding_to_a_link_that_no_gateway_calls_is_a_mistake(
    tmp_path: Path, named: str, what: str
) -> None:
    (tmp_path / "shop.yaml").write_text(shop(acs=f", valid_for: [{named}]"), "utf-8")
    with pytest.raises(FileMistakes, match=what):
        load_chain(str(tmp_path / "shop.yaml"))
