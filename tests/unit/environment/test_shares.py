"""How links and proxies are shared out over processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from paychain.environment import shares as sharing
from paychain.environment.shares import CALLING, RECEIVING, ProcessShares, requests, share_out
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.model.own_services import observed_hops
from tests.support.chains import checked, shop
from tests.support.cli import invoked

ROOT = Path(__file__).parents[3]
THREE = ("processor-a", "processor-b", "processor-c")
# Five links that every payment meets.
FIVE = """
chain: five
entry: edge
deadline: 3s
links:
  edge: {role: edge, forwards_to: gateway}
  gateway:
    role: gateway
    calls: {authorise: {to: processor, timeout: 1s}}
  processor:
    role: processor
    calls: {authorise: {to: scheme, timeout: 1s}}
  scheme:
    role: scheme
    calls: {authorise: {to: issuer, timeout: 1s}}
  issuer: {role: issuer}
"""


def work(chain: Chain, shares: ProcessShares) -> list[float]:
    """The work of each process for one payment, links first."""
    rates = requests(chain)

    def of_link(name: str) -> float:
        came = sum(rates[hop.name] for hop in chain.hops() if hop.callee == name)
        left = sum(rates[hop.name] for hop in chain.hops() if hop.caller == name)
        return RECEIVING * came + CALLING * left

    of_links = [sum(map(of_link, names)) for names in shares.links]
    return of_links + [sum(rates[hop] for hop in hops) for hops in shares.hops]


@pytest.mark.parametrize("processes", [2, 4])
def test_nothing_is_shared_out_when_every_link_is_on_another_machine(processes: int) -> None:
    host = "{address: 10.0.0.2, links: [edge, gateway, processor, scheme, issuer], engine: true}"
    chain = checked(f"{FIVE}allow: [10.0.0.0/24]\nhosts: {{m1: {host}}}\n")
    for has_engines in (True, False):
        assert share_out(chain, processes, has_engines=has_engines) == ProcessShares((), ())


@pytest.mark.parametrize("processes", [2, 3, 4, 5, 9, 64])
@pytest.mark.parametrize("text", [FIVE, shop(processors=THREE)])
def test_every_link_and_every_proxy_has_one_process(text: str, processes: int) -> None:
    chain = checked(text)
    shares = share_out(chain, processes, has_engines=True)
    assert sorted(name for names in shares.links for name in names) == sorted(chain.links)
    assert sorted(hop for hops in shares.hops for hop in hops) == sorted(
        hop.name for hop in chain.hops()
    )
    assert len(shares.links) + len(shares.hops) <= processes
    assert all(shares.links)
    assert all(shares.hops)


def test_five_links_on_four_processes_share_the_work_evenly() -> None:
    chain = checked(FIVE)
    shares = share_out(chain, 4, has_engines=True)
    of_each = work(chain, shares)
    assert len(of_each) == 4
    assert max(of_each) <= 0.35 * sum(of_each)
    assert max(of_each) < max(work(chain, share_out(chain, 3, has_engines=True)))


@pytest.mark.parametrize("cores", [2, 3, 4])
@pytest.mark.parametrize("text", [FIVE, shop(processors=THREE)])
def test_auto_leaves_no_process_with_more_than_the_work_of_one_core(
    text: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    chain = checked(text)
    shares = share_out(chain, "auto", has_engines=True)
    of_each = work(chain, shares)
    assert cores <= len(of_each) <= 2 * cores
    largest = max(work(chain, share_out(chain, 64, has_engines=True)))  # of one link alone
    assert max(of_each) <= max(largest, sum(of_each) / cores)
    assert all(
        max(work(chain, share_out(chain, fewer, has_engines=True))) > max(of_each)
        for fewer in range(cores, len(of_each))
    )


def test_auto_divides_no_further_what_a_single_link_holds_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gateway in front of many links: on a machine of many cores, trying took half a minute."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    tried: list[int] = []
    divided = sharing._divided

    def counted(links: Any, hops: Any, processes: int) -> Any:
        tried.append(processes)
        return divided(links, hops, processes)

    monkeypatch.setattr(sharing, "_divided", counted)
    share_out(checked(FIVE), "auto", has_engines=True)
    assert tried == [16]


def test_auto_takes_two_processes_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    shares = share_out(checked(FIVE), "auto", has_engines=True)
    assert (len(shares.links), len(shares.hops)) == (1, 1)


def test_an_engine_outside_leaves_all_processes_to_the_links() -> None:
    chain = checked(FIVE)
    shares = share_out(chain, 5, has_engines=False)
    assert sorted(shares.links) == sorted((name,) for name in chain.links)
    assert shares.hops == ()


def test_proxies_get_a_second_engine_once_they_are_most_of_the_work() -> None:
    chain = checked(FIVE)
    engines = {
        processes: len(share_out(chain, processes, has_engines=True).hops)
        for processes in range(2, 9)
    }
    assert engines[2] == engines[4] == 1
    assert engines[8] > 1


def test_an_isolated_link_is_in_no_other_process() -> None:
    chain = checked(shop(issuer={"isolate": "true"}))
    shares = share_out(chain, 4, has_engines=True)
    assert "issuer" not in {name for names in shares.links for name in names}


def test_links_of_an_own_service_stay_together_and_so_do_its_hops() -> None:
    chain = load_chain(str(ROOT / "examples" / "shop-python" / "chain-sound.yaml")).model
    shares = share_out(chain, 8, has_engines=True)
    called = {name for own in chain.own_services() for name in chain.callees_of(own)}
    assert called
    assert sum(bool(called.intersection(names)) for names in shares.links) == 1
    assert {hop.name for hop in observed_hops(chain)} <= shares.hops[0]


@pytest.mark.parametrize("words", ["0", "1", "65", "two", "²"])
def test_a_number_of_processes_that_cannot_be_is_refused(tmp_path: Path, words: str) -> None:
    refused = invoked(tmp_path, "run", "card-ecommerce", "steady", "--processes", words)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"cannot run the links and the fault engine in '{words}'")


def test_virtual_time_has_one_process(tmp_path: Path) -> None:
    refused = invoked(
        tmp_path, "run", "card-ecommerce", "steady", "--virtual", "--processes", "auto"
    )
    assert refused.exit_code == 2
    assert "omit --processes" in refused.stderr
