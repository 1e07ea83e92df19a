"""Each chain that is wrong on purpose fails for its reason and no other, and its review says so.

A twin differs from a sound chain in one mistake. What the mistake breaks, in the experiment that is
there to show it, is all that is broken, and the review of the twin has the finding that predicts
it. The sound chain breaks no rule under the same experiment, and its review has no such finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from paychain.model.files import available
from paychain.model.loading import load_chain
from paychain.model.review import review
from paychain.report.result import Result
from tests.integration.test_shipped_pairs import in_virtual_time
from tests.support.cli import paychain
from tests.support.runs import broken_rules, result_of
from tests.support.virtual_runs import broken, run_virtually

ORACLE_AWAY = """\
experiment: mine
tolerances: {}
load: {arrivals: 6/s, warm_up: 0s, before: 1s, after: 7s}
faults: [{id: f, at: 0s, for: 3s, target: {link: oracle}, http_error: {status: 500}}]
"""
WRONG = re.compile(r"deliberately wrong|fails on purpose|with one mistake", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """What one chain is there to show.

    `rules`: the money rules that its mistake breaks, that of its reason first; none for a mistake
    that costs payments and no money: then a tolerance fails. `finding`: what its review predicts.
    `sound`: the chain without the mistake, "" where none is shipped.
    """

    experiment: str
    rules: tuple[str, ...]
    finding: str
    sound: str = ""


UNPAID = ("no_approval_without_money", "legs_balance")
# What follows a nonce that is missing waits for it.
WAITING = ("sequence_without_gaps", "no_orphaned_authorisation")
TWINS = {
    "card-eager-retries": Twin(
        experiment="scheme-recovers",
        rules=(),
        finding="amplified_retries",
        sound="card-single-provider",
    ),
    "card-gift-card": Twin(
        experiment="steady",
        rules=("no_orphaned_authorisation",),
        finding="tenders_not_compensated",
    ),
    "card-gives-up": Twin(
        experiment="processor-lost-answers",
        # What was left unknown is what was charged again.
        rules=("no_double_charge", "unknowns_resolved"),
        finding="failover_on_unknown",
        sound="card-ecommerce",
    ),
    "card-naive-webhooks": Twin(
        experiment="steady",
        rules=("repeats_without_effect",),
        finding="webhook_not_deduplicated",
    ),
    "card-no-keys": Twin(
        experiment="requests-arrive-twice",
        rules=("no_double_charge",),
        finding="no_idempotency",
    ),
    "card-one-pool": Twin(
        experiment="discover-2023-02-06",
        rules=(),
        finding="shared_pool",
        sound="card-pool-per-scheme",
    ),
    "card-overload": Twin(
        experiment="overload",
        rules=(),
        finding="retries_without_budget",
        sound="card-overload-budget",
    ),
    "card-refund-race": Twin(
        experiment="steady", rules=("refunded_within_captured",), finding="refunds_unchecked"
    ),
    "card-retries-anew": Twin(
        experiment="errors-after-work",
        rules=("no_double_charge",),
        finding="retry_without_key",
    ),
    "card-skewed-clock": Twin(
        experiment="steady", rules=("authorisations_settled",), finding="webhook_refused"
    ),
    "card-trace-wraps": Twin(
        experiment="stan-wrap",
        # The answer is about another payment: its amount is wrong, and nothing can be captured.
        rules=("no_approval_without_money", "amounts_equal", "completed"),
        finding="trace_used_twice",
        sound="card-trace-numbers",
    ),
    "card-void-breaker": Twin(
        experiment="processor-lost-answers",
        rules=("no_orphaned_authorisation", "unknowns_resolved"),
        finding="reversal_behind_breaker",
    ),
    "card-wrong-decimals": Twin(
        experiment="steady",
        rules=("amounts_equal", "money_conserved"),
        finding="wrong_decimals",
    ),
    "checkout-page-captcha-closed": Twin(
        experiment="cloudflare-2025-11-18",
        rules=(),
        finding="third_party_in_the_way",
        sound="checkout-page",
    ),
    "checkout-page-vault-open": Twin(
        experiment="basis-theory-2025-11-18",
        rules=("closed_calls_stay_closed",),
        finding="closed_call_skipped",
        sound="checkout-page",
    ),
    "crypto-onramp-absurd-price": Twin(
        experiment="absurd-price",
        rules=("price_within_bounds",),
        finding="stale_price",
        sound="crypto-onramp",
    ),
    "crypto-onramp-captures-first": Twin(
        experiment="steady",
        rules=("legs_balance",),
        finding="captured_before_transfer",
        sound="crypto-onramp",
    ),
    "crypto-onramp-expired-quote": Twin(
        experiment="expired-quotes",
        rules=("quote_kept",),
        finding="stale_price",
        sound="crypto-onramp-quotes",
    ),
    "crypto-onramp-new-nonce": Twin(
        experiment="doge-sent-again",
        rules=("sent_once",),
        finding="signed_twice",
        sound="crypto-onramp",
    ),
    "crypto-onramp-stale-price": Twin(
        experiment=ORACLE_AWAY,
        rules=("no_stale_price",),
        finding="stale_price",
        sound="crypto-onramp",
    ),
    "depin-many-gateway": Twin(
        experiment="zones-one-by-one",
        rules=(),
        finding="single_link",
        sound="depin-many",
    ),
    "exchange-deposit-by-block": Twin(
        experiment="deep-reorg",
        rules=("credited_once",),
        finding="deposit_known_by_block",
        sound="exchange-deposit",
    ),
    "exchange-deposit-memory": Twin(
        experiment="exchange-crashes",
        # Withdrawals in progress are lost together with the deposits.
        rules=(
            "deposits_credited",
            "reported_once_and_right",
            "legs_balance",
            "no_orphaned_authorisation",
        ),
        finding="memory_outbox",
        sound="exchange-deposit",
    ),
    "exchange-deposit-one-confirmation": Twin(
        experiment="deep-reorg",
        rules=("no_credit_before_final",),
        finding="credited_early",
        sound="exchange-deposit",
    ),
    "exchange-deposit-quorum-of-one": Twin(
        experiment="steady",
        rules=("no_credit_without_transfer",),
        finding="split_quorum",
        sound="exchange-deposit",
    ),
    "exchange-pauses-freed": Twin(
        experiment="paused-withdrawals",
        rules=("reservation_kept_until_dead",),
        finding="freed_early",
        sound="exchange-pauses",
    ),
    "pix-lookups-retried": Twin(
        experiment="dict-lockout",
        rules=(),
        finding="lookups_used_up",
        sound="pix-lookups",
    ),
    "sepa-instant-keeps-rejected": Twin(
        experiment="slow-payee-bank",
        rules=("debit_equals_credit",),
        finding="rejected_credit_kept",
        sound="sepa-instant",
    ),
    "sepa-instant-late-dropped": Twin(
        experiment="confirmed-after-ten-seconds",
        rules=("held_not_lost",),
        finding="late_answer_dropped",
        sound="sepa-instant",
    ),
    "sepa-instant-returns-twice": Twin(
        experiment="recalls-unanswered",
        rules=("returned_within_moved",),
        finding="returned_again",
        sound="sepa-instant-recalls",
    ),
    "stablecoin-payout-any-network": Twin(
        experiment="wrong-network",
        rules=(*UNPAID, *WAITING),
        finding="network_not_checked",
        sound="stablecoin-payout",
    ),
    "stablecoin-payout-any-receipt": Twin(
        experiment="reverted-transfers",
        rules=UNPAID,
        finding="receipt_not_checked",
        sound="stablecoin-payout",
    ),
    "stablecoin-payout-frees-early": Twin(
        experiment="restored-balances",
        rules=("reservation_kept_until_dead",),
        finding="freed_early",
        sound="stablecoin-payout",
    ),
    "stablecoin-payout-new-nonce": Twin(
        experiment="doge-sent-again",
        rules=("sent_once",),
        finding="signed_twice",
        sound="stablecoin-payout",
    ),
    "stablecoin-payout-reserves-late": Twin(
        experiment="steady",
        rules=("no_payout_without_funding",),
        finding="reserved_late",
        sound="stablecoin-payout",
    ),
    "stablecoin-payout-replaced-anew": Twin(
        experiment="fee-spike",
        rules=("sent_once",),
        finding="signed_twice",
        sound="stablecoin-payout-replaced",
    ),
    "status-checks-storm": Twin(
        experiment="upi-2025-04-12",
        # The storm keeps the switch down for longer than the app asks.
        rules=("asks_within_limits", "unknowns_resolved", "no_orphaned_authorisation"),
        finding="query_too_often",
        sound="status-checks",
    ),
    "upi-payment-deemed-failed": Twin(
        experiment="deemed-transfers",
        rules=("debit_equals_credit",),
        finding="deemed_believed",
        sound="upi-payment",
    ),
    "upi-payment-deemed-paid": Twin(
        experiment="deemed-transfers",
        rules=("reported_once_and_right",),
        finding="deemed_believed",
        sound="upi-payment",
    ),
    "upi-payment-double-credit": Twin(
        experiment="credits-twice",
        rules=("debit_equals_credit",),
        finding="double_credit_kept",
        sound="upi-payment",
    ),
    "upi-payment-keeps-returned": Twin(
        experiment="late-credits",
        rules=("debit_equals_credit",),
        finding="rejected_credit_kept",
        sound="upi-payment",
    ),
    "toncoin-payout-new-seqno": Twin(
        experiment="doge-sent-again",
        rules=("sent_once",),
        finding="signed_twice",
        sound="toncoin-payout",
    ),
    "toncoin-payout-any-message": Twin(
        experiment="steady",
        rules=UNPAID,
        finding="receipt_not_checked",
        sound="toncoin-payout",
    ),
}


# What each of them breaks no other real run shows; those of the outage story are run by its bench.
FOR_REAL = (
    "crypto-onramp-absurd-price",
    "crypto-onramp-captures-first",
    "crypto-onramp-expired-quote",
    "crypto-onramp-stale-price",
    "exchange-deposit-by-block",
    "exchange-deposit-one-confirmation",
    "exchange-deposit-quorum-of-one",
    "sepa-instant-returns-twice",
    "stablecoin-payout-reserves-late",
    "toncoin-payout-any-message",
    "toncoin-payout-new-seqno",
    "upi-payment-deemed-failed",
    "upi-payment-deemed-paid",
    "upi-payment-double-credit",
    "upi-payment-keeps-returned",
)


def wrong_on_purpose() -> list[str]:
    """The shipped chains that say of themselves that they are wrong."""
    chains = sorted(available("chain").items())
    return [name for name, path in chains if WRONG.search(path.read_text())]


def found(chain: str, experiment: str, folder: Path) -> Result:
    folder.mkdir()
    if experiment == ORACLE_AWAY:
        result = run_virtually(folder, available("chain")[chain].read_text(), ORACLE_AWAY)
    else:
        result = in_virtual_time((chain, experiment), folder)
    assert result.verdict != "inconclusive", result.reasons
    assert result.money.undecided == 0
    return result


def predicted(chain: str) -> set[tuple[str, str]]:
    """What a review finds that the chain does not accept, and where."""
    findings = review(load_chain(chain))
    return {(finding.kind, finding.at) for finding in findings if not finding.accepted}


def test_each_chain_that_is_wrong_has_its_reason_here() -> None:
    assert wrong_on_purpose() == sorted(TWINS)


@pytest.mark.parametrize("name", sorted(TWINS))
def test_the_review_predicts_what_is_wrong(name: str) -> None:
    twin = TWINS[name]
    of_sound = predicted(twin.sound) if twin.sound else set()
    assert twin.finding in {kind for kind, _ in predicted(name) - of_sound}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TWINS))
def test_each_is_wrong_for_its_reason_and_no_other(tmp_path: Path, name: str) -> None:
    twin = TWINS[name]
    result = found(name, twin.experiment, tmp_path / "twin")
    assert result.verdict == "fail", result.reasons
    assert set(broken(result)) == set(twin.rules)
    if twin.sound:
        sound = found(twin.sound, twin.experiment, tmp_path / "sound")
        assert sound.verdict == "pass", sound.reasons
        assert broken(sound) == {}


@pytest.mark.thorough
@pytest.mark.long(120)
@pytest.mark.parametrize("name", FOR_REAL)
def test_each_breaks_the_same_rules_for_real(tmp_path: Path, name: str) -> None:
    twin = TWINS[name]
    experiment = twin.experiment
    if experiment == ORACLE_AWAY:
        (tmp_path / "mine.yaml").write_text(ORACLE_AWAY)
        experiment = "mine.yaml"
    paychain(tmp_path, "run", name, experiment, "--seed", "1")
    assert broken_rules(result_of(tmp_path, "reports")) == set(twin.rules)
