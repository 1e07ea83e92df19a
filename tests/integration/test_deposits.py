"""Deposits, purchases and withdrawals in virtual time: each twin is wrong in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.model.files import available
from paychain.model.loading import load_chain
from tests.integration.test_shipped_pairs import in_virtual_time
from tests.support.shared_runs import Pair
from tests.support.tiers import thorough
from tests.support.virtual_runs import judged, run_virtually, selected

EXCHANGE = available("chain")["exchange-deposit"].read_text()
HALT = "target: {role: ledger}, halt: {}"
LATE_CARDS = "target: {role: processor}, late_answer: {delay: 2200ms}"


def experiment(fault: str, *, lasts: str = "2s", before: str = "1s") -> str:
    return (
        "experiment: mine\ntolerances: {}\n"
        f"load: {{arrivals: 4/s, warm_up: 0s, before: {before}, after: 4s}}\n"
        f"faults:\n  - {{id: f, at: 0s, for: {lasts}, {fault}}}\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pair", "rules"),
    [
        (("exchange-deposit-one-confirmation", "deep-reorg"), {"no_credit_before_final"}),
        (("exchange-deposit-quorum-of-one", "steady"), {"no_credit_without_transfer"}),
        (("crypto-onramp-captures-first", "steady"), {"legs_balance"}),
        *map(
            thorough,
            (
                # test_payouts.py has the same twin of a payout.
                (("crypto-onramp-new-nonce", "doge-sent-again"), {"sent_once"}),
                (("exchange-deposit", "deep-reorg"), set()),
                (("crypto-onramp", "doge-sent-again"), set()),
                (("crypto-onramp-captures-first", "doge-sent-again"), {"legs_balance"}),
                (("crypto-onramp-new-nonce", "steady"), set()),
            ),
        ),
    ],
    ids=lambda value: "-on-".join(reversed(value)) if isinstance(value, tuple) else "",
)
def test_each_twin_is_wrong_in_its_own_way(tmp_path: Path, pair: Pair, rules: set[str]) -> None:
    assert set(judged(in_virtual_time(pair, tmp_path))) == rules


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "fault", "rules", "code"),
    [
        ("exchange-pauses", HALT, set(), "91"),
        ("exchange-pauses-freed", HALT, {"reservation_kept_until_dead"}, "91"),
        ("crypto-onramp-quotes", LATE_CARDS, set(), "96"),
        ("crypto-onramp-expired-quote", LATE_CARDS, {"quote_kept"}, ""),
    ],
)
def test_what_waits_is_refused_and_not_sold_late(
    tmp_path: Path, chain: str, fault: str, rules: set[str], code: str
) -> None:
    text = available("chain")[chain].read_text()
    result = run_virtually(tmp_path, text, experiment(fault, lasts="4s"))
    assert set(judged(result)) == rules
    # Those that come later than it may wait are refused, or sold to all the same.
    codes = {row[0] for row in selected(tmp_path, "SELECT code FROM txn")}
    assert codes & {"91", "96"} == {code} - {""}


@pytest.mark.thorough  # the next one shows it in less time
def test_deposits_go_on_without_the_front_end_and_withdrawals_wait(tmp_path: Path) -> None:
    result = in_virtual_time(("exchange-deposit", "cloudflare-2025-11-18"), tmp_path)
    assert judged(result) == {}
    assert result.verdict == "pass", result.reasons
    # Every transfer to the exchange was credited once, those during the outage too.
    mined = selected(
        tmp_path,
        "SELECT reference, MAX(at_ns) FROM movement WHERE kind = 'transferred' AND leg = 'in' "
        "GROUP BY 1",
    )
    credits = selected(
        tmp_path, "SELECT reference, COUNT(*) FROM movement WHERE kind = 'credited' GROUP BY 1"
    )
    assert dict(credits) == dict.fromkeys((name for name, _ in mined), 1)
    (begun,) = selected(tmp_path, "SELECT MIN(effective_ns) FROM switch")
    (healed,) = selected(tmp_path, "SELECT MAX(effective_ns) FROM switch")
    during = [at for _, at in mined if begun[0] < at < healed[0]]
    assert len(during) > 30


def test_what_is_sent_while_the_front_end_is_away_is_credited_meanwhile(tmp_path: Path) -> None:
    down = "target: {link: edge}, http_error: {status: 500}"
    result = run_virtually(tmp_path, EXCHANGE, experiment(down))
    assert judged(result) == {}
    ((healed,),) = selected(tmp_path, "SELECT MAX(effective_ns) FROM switch")
    assert isinstance(healed, int)
    credits = selected(tmp_path, "SELECT at_ns FROM movement WHERE kind = 'credited'")
    reserved = selected(tmp_path, "SELECT at_ns FROM movement WHERE kind = 'reserved'")
    began = healed - 2_000_000_000
    assert any(began < at < healed for (at,) in credits if isinstance(at, int))
    # Nobody can ask for a withdrawal, and those who wanted one get it afterwards.
    assert not any(began < at < healed for (at,) in reserved if isinstance(at, int))
    assert {row[0] for row in selected(tmp_path, "SELECT outcome FROM txn")} == {"approved"}


@pytest.mark.slow
def test_an_exchange_whose_nodes_are_away_credits_afterwards(tmp_path: Path) -> None:
    away = "targets: [{link: node-provider}, {link: node-own}], http_error: {status: 503}"
    result = run_virtually(tmp_path, EXCHANGE, experiment(away, lasts="3s"))
    assert judged(result) == {}
    ((healed,),) = selected(tmp_path, "SELECT MAX(effective_ns) FROM switch")
    late = selected(
        tmp_path, f"SELECT COUNT(*) FROM movement WHERE kind = 'credited' AND at_ns > {healed}"
    )
    assert late[0][0] != 0


@pytest.mark.slow
def test_an_exchange_that_loses_its_books_credits_twice(tmp_path: Path) -> None:
    lost = "target: {link: exchange}, crash: {forgets: true}"
    result = run_virtually(tmp_path, EXCHANGE, experiment(lost, lasts="500ms", before="3s"))
    assert "credited_once" in {rule.rule for rule in result.money.rules if rule.findings}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "target: {role: ledger}, halt: {}",
        "target: {link: exchange}, crash: {}",
        "target: {link: node-public}, lost_answer: {}",
        # One node of three says something else, or nothing.
        "target: {link: node-third}, wrong_answer: {says: another_payment}",
        *map(
            thorough,
            (
                "target: {role: node}, stale_answer: {}",
                "target: {link: node-provider}, crash: {}",
                "target: {hop: node-provider -> base}, blackhole: {}",
                "target: {link: depositors}, crash: {}",
                "target: {link: exchange}, duplicate_request: {}",
                "target: {link: node-own}, stale_answer: {}",
            ),
        ),
    ],
)
def test_a_sound_exchange_keeps_its_rules(tmp_path: Path, fault: str) -> None:
    assert judged(run_virtually(tmp_path, EXCHANGE, experiment(fault))) == {}


@pytest.mark.parametrize(
    ("chain", "nodes"),
    [
        ("toncoin-payment", ["node-provider"]),  # the one that the shop believes
        thorough(("exchange-deposit", ["node-provider", "node-own"])),  # two of the three
    ],
)
def test_what_the_rest_had_meanwhile_is_credited_after_a_fork(
    tmp_path: Path, chain: str, nodes: list[str]
) -> None:
    targets = ", ".join(f"{{link: {name}}}" for name in nodes)
    fork = experiment(f"targets: [{targets}], fork: {{}}", lasts="3s")
    result = run_virtually(tmp_path, available("chain")[chain].read_text(), fork)
    assert judged(result) == {}
    ((during,),) = selected(
        tmp_path,
        "SELECT COUNT(*) FROM movement WHERE kind = 'transferred' AND leg = 'in' AND at_ns BETWEEN "
        "(SELECT MIN(effective_ns) FROM switch) AND (SELECT MAX(effective_ns) FROM switch)",
    )
    assert during > 2


def test_a_deposit_that_is_reverted_in_its_next_block_is_not_credited(tmp_path: Path) -> None:
    """It was seen in a block, which is replaced; the next block that has it has it as failed."""
    fault = (
        "target: {role: ledger}, reverts: {}}\n"
        "  - {id: g, at: 0s, for: 500ms, target: {role: ledger}, reorg: {depth: 30, returns: 100%}"
    )
    assert judged(run_virtually(tmp_path, EXCHANGE, experiment(fault))) == {}
    ((again,),) = selected(
        tmp_path,
        "SELECT COUNT(*) FROM movement JOIN decision ON detail = reference "
        "WHERE movement.kind = 'undone' AND decision.kind = 'reverted' AND leg = 'in'",
    )
    assert again != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "fault", "rules"),
    [
        thorough(("crypto-onramp", "http_error: {status: 500}", set())),
        ("crypto-onramp", "stale_answer: {}", set()),
        ("crypto-onramp-stale-price", "http_error: {status: 500}", {"no_stale_price"}),
        thorough(("crypto-onramp-stale-price", "stale_answer: {}", {"no_stale_price"})),
    ],
)
def test_nothing_is_sold_at_an_old_price(
    tmp_path: Path, chain: str, fault: str, rules: set[str]
) -> None:
    text = available("chain")[chain].read_text()
    away = experiment(f"target: {{link: oracle}}, {fault}", lasts="3s")
    assert set(judged(run_virtually(tmp_path, text, away))) == rules


@pytest.mark.parametrize(
    ("chain", "rules"),
    [
        ("crypto-onramp", set()),
        ("crypto-onramp-absurd-price", {"price_within_bounds"}),
    ],
)
def test_nothing_is_sold_at_an_absurd_price(tmp_path: Path, chain: str, rules: set[str]) -> None:
    result = in_virtual_time((chain, "absurd-price"), tmp_path)
    assert set(judged(result)) == rules
    (during,) = (each for each in result.phases if each.kind == "fault")
    # Whoever checks sells nothing meanwhile, but what was quoted before is delivered.
    assert (during.approved < 10) is (not rules)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "target: {role: ledger}, reorg: {depth: 50, returns: 50%}",
        "target: {link: onramp}, crash: {}",
        "target: {link: processor-a}, late_answer: {delay: 4s}",
        "target: {link: wallet}, lost_answer: {}",
        *map(
            thorough,
            (
                "target: {role: ledger}, halt: {}",
                "target: {link: wallet}, crash: {}",
                "target: {link: processor-a}, lost_answer: {}",
                "target: {link: scheme}, http_error: {status: 500}",
                "target: {role: node}, lost_answer: {}",
                "target: {link: edge}, duplicate_request: {}",
                "target: {link: issuer}, lost_answer: {}",
            ),
        ),
    ],
)
def test_a_sound_onramp_keeps_its_rules(tmp_path: Path, fault: str) -> None:
    text = available("chain")["crypto-onramp"].read_text()
    assert judged(run_virtually(tmp_path, text, experiment(fault))) == {}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["steady", "cloudflare-2025-11-18"])
def test_toncoin_reaches_the_shop_once(tmp_path: Path, name: str) -> None:
    assert judged(in_virtual_time(("toncoin-payment", name), tmp_path)) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "rule", "kind", "payments"),
    [
        ("exchange-deposit-one-confirmation", "no_credit_before_final", "reorg", 5),
        # One of the two nodes lies all the time: any fault will do.
        thorough(("exchange-deposit-quorum-of-one", "no_credit_without_transfer", "reorg", 5)),
        thorough(("crypto-onramp-new-nonce", "sent_once", "lost_answer", 5)),
        thorough(("crypto-onramp-stale-price", "no_stale_price", "http_error", 15)),
        thorough(("crypto-onramp-absurd-price", "price_within_bounds", "price_jump", 5)),
    ],
)
def test_the_search_finds_what_is_wrong(chain: str, rule: str, kind: str, payments: int) -> None:
    spec = SearchSpec(
        load_chain(chain).model,
        budget_s=float("inf"),
        max_schedules=1_000,
        payments=payments,
        rate=5,
        rules=(rule,),
        kinds=(kind,),
    )
    assert len(search(spec, lambda _: None).found[rule].schedule) == 1
