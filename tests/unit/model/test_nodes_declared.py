"""A template of nodes: what it unfolds into, and the mistakes that are named with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from paychain.declaration.yaml_text import parse
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.files import available
from paychain.model.loading import FileMistakes, load_chain
from paychain.model.nodes import spread
from paychain.model.review import review

PAYOUTS = """\
chain: payouts
currency: USDC
entry: payouts
providers: {aws: {kind: cloud}, homes: {kind: carrier}, edge: {kind: edge}, geth: {kind: client}}
nodes:
  count: 5
  zones: {aws: 40%, homes: {share: 60%, churn: {on: 50%, lasts: 8s}}}
  liars: 20%
  ask: 3
  agree: 2
  re_pick: 1
  timeout: 700ms
  calls: {transfer: {to: base}, read: {to: base}}
links:
  payouts: {role: exchange, funding: 5000, calls: {transfer: {to: wallet, on_unknown: query}}}
  wallet: {role: wallet, calls: {transfer: {to: nodes, on_unknown: resend}, read: {to: nodes}}}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""


def payouts(old: str = "", new: str = "") -> Chain:
    chain = Chain.model_validate(parse(PAYOUTS.replace(old, new)).value)
    assert check_chain(chain) == []
    return chain


def problems(old: str, new: str) -> list[str]:
    assert PAYOUTS.count(old) == 1
    chain = Chain.model_validate(parse(PAYOUTS.replace(old, new)).value)
    found = [(chain.path_in_file(each.path), each.what) for each in check_chain(chain)]
    return list(dict.fromkeys(f"{'.'.join(map(str, path))}: {what}" for path, what in found))


def test_it_unfolds_into_a_link_for_each_node_with_its_zone_as_provider() -> None:
    chain = payouts()
    nodes = [chain.links[f"node-{number}"] for number in range(1, 6)]
    assert [node.depends_on for node in nodes] == [("aws",)] * 2 + [("homes",)] * 3
    assert [node.churn is not None for node in nodes] == [False, False, True, True, True]
    assert sum(node.lies for node in nodes) == 1
    assert {node.role for node in nodes} == {"node"}
    call = chain.links["wallet"].calls["read"]
    assert call.targets == [f"node-{number}" for number in range(1, 6)]
    assert call.pick is not None
    assert (call.pick.agree, call.pick.most, call.timeout) == (2, 4, pytest.approx(0.7))
    transfer = chain.links["wallet"].calls["transfer"]
    assert transfer.pick is not None
    assert transfer.pick.agree == 1
    names = {hop.name for hop in chain.hops()}
    assert {"wallet.read.node-5", "node-5.transfer.base", "wallet.transfer.node-1"} <= names


def test_a_services_process_reads_the_same_chain_from_its_text() -> None:
    again = Chain.model_validate(yaml.load(PAYOUTS, Loader=yaml.BaseLoader))
    assert again.links == payouts().links


def test_with_a_gateway_callers_ask_it_and_it_asks_the_nodes() -> None:
    chain = payouts("  liars: 20%", "  gateway: edge")
    assert chain.links["wallet"].calls["read"].targets == ["node-gateway"]
    assert chain.links["wallet"].calls["read"].pick is None
    gateway = chain.links["node-gateway"]
    assert (gateway.provider, gateway.calls["read"].timeout) == ("edge", pytest.approx(0.7))
    assert gateway.calls["read"].pick is not None
    assert len(gateway.calls["transfer"].targets) == 5


def test_clients_are_providers_beside_the_zones() -> None:
    chain = payouts("  liars: 20%", "  clients: {geth: 100%}")
    assert chain.links["node-4"].depends_on == ("homes", "geth")


@pytest.mark.parametrize(
    ("count", "shares", "sizes"),
    [
        (20, {"a": 0.35, "b": 0.15, "c": 0.5}, [7, 3, 10]),
        (3, {"a": 0.5, "b": 0.5}, [2, 1]),
        (7, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, [3, 2, 2]),
        (1, {"a": 0.1, "b": 0.9}, [0, 1]),
    ],
)
def test_parts_are_as_large_as_their_shares(
    count: int, shares: dict[str, float], sizes: list[int]
) -> None:
    parts = list(spread([str(number) for number in range(count)], shares).values())
    assert [parts.count(part) for part in shares] == sizes


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("aws: 40%", "aws: 30%", ["nodes.zones: the shares of zones add up to 90%"]),
        ("aws: 40%", "asw: 40%", ["nodes.zones.asw: unknown provider 'asw'"]),
        ("liars: 20%", "gateway: egde", ["nodes.gateway.provider: unknown provider 'egde'"]),
        (
            "liars: 20%",
            "clients: {geth: 90%}",
            ["nodes.clients: the shares of clients add up to 90%"],
        ),
        ("ask: 3", "ask: 6", ["nodes.ask: 6 nodes are asked, but there are 5"]),
        (
            "agree: 2",
            "agree: 5",
            ["nodes.agree: 5 nodes must agree, but at most 4 are asked"],
        ),
        (
            "read: {to: nodes}",
            "read: {to: nodes, hedge: {after: 50ms}}",
            ["links.wallet.calls.read.hedge: a call to nodes has no 'hedge'"],
        ),
        (
            "read: {to: base}",
            "read: {to: bsae}",
            ["nodes.calls.read.to: unknown link 'bsae'"],
        ),
        (
            "wallet: {role: wallet, calls: {transfer: {to: nodes, on_unknown: resend}, "
            "read: {to: nodes}}}",
            "wallet: {role: wallet, calls: {transfer: {to: base, on_unknown: resend}, "
            "read: {to: base}}}",
            ["nodes: no call goes to the nodes"],
        ),
    ],
)
def test_a_mistake_is_named_where_the_file_has_it(old: str, new: str, what: list[str]) -> None:
    assert [line for line in problems(old, new) if "nothing reaches" not in line] == what


def test_a_link_may_not_have_a_name_of_the_nodes() -> None:
    found = problems("  base: {role", "  node-2: {role: edge, forwards_to: payouts}\n  base: {role")
    assert "nodes: link 'node-2' has a name that is reserved for the nodes" in found


def test_a_mistake_in_a_zone_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PAYOUTS.replace("on: 50%", "on: 120%"))
    with pytest.raises(FileMistakes, match=r"mine\.yaml:7:\d+: '120%' is more than 100%"):
        load_chain(str(path))


def test_the_review_says_it_once_for_all_nodes_and_counts_what_is_left_of_them() -> None:
    names = sorted(name for name in available("chain") if name.startswith("depin-"))
    found = {
        name: {each.at for each in review(load_chain(name)) if each.kind == "single_provider"}
        for name in names
    }
    assert found == {
        "depin-many": {"own-rack"},
        "depin-many-gateway": {"own-rack", "cloudflare"},
        "depin-one": {"own-rack", "aws-us-east-1"},
        "depin-two": {"own-rack", "aws-us-east-1"},
        "depin-two-apart": {"own-rack"},
    }


def test_the_arrangements_differ_in_their_nodes_alone() -> None:
    files = [path for name, path in available("chain").items() if name.startswith("depin-")]
    values = [parse(path.read_text("utf-8")).value for path in files]
    own = {"chain", "title", "nodes", "accepts"}
    first, *others = [{k: v for k, v in value.items() if k not in own} for value in values]
    assert len(others) == 4
    assert all(other == first for other in others)


def test_churn_is_for_nodes_only() -> None:
    text = PAYOUTS.replace("role: wallet,", "role: wallet, churn: {on: 50%, lasts: 1s},")
    chain = Chain.model_validate(parse(text).value)
    assert "the role wallet has no 'churn'" in [each.what for each in check_chain(chain)]


def test_nodes_cannot_be_a_fallback() -> None:
    text = PAYOUTS.replace("read: {to: nodes}", "read: {to: node-1, fallback: [{to: nodes}]}")
    chain = Chain.model_validate(parse(text).value)
    assert any("unknown link 'nodes'" in each.what for each in check_chain(chain))
