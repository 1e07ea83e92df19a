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
