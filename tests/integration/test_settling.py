"""A chain that takes long to rest: in virtual time all of it, for real as long as declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.chains import corner_shop, experiment

LOST = "{id: lost, at: 0s, for: 2s, target: {call: gateway.authorise}, lost_answer: {share: 50%}}"


def result_of(
    folder: Path, chain: str, *faults: str, virtual: bool = True, **declared: str
) -> Result:
    (folder / "shop.yaml").write_text(chain, "utf-8")
    (folder / "quick.yaml").write_text(experiment(*faults, **declared), "utf-8")
    loaded = load_chain(str(folder / "shop.yaml"))
    quick = load_experiment(str(folder / "quick.yaml"), loaded.model)
    spec = RunSpec(chain=loaded, experiment=quick, out=folder / "runs", virtual=virtual)
    return run(spec, chain_of(spec)).result


def broken(result: Result) -> set[str]:
    return {rule.rule for rule in result.money.rules if rule.findings}


def test_captures_hours_after_the_approval_are_judged_in_virtual_time(tmp_path: Path) -> None:
    chain = corner_shop(gateway={"captures": {"after": "2h"}, "refunds": {"share": "20%"}})
    result = result_of(tmp_path, chain, tolerances='{technical_success: ">= 99%"}')
    assert result.verdict == "pass", result.reasons
    assert result.money.undecided == 0
    assert result.money.books["issuer"]["captured"] > 0
    assert result.recovery.drain_s is not None
    assert result.recovery.drain_s > 7_000


# Reversals stand behind a breaker that stays open for longer than they are tried.
BREAKER = """\
chain: behind-its-breaker
deadline: 2s
settles_within: {settles}
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor
        timeout: 200ms
        breaker: {{failure_rate: 30%, window: 2s, minimum_calls: 10, open_for: 120s}}
        on_unknown: reverse
        reversal: {{shares_breaker: true, give_up_after: {give_up}}}
  processor: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 100ms}}}}}}
  issuer: {{role: issuer}}
"""


def test_what_is_given_up_after_a_minute_is_found_in_virtual_time(tmp_path: Path) -> None:
    chain = BREAKER.format(settles="1s", give_up="60s")
    result = result_of(tmp_path, chain, LOST, tolerances="{orphaned_authorisations: 0}")
    assert result.verdict == "fail"
    assert result.money.undecided == 0
    assert broken(result) == {"no_orphaned_authorisation", "unknowns_resolved"}


# Of what did not come to rest in a real run CI judges nothing in test_interruptions.py.
@pytest.mark.thorough
@pytest.mark.parametrize(("settles", "give_up"), [("1s", "60s"), ("8s", "3s")])
def test_a_real_run_judges_what_came_to_rest_within_what_is_declared(
    tmp_path: Path, settles: str, give_up: str
) -> None:
    chain = BREAKER.format(settles=settles, give_up=give_up)
    tolerances = '{technical_success: ">= 95%"}'
    result = result_of(tmp_path, chain, LOST, virtual=False, tolerances=tolerances)
    # Most payments are refused by the open breaker: that is decided however long it waits.
    (success,) = result.tolerances
    assert success.passed is False
    if give_up == "60s":
        assert result.money.undecided > 0
        assert "no_orphaned_authorisation" not in broken(result)
    else:
        assert result.money.undecided == 0
        assert "no_orphaned_authorisation" in broken(result)


IDLE = "{id: idle, at: 0s, for: 1s, target: {link: processor}, "


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        # The connections to the processor are kept: nobody connects anew.
        (IDLE + "refuse: {}}", "inconclusive"),
        (IDLE + "refuse: {}, may_miss: true}", "pass"),
        (IDLE + "latency: {delay: 1ms}}", "pass"),
    ],
)
def test_a_fault_that_met_nothing_is_a_pass_only_where_it_may_miss(
    tmp_path: Path, fault: str, verdict: str
) -> None:
    result = result_of(tmp_path, corner_shop(), fault)
    assert result.verdict == verdict, result.reasons


def test_a_fault_after_the_last_arrival_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "arrivals.csv").write_text("at_s\n0.1\n0.2\n0.3\n", "utf-8")
    text = (
        "experiment: late\n"
        "load: {arrivals: {replay: arrivals.csv}, warm_up: 0s, before: 2s, after: 1s}\n"
        "faults: [{id: late, at: 0s, for: 1s, target: {link: processor}, decline: {code: '91'}}]\n"
        "tolerances: {}\n"
    )
    (tmp_path / "shop.yaml").write_text(corner_shop(), "utf-8")
    (tmp_path / "late.yaml").write_text(text, "utf-8")
    loaded = load_chain(str(tmp_path / "shop.yaml"))
    late = load_experiment(str(tmp_path / "late.yaml"), loaded.model)
    spec = RunSpec(chain=loaded, experiment=late, out=tmp_path / "runs", virtual=True)
    result = run(spec, chain_of(spec)).result
    assert result.verdict == "inconclusive"
    assert result.reasons[0].startswith("fault late affected no traffic")
