"""Each shipped story: what its file says is to be expected, held in virtual time and for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import virtual
from harness.analysis.measured import FallbackMeasure, Phase
from harness.model.loading import load_chain, load_experiment
from harness.order import Order
from harness.progress import Silent
from harness.report.result import Result, read

TRIES = 3
AT_ONCE = 3  # real runs: they mostly wait, and two processors carry so many
Story = tuple[str, str]  # a chain and an experiment


def story(chain: str, experiment: str) -> pytest.MarkDecorator:
    """The test takes the `result` of an experiment on a chain, of a virtual and of a real run."""
    return pytest.mark.parametrize(
        "result",
        [
            pytest.param(("virtual", (chain, experiment)), id="virtual"),
            pytest.param(("real", (chain, experiment)), id="real", marks=pytest.mark.slow),
        ],
        indirect=True,
    )


def in_virtual_time(told: Story, folder: Path) -> Result:
    chain = load_chain(told[0])
    order = Order(chain, load_experiment(told[1], chain.model), folder, 1, None, "")
    return virtual.run(order, Silent(), check_determinism=False).result


def for_real(told: Story, folder: Path) -> Result:
    """A busy machine is asked again: it says itself that the run says nothing."""
    for number in range(TRIES):
        result = real_run(told, folder / str(number))
        if result.verdict != "inconclusive":
            break
    return result


def real_run(told: Story, folder: Path) -> Result:
    command = [sys.executable, "-m", "harness.cli", "run", *told, "--out", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    (run,) = folder.iterdir()
    return read(run)


@pytest.fixture(scope="module")
def real_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Story, Future[Result]]]:
    """The real runs of all tests that were chosen, some of them at the same time."""
    chosen = [
        item.callspec.params["result"]
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function)
    ]
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {
        told: pool.submit(for_real, told, tmp_path_factory.mktemp("-".join(told)))
        for way, told in chosen
        if way == "real"
    }
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def result(request: pytest.FixtureRequest, tmp_path: Path) -> Result:
    way, told = request.param
    if way == "real":
        found: Result = request.getfixturevalue("real_runs")[told].result()
    else:
        found = in_virtual_time(told, tmp_path)
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
    return next(one for one in result.fallbacks if one.to == to)


@story("card-one-pool", "discover-2023-02-06")
def test_one_hanging_scheme_takes_all_down_with_one_pool(result: Result) -> None:
    # one of eight test cards is a discover card, yet most payments are lost
    assert success(result) < 0.5
    assert broken(result) == {}


@story("card-pool-per-scheme", "discover-2023-02-06")
def test_and_only_itself_with_a_pool_for_each(result: Result) -> None:
    assert 0.80 <= success(result) <= 0.93  # seven of eight
    assert result.verdict == "pass", result.reasons


@story("card-void-breaker", "processor-lost-answers")
def test_reversals_behind_the_breaker_of_their_calls_leave_money_held(result: Result) -> None:
    found = broken(result)
    assert found["no_orphaned_authorisation"] >= 3
    assert set(found) == {"no_orphaned_authorisation", "unknowns_resolved"}


@story("card-single-provider", "processor-lost-answers")
def test_and_none_with_reversals_of_their_own(result: Result) -> None:
    assert broken(result) == {}


@story("card-gives-up", "processor-lost-answers")
def test_a_failover_without_a_reversal_charges_twice_when_answers_are_lost(result: Result) -> None:
    # half of 20 answers a second are lost for 8 s: some 80 payments
    assert broken(result)["no_double_charge"] > 20


@story("card-ecommerce", "late-answers")
def test_a_request_that_comes_after_its_reversal_charges_nobody(result: Result) -> None:
    assert result.verdict == "pass", result.reasons
    assert fallback(result, "processor-b").activations > 20
    assert broken(result) == {}


@story("card-gives-up", "late-answers")
def test_and_charges_twice_where_nothing_is_reversed(result: Result) -> None:
    assert broken(result)["no_double_charge"] > 20


@story("card-eager-retries", "scheme-recovers")
def test_retries_without_a_budget_multiply_and_no_money_goes_wrong(result: Result) -> None:
    (amplification,) = [one for one in result.tolerances if one.measure == "amplification"]
    assert amplification.observed is not None
    assert amplification.observed > 3
    assert broken(result) == {}


@story("card-ecommerce", "scheme-recovers")
def test_who_does_not_retry_an_answer_puts_nothing_on_a_scheme_that_recovers(
    result: Result,
) -> None:
    assert result.verdict == "pass", result.reasons


@story("card-retries-anew", "errors-after-work")
def test_keys_that_do_not_cover_errors_charge_twice_when_the_error_came_after_the_work(
    result: Result,
) -> None:
    found = broken(result)
    assert found["no_double_charge"] > 20


@story("card-ecommerce", "errors-after-work")
def test_and_nobody_twice_where_the_unknown_is_reversed(result: Result) -> None:
    assert broken(result) == {}


@story("card-naive-webhooks", "steady")
def test_webhooks_that_are_not_told_apart_capture_twice_on_a_good_day(result: Result) -> None:
    found = broken(result)
    assert found["repeats_without_effect"] > 20


@story("card-lifecycle", "steady")
def test_the_whole_life_of_payments_breaks_no_rule_on_a_good_day(result: Result) -> None:
    assert broken(result) == {}
    issuer = result.money.books["issuer"]
    assert {"authorised", "captured", "refunded", "voided"} <= set(issuer)


@story("card-lifecycle", "captures-lost")
def test_captures_and_refunds_whose_answers_are_lost_are_made_once(result: Result) -> None:
    lost = [one for one in result.hops if one.operation == "capture" and one.failed]
    assert lost
    assert broken(result) == {}


@story("card-stand-in", "issuer-away")
def test_the_scheme_stands_in_inside_its_limits_and_advises(result: Result) -> None:
    assert success(result) >= 0.95
    assert result.money.books["scheme"]["stood_in"] == result.money.books["issuer"]["advised"]
    assert broken(result) == {}


@story("card-stand-in", "stale-stand-in-limits")
def test_a_scheme_that_forgets_how_often_it_stood_in_goes_beyond_its_limits(result: Result) -> None:
    found = broken(result)
    assert found["stand_in_within_limits"] > 20
    assert found["stand_in_advised"] > 20  # what it had not advised yet it forgot as well


@story("card-blocked-standby", "visa-europe-2018-06-01")
def test_a_standby_that_is_too_slow_saves_nobody(result: Result) -> None:
    # 35 % of some 400 payments are declined: 65 %, give or take three deviations of 2.4 points
    assert 0.57 <= success(result) <= 0.73
    standby = fallback(result, "scheme-standby")
    assert standby.activations > 100
    assert standby.succeeded == 0
    assert broken(result) == {}
