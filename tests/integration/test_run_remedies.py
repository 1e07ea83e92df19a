"""A run names what to change, and with that change its finding is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.measures import MoneyRule
from paychain.model.files import available
from paychain.model.review.remedy import Remedy
from paychain.report.result import Result, read
from paychain.report.text.terminal import terminal_lines
from paychain.runs.by_name import run
from tests.support.chains import experiment, shop
from tests.support.paths import ROOT
from tests.support.remedies import follow
from tests.support.runs import declare
from tests.support.tiers import thorough

LOST = "{id: lost, at: 0s, for: 1s, target: {link: processor-a}, lost_answer: {share: 50%}}"
DOWN = "{id: down, at: 0s, for: 2s, target: {link: processor-a}, down: {}}"
SHOP = {"answers_at_once": True}
TWO_GATEWAYS = """\
chain: two-gateways
deadline: 8s
entry: front
links:
  front: {role: edge, calls: {forward: {to: gateway-a, timeout: 3s, fallback: [{to: gateway-b}]}}}
  gateway-a: {role: gateway, calls: {authorise: {to: psp-a, timeout: 2s, on_unknown: reverse}}}
  gateway-b: {role: gateway, calls: {authorise: {to: psp-b, timeout: 2s, on_unknown: reverse}}}
  psp-a: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  psp-b: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
ONE_PATH = """\
chain: one-path
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: processor-a, timeout: 1s, on_unknown: reverse}}}
  processor-a: {role: processor, calls: {authorise: {to: issuer, timeout: 500ms,
      on_unknown: reverse}}}
  issuer: {role: issuer}
"""


def played(folder: Path) -> Result:
    return run("shop.yaml", "quick.yaml", out=folder / "runs", virtual=True).result


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"on_unknown": "give_up"}, "no_double_charge"),
        ({"on_unknown": "give_up", "processors": ("processor-a",)}, "no_orphaned_authorisation"),
        (
            {
                "processors": ("processor-a",),
                "processor": {"idempotency": "none"},
                "authorise": {"retry": {"on": ["timeout"]}},
                "deadline": "9s",
            },
            "no_double_charge",
        ),
    ],
    ids=["failover on unknown", "unknown left open", "retry without key"],
)
def test_the_remedy_of_a_broken_money_rule_makes_it_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = experiment(LOST, arrivals="20/s")
    declare(tmp_path, shop=shop(**{**SHOP, **changes}), quick=quick)  # type: ignore[arg-type]  # values of many types
    before = played(tmp_path)
    broken = {found.rule: found for found in before.money.rules if found.passed is False}
    remedies = broken[rule].remedies
    assert remedies
    first = remedies[0]
    assert first.of == rule
    assert first.cause
    (line,) = (line for line in terminal_lines(before) if line.endswith(f"at {first.at}: {first}"))
    assert rule in line.partition(" at ")[0]
    for remedy in remedies:
        follow(remedy, Path(remedy.file))
    after = {found.rule: found for found in played(tmp_path).money.rules}
    assert after[rule].passed, after[rule]


def test_a_success_that_fell_short_names_the_call_that_has_no_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    judged = experiment(DOWN, arrivals="20/s", tolerances='{technical_success: ">= 99%"}')
    declare(tmp_path, shop=shop(processors=("processor-a",), **SHOP), quick=judged)  # type: ignore[arg-type]  # values of many types
    (limit,) = played(tmp_path).tolerances
    second, fallback = limit.remedies
    assert second.key == "links.processor-a-2"
    added = "add to links.gateway.calls.authorise.fallback: {to: processor-a-2}"
    assert str(fallback).endswith(added)
    for remedy in limit.remedies:
        follow(remedy, Path(remedy.file))
    (limit,) = played(tmp_path).tolerances
    assert limit.passed, limit


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        ("fallback: [{to: gateway-b}]", "lost_answer: {share: 50%}"),
        # Both gateways answer: no outcome is unknown.
        ("hedge: {after: 200ms, to: gateway-b}", "slow_answer: {delay: 700ms}"),
    ],
    ids=["failover", "hedge"],
)
def test_a_forward_to_another_processor_is_remedied_by_a_reversal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lost = f"{{id: lost, at: 0s, for: 1s, target: {{link: gateway-a}}, {fault}}}"
    gateways = TWO_GATEWAYS.replace("fallback: [{to: gateway-b}]", second)
    declare(tmp_path, shop=gateways, quick=experiment(lost, arrivals="20/s"))
    before = {found.rule: found for found in played(tmp_path).money.rules}
    (remedy,) = before["no_double_charge"].remedies
    assert str(remedy).endswith("set links.front.calls.forward.on_unknown: reverse")
    assert (remedy.at, remedy.cause) == ("front.forward", "failover_on_unknown")
    follow(remedy, Path(remedy.file))
    assert all(found.passed for found in played(tmp_path).money.rules)


def test_prices_outside_their_bounds_are_remedied_by_checking_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jump = available("experiment")["absurd-price"].read_text()
    onramp = available("chain")["crypto-onramp-absurd-price"].read_text()
    declare(tmp_path, shop=onramp, quick=jump)
    (broken,) = (found for found in played(tmp_path).money.rules if found.passed is False)
    (remedy,) = broken.remedies
    assert broken.rule == "price_within_bounds"
    assert str(remedy).endswith("set links.onramp.price.checked: true")
    follow(remedy, Path(remedy.file))
    assert all(found.passed is not False for found in played(tmp_path).money.rules)


def test_wrong_decimals_are_remedied_where_they_are_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = shop(processor={"exponent": 0}, **SHOP)  # type: ignore[arg-type]  # values of many types
    declare(tmp_path, shop=wrong, quick=experiment(arrivals="20/s"))
    broken = {found.rule: found for found in played(tmp_path).money.rules if not found.passed}
    remedies = broken["amounts_equal"].remedies
    assert {remedy.at for remedy in remedies} == {"processor-a", "processor-b"}
    for remedy in reversed(remedies):  # from the end, so that the lines of the others stay
        follow(remedy, Path(remedy.file))
    assert all(found.passed for found in played(tmp_path).money.rules)


@pytest.mark.parametrize(
    ("changes", "faults", "rule", "remedied"),
    [
        (
            [("on_unknown: reverse}", "on_unknown: reverse, QUEUE}")],
            [DOWN],
            "no_approval_without_money",
            "set links.gateway.calls.authorise.fallback[0].queue.within: 60s",
        ),
        (
            [
                ("on_unknown: reverse}", "on_unknown: reverse, fallback: [{queue: {}}]}"),
                ("{role: issuer}", "{role: issuer, declines: {share: 100%}}"),
            ],
            [DOWN],
            "no_approval_without_money",
            "remove links.gateway.calls.authorise.fallback[0]",
        ),
        (
            [],
            [
                LOST,
                "{at: 1s, for: 2s, target: {link: processor-a}, http_error: {}}",
                "{at: 2500ms, for: 200ms, target: {link: gateway}, crash: {}}",
            ],
            "no_orphaned_authorisation",
            "set links.gateway.outbox: disk",
        ),
        (
            [("{role: gateway,", "{role: gateway, captures: {after: 1s},")],
            ["{at: 1500ms, for: 200ms, target: {link: gateway}, crash: {}}"],
            "authorisations_settled",
            "set links.gateway.outbox: disk",
        ),
        (
            [("role: processor,", "role: processor, webhooks: {to: gateway, clock_skew: 6m},")],
            [LOST],
            "authorisations_settled",
            "remove links.processor-a.webhooks.clock_skew",
        ),
        (
            [
                ("role: gateway,", "role: gateway, captures: {'on': webhook},"),
                ("role: processor,", "role: processor, webhooks: {to: gateway},"),
                ("on_unknown: reverse}", "on_unknown: reverse, fallback: [{to: standby}]}"),
                (
                    "  issuer:",
                    "  standby: {role: processor, calls: {authorise: {to: issuer}}}\n  issuer:",
                ),
            ],
            [DOWN],
            "authorisations_settled",
            "set links.standby.webhooks: {to: gateway}",
        ),
    ],
    ids=[
        "stored and given up",
        "stored and declined",
        "reversals lost",
        "captures lost",
        "webhooks too old",
        "webhooks not sent",
    ],
)
def test_what_was_never_delivered_is_remedied_where_it_waited(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: list[tuple[str, str]],
    faults: list[str],
    rule: str,
    remedied: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = ONE_PATH
    for old, new in changes:
        text = text.replace(old, new.replace("QUEUE", "fallback: [{queue: {within: 500ms}}]"), 1)
    declare(tmp_path, shop=text, quick=experiment(*faults, arrivals="10/s"))
    before = {found.rule: found for found in played(tmp_path).money.rules}
    first = before[rule].remedies[0]
    assert str(first).endswith(remedied)
    follow(first, Path(first.file))
    after = {found.rule: found for found in played(tmp_path).money.rules}
    assert after[rule].passed, after[rule]


@pytest.mark.slow
def test_a_fail_back_that_took_too_long_is_remedied_at_its_breaker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    breaker = {"window": "2s", "minimum_calls": 5, "open_for": "9s", "probes": 1}
    late = shop(authorise={"breaker": breaker}, **SHOP)  # type: ignore[arg-type]  # values of many types
    judged = experiment(
        DOWN.replace("2s", "5s"), arrivals="20/s", after="20s", tolerances='{failback: "<= 4s"}'
    )
    declare(tmp_path, shop=late, quick=judged)
    (limit,) = played(tmp_path).tolerances
    assert limit.passed is False, limit
    (remedy,) = limit.remedies
    assert str(remedy).endswith("set links.gateway.calls.authorise.breaker.open_for: 2s")
    follow(remedy, Path(remedy.file))
    (limit,) = played(tmp_path).tolerances
    assert limit.passed, limit


# Shipped chains with a deliberate mistake, and an experiment that shows it.
MISTAKES = [
    ("card-gives-up", "processor-lost-answers", "no_double_charge"),
    ("card-void-breaker", "processor-lost-answers", "no_orphaned_authorisation"),
    *(
        thorough(pair)
        for pair in (
            ("card-no-keys", "requests-arrive-twice", "no_double_charge"),
            ("card-retries-anew", "errors-after-work", "no_double_charge"),
            ("card-naive-webhooks", "steady", "repeats_without_effect"),
            ("card-refund-race", "steady", "refunded_within_captured"),
            ("card-skewed-clock", "steady", "authorisations_settled"),
            ("card-trace-wraps", "stan-wrap", "no_approval_without_money"),
            ("card-wrong-decimals", "steady", "amounts_equal"),
            ("card-wrong-decimals", "steady", "money_conserved"),
            ("card-gift-card", "processor-down", "no_orphaned_authorisation"),
            ("checkout-page-vault-open", "basis-theory-2025-11-18", "closed_calls_stay_closed"),
            ("crypto-onramp-captures-first", "fee-spike", "legs_balance"),
            ("crypto-onramp-expired-quote", "expired-quotes", "quote_kept"),
            ("exchange-deposit-one-confirmation", "deep-reorg", "no_credit_before_final"),
            ("exchange-deposit", "lying-nodes", "sequence_without_gaps"),
            ("exchange-deposit-quorum-of-one", "lying-nodes", "no_credit_without_transfer"),
            ("exchange-pauses-freed", "paused-withdrawals", "reservation_kept_until_dead"),
            ("stablecoin-payout-any-network", "wrong-network", "no_approval_without_money"),
            ("stablecoin-payout-frees-early", "restored-balances", "reservation_kept_until_dead"),
            ("stablecoin-payout-new-nonce", "doge-sent-again", "sent_once"),
            ("stablecoin-payout-replaced-anew", "fee-spike", "sent_once"),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "story", "rule"), MISTAKES)
def test_the_first_remedy_of_a_shipped_mistake_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: str, story: str, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(available("chain")[chain].read_text("utf-8"))

    def judged() -> MoneyRule:
        result = run("chain.yaml", story, out=tmp_path / "runs", virtual=True).result
        return next(found for found in result.money.rules if found.rule == rule)

    before = judged()
    assert before.passed is False
    first = before.remedies[0]
    assert (first.of, first.file, first.action != "code") == (rule, "chain.yaml", True)
    follow(first, Path(first.file))
    assert judged().passed, first


def test_what_is_lost_with_the_disk_has_no_remedy_in_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    captures = ONE_PATH.replace("{role: gateway,", "{role: gateway, captures: {after: 1s},")
    lost = "{at: 1500ms, for: 200ms, target: {link: gateway}, crash: {forgets: true}}"
    declare(tmp_path, shop=captures, quick=experiment(lost, arrivals="10/s"))
    found = {found.rule: found for found in played(tmp_path).money.rules}["authorisations_settled"]
    assert (found.passed, found.remedies) == (False, [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, thorough(2)])
def test_the_remedy_of_the_sample_makes_its_rule_and_tolerance_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("chain.yaml")
    file.write_text(available("chain")["card-single-provider"].read_text("utf-8"))

    def played_again() -> Result:
        story = "aws-us-east-1-2025-10-20"
        return run("chain.yaml", story, out=tmp_path / "runs", virtual=True, seed=seed).result

    before = played_again()
    sample = read(ROOT / "reports/sample")
    named = {f"{each.key}: {each.value}" for each in remedies_of(sample)}
    assert {f"{each.key}: {each.value}" for each in remedies_of(before)} == named
    assert [rule.rule for rule in before.money.rules if rule.passed is False] == [
        "no_orphaned_authorisation"
    ]
    limits = [limit.id for limit in before.tolerances if limit.passed is False]
    assert limits == ["technical_success.during"]
    follow(remedies_of(before)[0], file)
    after = played_again()
    assert after.verdict == "pass", terminal_lines(after)


def remedies_of(result: Result) -> list[Remedy]:
    """What to change for the broken money rules and tolerances of a run."""
    broken = [*result.money.rules, *result.tolerances]
    return [remedy for each in broken for remedy in each.remedies]
