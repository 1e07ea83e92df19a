"""Shipped pairs of chain and experiment: what each is there to show, all in virtual time.

One pair of each kind runs for real as well: of pools, a breaker that reversals share, a failover
that charges twice, late answers, webhooks, the life of payments, and standing in; what CI runs of
them is in test_virtual.py, and the webhooks of the examples' shops are real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.analysis.measures.measures import FallbackMeasure, Phase
from paychain.model.files import available
from paychain.model.loading import load_chain, load_experiment
from paychain.report.result import Result, read
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.runs import declare
from tests.support.shared_runs import TEST_S, Pair, begun, finished_run

# Arrivals in virtual time where what is shown does not hang on how many payments there are.
FEWER = {
    "steady": ("40/s", "10/s"),
    "base-2025-08-05": ("10/s", "5/s"),
    "basis-theory-2025-11-18": ("40/s", "8/s"),
    "cloudflare-2025-11-18": ("40/s", "15/s"),
    "captures-lost": ("20/s", "10/s"),
    "visa-europe-2018-06-01": ("40/s", "20/s"),
}


def shipped(
    chain: str, experiment: str, *, tier: str = "", for_real: str = ""
) -> pytest.MarkDecorator:
    """The test takes the `result` of an experiment on a chain, of a virtual and of a real run.

    `tier`: of the virtual run, slow where it takes seconds, thorough where a quicker pair, or
    another test, shows the same behaviour. `for_real`: of the real run, if there is one.
    """
    pair = chain, experiment
    ways = [
        pytest.param(
            ("virtual", pair), id="virtual", marks=[getattr(pytest.mark, tier)] if tier else []
        )
    ]
    if for_real:
        marks = [getattr(pytest.mark, for_real), pytest.mark.timeout(TEST_S)]
        ways.append(pytest.param(("real", pair), id="real", marks=marks))
    return pytest.mark.parametrize("result", ways, indirect=True)


def in_virtual_time(pair: Pair, folder: Path) -> Result:
    """The result of a pair, with fewer payments where that shows as much."""
    chain, name = load_chain(pair[0]), pair[1]
    if name in FEWER:
        usual, fewer = FEWER[name]
        text = available("experiment")[name].read_text("utf-8")
        assert f"arrivals: {usual}" in text
        declare(folder, **{name: text.replace(usual, fewer)})
        name = str(folder / f"{name}.yaml")
    experiment = load_experiment(name, chain.model)
    spec = RunSpec(chain=chain, experiment=experiment, out=folder, virtual=True)
    return run(spec, chain_of(spec)).result


@pytest.fixture(scope="module")
def real_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of the real runs of all tests that were chosen."""
    chosen = [
        item.callspec.params["result"]
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function)
    ]
    pairs = [pair for way, pair in chosen if way == "real"]
    with begun(pairs, tmp_path_factory) as shared:
        yield shared


@pytest.fixture
def result(request: pytest.FixtureRequest, tmp_path: Path) -> Result:
    way, pair = request.param
    if way == "real":
        found = read(finished_run(pair, request.getfixturevalue("real_runs")))
    else:
        found = in_virtual_time(pair, tmp_path)
    assert found.verdict != "inconclusive", found.reasons
    return found


def broken(result: Result) -> dict[str, int]:
    return {rule.rule: rule.findings for rule in result.money.rules if rule.findings}


def during(result: Result) -> Phase:
    return next(phase for phase in result.phases if phase.name == "during")


def success(result: Result) -> float:
    found = during(result).technical_success
    assert found is not None
    return found


def fallback(result: Result, to: str) -> FallbackMeasure:
    return next(each for each in result.fallbacks if each.to == to)


@shipped("checkout-page", "cloudflare-2025-11-18", tier="slow")
def test_a_page_goes_on_without_what_only_helps(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert broken(result) == {}
    # Only what is too much without a captcha is lost.
    assert {(group.operation, group.failure) for group in result.breaks} == {
        ("serve-captcha", "not_tried")
    }
    risks = {risk.call: risk for risk in result.risks}
    assert set(risks) == {"gateway.serve-captcha", "gateway.serve-x-login"}
    assert risks["gateway.serve-captcha"].text == "approved without captcha"
    assert risks["gateway.serve-captcha"].amount > 0


@shipped("checkout-page", "basis-theory-2025-11-18", tier="thorough")
def test_a_second_route_past_the_edge_loses_no_payment(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert result.breaks == []
    assert fallback(result, "vault-direct").activations > 50
    assert result.risks == []


@shipped("checkout-page-captcha-closed", "cloudflare-2025-11-18", tier="thorough")
def test_a_captcha_in_the_way_stops_every_sale(result: Result) -> None:
    assert result.verdict == "fail"
    assert success(result) < 0.5
    assert broken(result) == {}
    assert {(group.caller, group.callee) for group in result.breaks} == {("gateway", "captcha")}


@shipped("checkout-page-vault-open", "basis-theory-2025-11-18", tier="slow")
def test_a_vault_that_fails_open_loses_no_sale_and_breaks_its_rule(result: Result) -> None:
    assert result.verdict == "fail"
    assert success(result) == 1.0
    assert set(broken(result)) == {"closed_calls_stay_closed"}
    (rule,) = [rule for rule in result.money.rules if rule.findings]
    (remedy,) = rule.remedies
    assert (remedy.action, remedy.key) == ("remove", "links.gateway.calls.tokenise.fallback[0]")
    assert {risk.text for risk in result.risks} == {"approved without tokenisation"}


@shipped("card-one-pool", "discover-2023-02-06", tier="thorough", for_real="thorough")
def test_one_hanging_scheme_takes_all_down_with_one_pool(result: Result) -> None:
    # one of eight test cards is a discover card, yet most payments are lost
    assert success(result) < 0.5
    assert broken(result) == {}


@shipped("card-pool-per-scheme", "discover-2023-02-06", tier="thorough")
def test_one_hanging_scheme_fails_alone_with_a_pool_for_each(result: Result) -> None:
    assert 0.80 <= success(result) <= 0.93  # seven of eight
    assert result.verdict == "pass", result.reasons


@shipped("card-void-breaker", "processor-lost-answers", for_real="thorough")
def test_reversals_behind_the_breaker_of_their_calls_leave_money_held(result: Result) -> None:
    found = broken(result)
    assert found["no_orphaned_authorisation"] >= 3
    assert set(found) == {"no_orphaned_authorisation", "unknowns_resolved"}


@shipped("card-single-provider", "processor-lost-answers", tier="thorough")
def test_reversals_outside_the_breaker_leave_no_money_held(result: Result) -> None:
    assert broken(result) == {}


@shipped("card-gives-up", "processor-lost-answers", tier="thorough", for_real="thorough")
def test_a_failover_without_a_reversal_charges_twice_when_answers_are_lost(result: Result) -> None:
    # half of 20 answers a second are lost for 8 s: some 80 payments
    assert broken(result)["no_double_charge"] > 20


@shipped("card-ecommerce", "late-answers", for_real="thorough")
def test_a_request_that_comes_after_its_reversal_charges_nobody(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert fallback(result, "processor-b").activations > 20
    assert broken(result) == {}


@shipped("card-gives-up", "late-answers", tier="thorough")
def test_a_late_request_charges_twice_where_nothing_is_reversed(result: Result) -> None:
    assert broken(result)["no_double_charge"] > 20


@shipped("card-eager-retries", "scheme-recovers", tier="thorough")
def test_retries_without_a_budget_multiply_and_no_money_goes_wrong(result: Result) -> None:
    (amplification,) = [
        tolerance for tolerance in result.tolerances if tolerance.measure == "amplification"
    ]
    assert amplification.observed is not None
    assert amplification.observed > 3
    assert broken(result) == {}


@shipped("card-ecommerce", "scheme-recovers", tier="thorough")
def test_who_does_not_retry_an_answer_puts_nothing_on_a_scheme_that_recovers(
    result: Result,
) -> None:
    assert result.verdict == "pass", result.reasons


@shipped("card-retries-anew", "errors-after-work")
def test_keys_that_do_not_cover_errors_charge_twice_when_the_error_came_after_the_work(
    result: Result,
) -> None:
    found = broken(result)
    assert found["no_double_charge"] > 20


@shipped("card-ecommerce", "errors-after-work")
def test_errors_after_the_work_charge_nobody_twice_where_the_unknown_is_reversed(
    result: Result,
) -> None:
    assert broken(result) == {}


@shipped("card-sound", "errors-after-work", tier="thorough")
def test_a_repeat_of_finished_work_is_answered_and_books_nothing_again(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert result.faults[0].hits


@shipped("card-naive-webhooks", "steady", tier="slow", for_real="thorough")
def test_webhooks_that_are_not_deduplicated_capture_twice_on_a_good_day(result: Result) -> None:
    everything = next(phase for phase in result.phases if phase.name == "all")
    # One webhook in ten is sent twice: half of that stands clear of chance, at either rate.
    assert broken(result)["repeats_without_effect"] > 0.05 * everything.approved


@shipped("card-lifecycle", "steady", tier="thorough")
def test_the_whole_life_of_payments_breaks_no_rule_on_a_good_day(result: Result) -> None:
    assert broken(result) == {}
    issuer = result.money.books["issuer"]
    assert {"authorised", "captured", "refunded", "voided"} <= set(issuer)


@shipped("card-lifecycle", "captures-lost", tier="slow", for_real="thorough")
def test_captures_and_refunds_whose_answers_are_lost_are_made_once(result: Result) -> None:
    lost = [hop for hop in result.hops if hop.operation == "capture" and hop.failed]
    assert lost
    assert broken(result) == {}


@shipped("card-stand-in", "issuer-away", for_real="thorough")
def test_the_scheme_stands_in_inside_its_limits_and_advises(result: Result) -> None:
    assert success(result) >= 0.95
    assert result.money.books["scheme"]["stood_in"] == result.money.books["issuer"]["advised"]
    assert broken(result) == {}


@shipped("card-stand-in", "stale-stand-in-limits", tier="slow")
def test_a_scheme_that_forgets_how_often_it_stood_in_goes_beyond_its_limits(result: Result) -> None:
    found = broken(result)
    assert found["stand_in_within_limits"] > 20
    assert found["stand_in_advised"] > 20  # what it had not advised yet it forgot as well


@shipped("card-blocked-standby", "visa-europe-2018-06-01", tier="slow")
def test_a_standby_that_is_too_slow_saves_nobody(result: Result) -> None:
    # 35 % of some 200 payments are declined: 65 %, give or take three deviations of 3.4 points
    assert 0.55 <= success(result) <= 0.75
    standby = fallback(result, "scheme-standby")
    assert standby.activations > 50
    assert standby.succeeded == 0
    assert broken(result) == {}


def amplification(result: Result) -> float | None:
    return next(hop.amplification for hop in result.hops if hop.caller == "gateway")


@shipped("card-eager-retries", "first-two-fail")
def test_a_third_try_answers_what_failed_twice(result: Result) -> None:
    assert success(result) == 1.0
    assert result.verdict == "pass", result.reasons
    # 120 payments take three requests each, 180 take one: 540 / 300
    assert amplification(result) == pytest.approx(1.8, abs=0.02)


@shipped("card-ecommerce", "rate-limited")
def test_refused_requests_fail_over_and_nothing_is_reversed(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert fallback(result, "processor-b").payments == result.faults[0].hits
    assert not any(hop.operation == "void" for hop in result.hops if hop.executions)


@shipped("card-no-keys", "requests-arrive-twice", tier="slow")
def test_a_request_that_arrives_twice_charges_twice_without_keys(result: Result) -> None:
    assert broken(result)["no_double_charge"] == result.faults[0].hits


@shipped("card-ecommerce", "requests-arrive-twice")
def test_a_request_that_arrives_twice_charges_once_with_keys(result: Result) -> None:
    assert result.verdict == "pass", result.reasons


@shipped("card-ecommerce", "maintenance-windows", tier="slow")
def test_payments_fail_in_each_maintenance_window_and_at_no_other_time(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert [fault.id for fault in result.faults] == [f"maintenance-{n}" for n in (1, 2, 3)]
    # Both processors are away for a second each time, so the failover has nowhere to go.
    for fault in result.faults:
        assert fault.links == ["processor-a", "processor-b"]
        window = next(phase for phase in result.phases if phase.name == fault.id)
        assert window.technical_success is not None
        assert window.technical_success < 0.15
    between = next(phase for phase in result.phases if phase.name == "between")
    assert between.technical_success == 1.0


@shipped("card-overload", "overload", tier="thorough")
def test_an_overload_with_unlimited_retries_outlives_its_cause(result: Result) -> None:
    assert result.recovery.recovery_s is None
    recovering = next(phase for phase in result.phases if phase.name == "recovery")
    assert recovering.technical_success is not None
    assert recovering.technical_success < 0.2
    # At least two of the three tries: the others were refused by a full queue.
    assert amplification(result) == pytest.approx(2.5, abs=0.5)


@shipped("card-overload-budget", "overload", tier="thorough")
def test_an_overload_with_a_budget_for_retries_ends_with_its_cause(result: Result) -> None:
    assert result.verdict == "pass", result.reasons


@shipped("card-skewed-clock", "steady", tier="slow")
def test_a_skewed_clock_leaves_every_approved_payment_uncaptured(result: Result) -> None:
    # Customers notice nothing, so only the money rules can see it.
    everything = next(phase for phase in result.phases if phase.name == "all")
    assert everything.technical_success == 1.0
    assert broken(result)["authorisations_settled"] >= everything.approved


@shipped("card-duplicate-window", "requests-arrive-twice")
def test_a_duplicate_window_refuses_what_arrives_twice_without_keys(result: Result) -> None:
    assert result.faults[0].hits
    assert result.verdict == "pass", result.reasons


@shipped("card-wrong-decimals", "steady", tier="thorough")
def test_every_amount_with_the_wrong_number_of_decimals_is_found(result: Result) -> None:
    everything = next(phase for phase in result.phases if phase.name == "all")
    assert broken(result)["amounts_equal"] >= everything.approved
    assert any("100 times as much" in reason.text for reason in result.timelines)


@shipped("card-gift-card", "steady", tier="slow")
def test_each_declined_card_leaves_its_gift_card_taken(result: Result) -> None:
    everything = next(phase for phase in result.phases if phase.name == "all")
    assert set(broken(result)) == {"no_orphaned_authorisation"}
    assert broken(result)["no_orphaned_authorisation"] >= everything.offered - everything.approved


@shipped("card-refund-race", "steady", tier="slow")
def test_two_refunds_at_once_give_back_more_than_was_taken(result: Result) -> None:
    assert set(broken(result)) == {"refunded_within_captured"}
    # 10 % of 40/s for 12 s and the warm-up, each 20 % too much
    refunded = result.money.books["issuer"]["refunded"]
    (rule,) = (rule for rule in result.money.rules if rule.findings)
    assert rule.amount == pytest.approx(refunded / 6, rel=0.01)
