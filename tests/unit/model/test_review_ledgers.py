"""What the review finds around ledgers: wallets that sign one payment twice, nodes, preferences."""

from __future__ import annotations

from pathlib import Path

from paychain.model.loading import load_chain
from paychain.model.review import ReviewFinding, review

WALLETS = """\
chain: desk
currency: USDC
deadline: 30s
entry: desk
links:
  desk:
    role: exchange
    outbox: disk
    funding: 5000
    calls:
      transfer:
        to: hot
        timeout: 9s
        on_unknown: query
        prefer: [{to: cold, amount: {from: 9.00}}]
  hot: &wallet
    role: wallet
    outbox: disk
    calls:
      transfer: {to: node, timeout: 2s, on_unknown: resend}
      read: {to: node, timeout: 2s, quorum: {with: [second, third], agree: 2}}
  cold: *wallet
  node:
    role: node
    calls: &both {transfer: {to: base, timeout: 1s}, read: {to: base, timeout: 1s}}
  second: {role: node, calls: *both}
  third: {role: node, calls: *both}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""


def reviewed(tmp_path: Path, text: str = WALLETS) -> list[ReviewFinding]:
    path = tmp_path / "desk.yaml"
    path.write_text(text)
    return review(load_chain(str(path)))


def test_a_transfer_that_goes_on_to_another_wallet_is_found_and_to_another_node_is_not(
    tmp_path: Path,
) -> None:
    other_node = ("on_unknown: resend", "on_unknown: resend, fallback: [{to: second}]")
    (finding,) = (
        each
        for each in reviewed(tmp_path, WALLETS.replace(*other_node))
        if each.kind == "failover_on_unknown"
    )
    assert finding.subject == "desk.transfer"
    assert "a transfer that cold has not answered to hot, which signs it with a nonce of" in (
        finding.what
    )


def test_what_a_node_is_never_asked_for_is_not_reviewed(tmp_path: Path) -> None:
    subjects = {finding.subject for finding in reviewed(tmp_path)}
    assert {"node.transfer", "node.read", "second.read"} <= subjects
    assert not {"second.transfer", "third.transfer"} & subjects


def test_payments_that_prefer_another_link_do_not_need_the_usual_one(tmp_path: Path) -> None:
    found = {each.subject: each.what for each in reviewed(tmp_path) if each.kind == "single_link"}
    preferring = "no payment succeeds, except for those that prefer another link"
    assert found["link hot"] == f"without hot {preferring}"
    assert found["link node"] == "without node no payment succeeds"
    assert "link cold" not in found


def test_a_wallet_that_asks_three_nodes_believes_no_single_one(tmp_path: Path) -> None:
    assert [each for each in reviewed(tmp_path) if each.kind == "one_node_believed"] == []


def wallets(hot: str, cold: str) -> str:
    """The chain whose wallets read as this, with two more nodes; all but one have a provider."""
    asks = "read: {to: node, timeout: 2s, quorum: {with: [second, third], agree: 2}}"
    transfer = "transfer: {to: node, timeout: 2s, on_unknown: resend}"
    text = WALLETS.replace(asks, f"read: {hot}").replace(
        "  cold: *wallet\n",
        f"  cold:\n    <<: *wallet\n    calls: {{{transfer}, read: {cold}}}\n",
    )
    providers = "providers: {x: {kind: cloud}, y: {kind: cloud}, z: {kind: cloud}}\n"
    for old, new in (
        ("entry: desk\n", f"{providers}entry: desk\n"),
        ("  node:\n    role: node\n", "  node:\n    role: node\n    provider: x\n"),
        ("second: {role: node,", "second: {role: node, provider: x,"),
        (
            "  base: {",
            "  fourth: {role: node, provider: y, calls: *both}\n"
            "  fifth: {role: node, provider: z, calls: *both}\n  base: {",
        ),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


ALL = "{to: node, timeout: 2s, quorum: {with: [second, third, fourth, fifth], agree: 3}}"


def test_the_ledger_itself_is_nobodys_word(tmp_path: Path) -> None:
    kinds = [each.kind for each in reviewed(tmp_path, wallets("{to: base, timeout: 2s}", ALL))]
    assert "one_node_believed" not in kinds


def test_nodes_at_other_providers_are_asked_before_those_at_the_same_one(tmp_path: Path) -> None:
    found = reviewed(tmp_path, wallets("{to: node, timeout: 2s}", ALL))
    (hot,) = (each for each in found if each.kind == "one_node_believed")
    assert hot.at == "hot.read"
    assert hot.remedy is not None
    assert hot.remedy.key == "links.hot.calls.read.quorum"
    assert hot.remedy.value == "{with: [fourth, fifth], agree: 2}"


def test_a_remedy_asks_no_node_that_only_customers_chose(tmp_path: Path) -> None:
    deposits = """\
chain: shop
currency: USDC
deadline: 30s
entry: customers
links:
  customers:
    role: depositor
    outbox: disk
    calls:
      transfer: {to: public, timeout: 2s, on_unknown: resend}
      read: {to: public, timeout: 2s}
      forward: {to: shop, timeout: 9s}
  shop:
    role: exchange
    outbox: disk
    credits: {after: 4}
    calls: {scan: {to: node, timeout: 2s}, read: {to: node, timeout: 2s}}
  public:
    role: node
    calls: &all {transfer: {to: base}, read: {to: base}, scan: {to: base}}
  node: {role: node, calls: *all}
  second: {role: node, calls: *all}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""
    fallback = deposits.replace("2s}}\n  public", "2s, fallback: [{to: second}]}}\n  public")
    alone = deposits.replace("  second: {role: node, calls: *all}\n", "")
    for text, remedy in (
        (fallback, ("links.shop.calls.scan.quorum", "{with: [second], agree: 2}")),
        (
            alone,
            ("accepts", "{finding: one_node_believed, at: shop.scan, because: …}"),
        ),
    ):
        found = {
            each.at: each.remedy
            for each in reviewed(tmp_path, text)
            if each.kind == "one_node_believed"
        }
        scan = found["shop.scan"]
        assert scan is not None
        assert (scan.key, scan.value) == remedy


def test_a_quorum_that_two_providers_have_is_found_once_and_names_both(tmp_path: Path) -> None:
    known = "providers: {x: {kind: cloud}, y: {kind: service}, z: {kind: cloud}}\n"
    text = WALLETS.replace("entry: desk\n", f"{known}entry: desk\n")
    for name, providers in (("second", "[x, y]"), ("third", "[x, y, z]")):
        text = text.replace(
            f"{name}: {{role: node,", f"{name}: {{role: node, providers: {providers},"
        )
    found = [each for each in reviewed(tmp_path, text) if each.kind == "quorum_at_one_provider"]
    assert {each.at for each in found} == {"hot.read", "cold.read"}
    assert len(found) == 2
    for each in found:
        assert each.what == (
            f"{each.at} believes what 2 nodes report, and x has so many of those that it asks: "
            "second, third, and y has so many of those that it asks: second, third"
        )
