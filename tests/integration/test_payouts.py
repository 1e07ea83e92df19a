"""Payouts over a ledger in virtual time: sound under every fault, each twin wrong in one way."""

from __future__ import annotations

from itertools import cycle, product
from pathlib import Path

import pytest

from paychain.model.files import available
from paychain.model.loading import load_chain
from tests.integration.test_shipped_pairs import in_virtual_time
from tests.support.shared_runs import Pair
from tests.support.standard_faults import FAULTS, standard
from tests.support.tiers import only
from tests.support.virtual_runs import judged, run_virtually, selected

CHAIN = available("chain")["stablecoin-payout"].read_text()
# The wallet's: what was signed is sent until it is final.
(SIGNED,) = (
    line for line in CHAIN.splitlines(keepends=True) if "outbox:" in line and "signed" in line
)
LINKS = list(load_chain("stablecoin-payout").model.links)
# Whoever reports another outcome than there is: its callers have nothing else to believe.
LIES = {
    ("payouts", "stale-answer"),
    ("payouts", "wrong-answer"),
    ("wallet", "wrong-answer"),
}
QUORUM = "quorum: {with: [node-own, node-third], agree: 2}"
DOWN = "  - {id: away, at: 0s, for: 3s, target: {link: node-provider}, down: {}}\n"


def experiment(fault: str, *, after: str = "7s") -> str:
    return (
        "experiment: mine\ntolerances: {}\n"
        f"load: {{arrivals: 6/s, warm_up: 0s, before: 1s, after: {after}}}\n"
        f"faults:\n  - {{id: f, at: 0s, for: 3s, {fault}}}\n"
    )


@pytest.mark.parametrize(
    ("pair", "rules"),
    [
        (("stablecoin-payout-new-nonce", "doge-sent-again"), {"sent_once"}),
        (("stablecoin-payout-frees-early", "restored-balances"), {"reservation_kept_until_dead"}),
        (("stablecoin-payout", "deep-reorg"), set()),
        (("stablecoin-payout", "wrong-network"), set()),
        (("stablecoin-payout", "reverted-transfers"), set()),
        (
            ("stablecoin-payout-any-receipt", "reverted-transfers"),
            {"no_approval_without_money", "legs_balance"},
        ),
        # What breaks no rule takes as long again.
        *(
            pytest.param((chain, story), set(), marks=mark)
            for chain, story, mark in (
                ("stablecoin-payout", "doge-sent-again", pytest.mark.slow),
                ("stablecoin-payout", "restored-balances", pytest.mark.slow),
                ("stablecoin-payout-new-nonce", "restored-balances", pytest.mark.thorough),
            )
        ),
    ],
    ids=lambda value: "-on-".join(reversed(value)) if isinstance(value, tuple) else "",
)
def test_each_twin_is_wrong_in_its_own_way(tmp_path: Path, pair: Pair, rules: set[str]) -> None:
    found = judged(in_virtual_time(pair, tmp_path))
    assert set(found) == rules
    assert all(count > 10 for count in found.values())


@pytest.mark.slow
def test_a_wallet_that_checks_no_network_pays_where_the_payee_gets_nothing(tmp_path: Path) -> None:
    found = judged(in_virtual_time(("stablecoin-payout-any-network", "wrong-network"), tmp_path))
    # The nonces that another network has used are missing here, and whatever follows them waits.
    waiting = {"sequence_without_gaps", "no_orphaned_authorisation"}
    assert set(found) == {"no_approval_without_money", "legs_balance", *waiting}
    assert found["no_approval_without_money"] == found["legs_balance"] > 10


FORK = "target: {link: node-provider}, fork: {returns: 0%}"


@pytest.mark.slow
def test_what_a_branch_alone_has_vanishes_with_it_unless_two_nodes_must_agree(
    tmp_path: Path,
) -> None:
    found = judged(run_virtually(tmp_path / "one", CHAIN, experiment(FORK, after="3s")))
    # The nonces that the branch has used are missing on the ledger, and what follows them waits.
    waiting = {"sequence_without_gaps", "no_orphaned_authorisation"}
    assert set(found) == {"no_approval_without_money", "legs_balance", *waiting}
    read = "read: {to: node-provider, timeout: 800ms, fallback: [{to: node-own}]}"
    assert CHAIN.count(read) == 1
    agreeing = CHAIN.replace(
        read, f"read: {{to: node-provider, timeout: 800ms, {QUORUM}}}"
    ).replace("  base:\n", "  node-third: {role: node, calls: *node}\n  base:\n")
    assert judged(run_virtually(tmp_path / "two", agreeing, experiment(FORK))) == {}


def looks_for_each_payment(folder: Path, lasts_s: int) -> float:
    """How often the wallet looks at a transfer while a node drops all of them for so long."""
    dropped = (
        "experiment: mine\ntolerances: {}\n"
        "load: {arrivals: 4/s, warm_up: 0s, before: 1s, after: 3s}\n"
        f"faults: [{{id: f, at: 0s, for: {lasts_s}s, target: {{role: node}}, drops: {{}}}}]\n"
    )
    assert judged(run_virtually(folder, CHAIN, dropped)) == {}
    looks = "SELECT COUNT(*) FROM hop WHERE operation = 'read' AND caller = 'wallet'"
    ((made,),) = selected(folder, looks)
    ((payments,),) = selected(folder, "SELECT COUNT(*) FROM txn")
    assert isinstance(made, int)
    assert isinstance(payments, int)
    return made / payments


@pytest.mark.slow
def test_what_a_node_drops_for_longer_is_looked_at_ever_more_seldom(tmp_path: Path) -> None:
    short, long = (looks_for_each_payment(tmp_path / f"{each}", each) for each in (6, 24))
    # Four times as many payments wait for four times as long.
    assert long < 2 * short


@pytest.mark.slow
@pytest.mark.long(50)
def test_nobody_is_paid_while_the_ledger_halts_and_everybody_afterwards(tmp_path: Path) -> None:
    result = in_virtual_time(("stablecoin-payout", "base-2025-08-05"), tmp_path)
    assert judged(result) == {}
    assert result.verdict == "pass", result.reasons
    ((since,), (until,)) = selected(tmp_path, "SELECT effective_ns FROM switch ORDER BY 1")
    assert isinstance(since, int)
    assert isinstance(until, int)
    mined = selected(tmp_path, "SELECT at_ns FROM movement WHERE kind = 'transferred' ORDER BY 1")
    assert not [at for (at,) in mined if isinstance(at, int) and since < at < until]
    ((payments,),) = selected(tmp_path, "SELECT COUNT(*) FROM txn")
    assert len(mined) == payments


def test_a_node_that_is_cut_off_answers_with_the_last_block_that_it_saw(tmp_path: Path) -> None:
    cut = "target: {hop: node-provider -> base}, blackhole: {}"
    result = run_virtually(tmp_path, CHAIN, experiment(cut))
    assert judged(result) == {}
    reads = (
        "SELECT result, COUNT(*) FROM hop WHERE operation = 'read' AND caller = 'wallet' "
        "AND callee = 'node-provider' GROUP BY 1"
    )
    # Every read works, and none of those behind it does: a node tells nobody that it is cut off.
    assert [row[0] for row in selected(tmp_path, reads)] == ["approved"]
    behind = "SELECT COUNT(*) FROM hop WHERE caller = 'node-provider' AND result = 'timeout'"
    assert selected(tmp_path, behind)[0][0] != 0


@pytest.mark.slow
@pytest.mark.parametrize(("nonce", "rules"), [("same", set()), ("new", {"sent_once"})])
def test_what_waits_in_a_fee_spike_is_replaced_or_paid_again(
    tmp_path: Path, nonce: str, rules: set[str]
) -> None:
    replaces = f"    replaces: {{after: 500ms, times: 10, nonce: {nonce}}}\n"
    chain = CHAIN.replace(SIGNED, SIGNED + replaces)
    result = run_virtually(
        tmp_path, chain, experiment("target: {role: ledger}, fee_spike: {times: 10}", after="3s")
    )
    assert set(judged(result)) == rules
    at_once = "SELECT COUNT(*) FROM movement WHERE kind = 'transferred' AND reference LIKE '%.2'"
    assert selected(tmp_path, at_once)[0][0] != 0


@pytest.mark.slow
def test_a_wallet_that_asks_three_nodes_pays_once_whatever_one_of_them_says(
    tmp_path: Path,
) -> None:
    alone = "read: {to: node-provider, timeout: 800ms, fallback: [{to: node-own}]}"
    assert CHAIN.count(alone) == 1
    together = alone.replace("fallback: [{to: node-own}]", QUORUM)
    chain = CHAIN.replace(alone, together) + "  node-third: {role: node, calls: *node}\n"
    result = run_virtually(
        tmp_path, chain, experiment("target: {link: node-provider}, lies: {}", after="3s")
    )
    assert judged(result) == {}
    # What the liar kept to itself is sent again once it tells the truth.
    mined = "SELECT COUNT(*) FROM movement WHERE kind = 'transferred'"
    assert selected(tmp_path, mined) == selected(tmp_path, "SELECT COUNT(*) FROM txn")


@pytest.mark.slow
def test_a_wallet_that_forgets_what_it_signed_leaves_a_gap(tmp_path: Path) -> None:
    slow_then_dead = (
        "experiment: mine\ntolerances: {}\n"
        "load: {arrivals: 3/s, warm_up: 0s, before: 500ms, after: 1500ms}\n"
        "faults:\n"
        "  - {id: deaf, at: 0s, for: 1s, target: {role: node}, down: {}}\n"
        "  - {id: dead, at: 900ms, for: 500ms, target: {link: wallet}, crash: {}}\n"
    )
    kept = run_virtually(tmp_path / "kept", CHAIN, slow_then_dead)
    assert judged(kept) == {}
    lost = run_virtually(tmp_path / "lost", CHAIN.replace(SIGNED, ""), slow_then_dead)
    rules = {rule.rule: rule for rule in lost.money.rules}
    # Whatever was signed later waits behind the gap, until people look at it.
    assert rules["sequence_without_gaps"].findings > 1
    assert rules["no_orphaned_authorisation"].findings > 1
    assert rules["sent_once"].findings == 0


def test_a_ledger_that_says_it_is_full_is_asked_until_it_takes_the_same_bytes(
    tmp_path: Path,
) -> None:
    small = CHAIN.replace("    final: {after: 4}", "    final: {after: 4}\n    pool: 3")
    result = run_virtually(tmp_path, small, experiment("target: {role: ledger}, halt: {}"))
    assert judged(result) == {}
    full = "SELECT COUNT(*) FROM hop WHERE code = 'txpool is full'"
    assert selected(tmp_path, full)[0][0] != 0


def test_what_is_not_funded_is_declined(tmp_path: Path) -> None:
    poor = CHAIN.replace("funding: 5000000", "funding: 1000")
    result = run_virtually(
        tmp_path, poor, experiment("target: {role: node}, latency: {delay: 9ms}")
    )
    assert judged(result) == {}
    answers = dict(selected(tmp_path, "SELECT code, COUNT(*) FROM txn GROUP BY 1"))
    assert set(answers) == {"00", "51"}
    spent = "SELECT SUM(amount_minor) FROM movement WHERE kind = 'spent'"
    ((total,),) = selected(tmp_path, spent)
    assert isinstance(total, int)
    assert 900_000_000 < total <= 1_000_000_000


@pytest.mark.slow
def test_payouts_wait_while_no_block_becomes_final(tmp_path: Path) -> None:
    result = in_virtual_time(("stablecoin-payout", "finality-stalls"), tmp_path)
    assert judged(result) == {}
    ((since,), (until,)) = selected(tmp_path, "SELECT effective_ns FROM switch ORDER BY 1")
    assert isinstance(since, int)
    assert isinstance(until, int)

    def between(kind: str) -> int:
        moves = f"SELECT COUNT(*) FROM movement WHERE kind = '{kind}' AND at_ns BETWEEN "
        # What was final when it began is read a moment later.
        ((number,),) = selected(tmp_path, f"{moves}{since + 1_000_000_000} AND {until}")
        assert isinstance(number, int)
        return number

    # Five seconds at 10/s: all of them are in blocks, none is final, and none is lost.
    assert between("transferred") > 30
    assert between("spent") == 0
    ((mined, spent),) = selected(
        tmp_path, "SELECT SUM(kind = 'transferred'), SUM(kind = 'spent') FROM movement"
    )
    assert mined == spent


def test_what_a_node_drops_is_sent_again_until_it_is_in_a_block(tmp_path: Path) -> None:
    result = run_virtually(
        tmp_path, CHAIN, experiment("target: {link: node-provider}, drops: {share: 50%}")
    )
    assert judged(result) == {}
    ((mined, payments),) = selected(
        tmp_path,
        "SELECT (SELECT COUNT(*) FROM movement WHERE kind = 'transferred'), COUNT(*) FROM txn",
    )
    assert mined == payments
    repeats = (
        "SELECT COUNT(*) FROM hop WHERE caller = 'wallet' AND operation = 'transfer' "
        "AND result = 'approved'"
    )
    ((sent,),) = selected(tmp_path, repeats)
    assert isinstance(sent, int)
    assert isinstance(payments, int)
    assert sent > payments + 5  # about a half of 18, each several times


# Every link under some fault, and every second fault in some link.
KEPT = set(list(zip(sorted(FAULTS), cycle(LINKS)))[::2])


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "link"), only(KEPT, product(sorted(FAULTS), LINKS)))
def test_a_sound_payout_keeps_its_rules_under_every_fault(
    tmp_path: Path, fault: str, link: str
) -> None:
    # The second node works only while the first one is away.
    more = DOWN if link == "node-own" else ""
    text = standard(fault, link, after="7s").replace("faults:\n", f"faults:\n{more}")
    found = judged(run_virtually(tmp_path, CHAIN, text))
    assert not found or (link, fault) in LIES, found


def test_what_is_reserved_late_frees_nothing_that_was_declined(tmp_path: Path) -> None:
    late = CHAIN.replace("funding: 5000000", "funding: {amount: 5000000, reserves: when_final}")
    wallet = "    role: wallet\n"
    assert CHAIN.count(wallet) == CHAIN.count("funding: 5000000") == 1
    late = late.replace(wallet, wallet + '    declines: {share: 30%, code: "51"}\n')
    run_virtually(tmp_path, late, experiment("target: {link: wallet}, latency: {delay: 10ms}"))
    rows = selected(tmp_path, "SELECT kind, COUNT(*) FROM movement GROUP BY kind")
    found = {row[0]: row[1] for row in rows}
    assert "freed" not in found
    assert found["reserved"] == found["spent"] == found["transferred"]
    declined = selected(tmp_path, "SELECT COUNT(*) FROM txn WHERE outcome = 'declined'")
    assert declined != [(0,)]
