"""Policies in whole chains, bytes and all, in virtual time: what each is there for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.main import app
from harness.model.chain import Chain
from harness.model.checks import check_chain, check_experiment
from harness.model.experiment import Experiment
from harness.model.loading import load_chain, load_experiment
from harness.model.review import review
from harness.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    PaymentRecord,
    Record,
)
from harness.payments.outcome import HopResult, Outcome
from harness.report.result import read
from harness.simulation.world import play

CHAIN = """\
chain: shop
deadline: 2s
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authorise: {to: processor-a, timeout: 1s, on_unknown: reverse}
  processor-a: {role: processor, calls: {authorise: {to: scheme, timeout: 800ms, on_unknown: reverse}}}
  processor-b: {role: processor, calls: {authorise: {to: scheme, timeout: 800ms, on_unknown: reverse}}}
  scheme: {role: scheme, calls: {authorise: {to: issuer, timeout: 600ms, on_unknown: reverse}}}
  issuer: {role: issuer}
"""  # noqa: E501
Kind = TypeVar("Kind", bound=Record)


def played(call: dict[str, Any], fault: str, **chain: Any) -> list[Record]:
    """Every record of two seconds' payments with a fault, of a chain with this gateway call."""
    declared = yaml.safe_load(CHAIN)
    declared.update(chain)
    declared["links"]["gateway"]["calls"]["authorise"].update(call)
    if "processor-b" not in str(call):
        del declared["links"]["processor-b"]
    model = Chain.model_validate(declared)
    experiment = Experiment.model_validate(
        yaml.safe_load(
            "experiment: short\n"
            "load: {arrivals: 30/s, warm_up: 500ms, before: 500ms, after: 3s}\n"
            f"faults: [{{id: hurt, at: 0s, for: 2s, {fault}}}]\n"
            "tolerances: {double_charges: 0}\n"
        )
    )
    assert not check_chain(model)
    assert not check_experiment(experiment, model)
    return play(model, experiment, seed=7).records


def every(records: list[Record], kind: type[Kind]) -> list[Kind]:
    return [one for one in records if isinstance(one, kind)]


def decided(records: list[Record], kind: DecisionKind) -> list[Decision]:
    return [one for one in every(records, Decision) if one.kind is kind]


def held(records: list[Record]) -> Counter[str]:
    """Authorisations that stand in the issuer's book, by payment."""
    standing: Counter[str] = Counter()
    for one in every(records, Movement):
        if one.link == "issuer":
            standing[one.payment] += one.kind.sign
    return standing


def approved(records: list[Record]) -> set[str]:
    return {one.payment for one in every(records, PaymentRecord) if one.outcome is Outcome.APPROVED}


# -- deadline -----------------------------------------------------------------------------------
def test_a_deadline_passed_down_ends_work_that_nobody_waits_for() -> None:
    """With retries the chain works on when the customer has gone; told of it, it does not."""
    retry = {"retry": {"attempts": 4, "on": ["timeout"]}}
    slow = "target: {call: gateway.authorise}, slow_answer: {delay: 5s}"

    def late_calls(records: list[Record]) -> int:
        gone = {one.payment: one.started_ns + 2_000_000_000
                for one in every(records, PaymentRecord)}  # fmt: skip
        return sum(
            hop.result is not HopResult.NOT_TRIED
            and hop.operation == "authorise"
            and hop.started_ns > gone[hop.payment] + 50_000_000
            for hop in every(records, HopRecord)
        )

    assert late_calls(played(retry, slow)) > 0
    told = played(retry, slow, passes_deadline=True)
    assert late_calls(told) == 0
    assert decided(told, DecisionKind.DEADLINE_TOO_SHORT)
    assert not any(held(told)[one.payment] for one in every(told, PaymentRecord)
                   if one.outcome is not Outcome.APPROVED)  # fmt: skip


# -- retry --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "fault", ["decline: {code: '91', share: 60%}", "lost_answer: {share: 60%}"]
)
def test_a_retry_after_a_technical_answer_can_be_approved_and_is_charged_once(fault: str) -> None:
    """A scheme that gave up has reversed the first one: the retry must not carry its reference."""

    def approvals(attempts: int) -> int:
        retry = {"attempts": attempts, "backoff": "20ms", "on": ["technical"]}
        records = played({"timeout": "1s", "retry": retry}, f"target: {{link: issuer}}, {fault}",
                         deadline="10s")  # fmt: skip
        standing = held(records)
        assert all(standing[one] == 1 for one in approved(records))
        assert sum(standing.values()) == len(approved(records))
        return len(approved(records))

    assert approvals(4) > approvals(1)


# -- bulkhead -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("per", "others_suffer"), [("target", True), ("scheme", False)])
def test_one_slow_scheme_takes_the_others_down_unless_each_has_its_room(
    per: str, others_suffer: bool
) -> None:
    """The story of 2023-02-06 (domain.md §0.6): one scheme alone timed out, all went down."""
    call = {"bulkhead": {"size": 3, "per": per}}
    only = "only: {schemes: [mastercard]}"
    slow = f"target: {{call: gateway.authorise}}, slow_answer: {{delay: 5s, {only}}}"
    records = played(call, slow)
    schemes = {one.payment: one.scheme for one in every(records, PaymentRecord)}
    turned_away = {schemes[one.payment] for one in decided(records, DecisionKind.BULKHEAD_REJECTED)}
    assert "mastercard" in turned_away
    assert bool(turned_away - {"mastercard"}) is others_suffer


# -- hedge --------------------------------------------------------------------------------------
def test_a_hedge_saves_slow_payments_and_no_payment_is_charged_twice() -> None:
    call = {"hedge": {"after": "150ms", "to": "processor-b"}}
    slow = "target: {link: processor-a}, slow_answer: {delay: 400ms}"
    records = played(call, slow)
    hedged = {one.payment for one in decided(records, DecisionKind.HEDGE)}
    assert hedged
    assert hedged <= approved(records)
    assert set(held(records).values()) == {1}
    routes = Counter(
        hop.callee for hop in every(records, HopRecord)
        if hop.caller == "gateway" and hop.operation == "authorise" and hop.payment in hedged
        and hop.result is HopResult.APPROVED
    )  # fmt: skip
    assert routes["processor-b"] == len(hedged)


# -- reversal -----------------------------------------------------------------------------------
@pytest.mark.parametrize("is_shared", [True, False])
def test_reversals_behind_the_calls_breaker_leave_money_that_others_would_free(
    is_shared: bool,
) -> None:
    call = {
        "breaker": {"failure_rate": "40%", "window": "500ms", "minimum_calls": 5,
                    "open_for": "30s"},
        "reversal": {"shares_breaker": is_shared, "give_up_after": "5s"},
        "fallback": [{"to": "processor-b"}],
    }  # fmt: skip
    records = played(call, "target: {call: gateway.authorise}, lost_answer: {}")
    twice = [payment for payment, many in held(records).items() if many > 1]
    assert bool(twice) is is_shared
    assert bool(decided(records, DecisionKind.REVERSAL_ABANDONED)) is is_shared


# -- review -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["card-ecommerce", "card-gives-up"])
def test_what_the_review_says_of_failover_is_what_the_shipped_experiment_does(name: str) -> None:
    loaded = load_chain(name)
    is_said = any(one.kind == "failover_on_unknown" for one in review(loaded))
    experiment = load_experiment("processor-lost-answers", loaded.model).model
    records = play(loaded.model, experiment, seed=1).records
    is_done = any(many > 1 for many in held(records).values())
    assert is_said is is_done is (name == "card-gives-up")


def test_the_result_of_a_run_holds_the_review_of_its_chain(tmp_path: Path) -> None:
    words = ["run", "card-gives-up", "steady", "--virtual", "--json", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    (folder,) = tmp_path.iterdir()
    result = read(folder)
    assert [one.what for one in result.review] == [
        one.what for one in review(load_chain("card-gives-up"))
    ]
    first = result.review[0].place
    assert first.endswith("card-gives-up.yaml:8:3")
    assert not first.startswith("/")
    assert first in (folder / "report.html").read_text()


# -- store and forward --------------------------------------------------------------------------
def test_what_was_stored_while_the_target_was_gone_is_delivered_when_it_is_back() -> None:
    call = {"fallback": [{"queue": {"pause": "200ms", "within": "20s"}}]}
    records = played(call, "target: {link: processor-a}, down: {}")
    stored = {one.payment for one in decided(records, DecisionKind.QUEUE)}
    assert stored
    assert stored == {one.payment for one in decided(records, DecisionKind.QUEUE_DELIVERED)}
    assert all(held(records)[payment] == 1 for payment in approved(records))
