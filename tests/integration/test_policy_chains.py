"""Policies in whole chains, bytes and all, in virtual time: what each is there for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from typer.testing import CliRunner

from paychain.cli.main import app
from paychain.environment.simulated_run import simulate_run
from paychain.model.checks import check_experiment
from paychain.model.experiment import Experiment
from paychain.model.files import available
from paychain.model.loading import load_chain, load_experiment
from paychain.model.review import review
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    PaymentRecord,
    Record,
)
from paychain.payments.outcome import HopResult, Outcome
from paychain.report.result import read
from tests.support.chains import checked, experiment, shop
from tests.support.runs import declare, run_in

PROCESSOR: dict[str, Any] = {
    "role": "processor",
    "calls": {"authorise": {"to": "scheme", "timeout": "800ms", "on_unknown": "reverse"}},
}
SCHEME = {
    "role": "scheme",
    "calls": {"authorise": {"to": "issuer", "timeout": "600ms", "on_unknown": "reverse"}},
}
Kind = TypeVar("Kind", bound=Record)


def played(call: dict[str, Any], fault: str, **chain: Any) -> list[Record]:
    """Every record of two seconds' payments with a fault, of a chain with this gateway call."""
    standby = {"processor-b": PROCESSOR} if "processor-b" in str(call) else {}
    model = checked(
        shop(
            processors=("processor-a",),
            timeout="1s",
            authorise=call,
            processor_authorise=PROCESSOR["calls"]["authorise"],
            links={**standby, "scheme": SCHEME},
            **{"deadline": "2s", **chain},
        )
    )
    short = Experiment.model_validate(
        yaml.safe_load(
            "experiment: short\n"
            "load: {arrivals: 30/s, warm_up: 500ms, before: 500ms, after: 3s}\n"
            f"faults: [{{id: hurt, at: 0s, for: 2s, {fault}}}]\n"
            "tolerances: {double_charges: 0}\n"
        )
    )
    assert not check_experiment(short, model)
    return simulate_run(model, short, seed=7).records


def every(records: list[Record], kind: type[Kind]) -> list[Kind]:
    return [record for record in records if isinstance(record, kind)]


def decided(records: list[Record], kind: DecisionKind) -> list[Decision]:
    return [decision for decision in every(records, Decision) if decision.kind is kind]


def held(records: list[Record]) -> Counter[str]:
    """Authorisations that stand in the issuer's book, by payment."""
    standing: Counter[str] = Counter()
    for movement in every(records, Movement):
        if movement.link == "issuer":
            standing[movement.payment] += movement.kind.sign
    return standing


def approved(records: list[Record]) -> set[str]:
    return {
        payment.payment
        for payment in every(records, PaymentRecord)
        if payment.outcome is Outcome.APPROVED
    }


# -- deadline -----------------------------------------------------------------------------------
def test_a_deadline_passed_down_ends_work_that_nobody_waits_for() -> None:
    """With retries the chain works on when the customer has gone, unless the deadline is passed."""
    retry = {"retry": {"attempts": 4, "on": ["timeout"]}}
    slow = "target: {call: gateway.authorise}, slow_answer: {delay: 5s}"

    def late_calls(records: list[Record]) -> int:
        gone = {
            payment.payment: payment.started_ns + 2_000_000_000
            for payment in every(records, PaymentRecord)
        }
        return sum(
            hop.result is not HopResult.NOT_TRIED
            and hop.operation == "authorise"
            and hop.started_ns > gone[hop.payment] + 50_000_000
            for hop in every(records, HopRecord)
        )

    assert late_calls(played(retry, slow)) > 0
    passed_on = played(retry, slow, propagate_deadline=True)
    assert late_calls(passed_on) == 0
    assert decided(passed_on, DecisionKind.DEADLINE_TOO_SHORT)
    assert not any(
        held(passed_on)[payment.payment]
        for payment in every(passed_on, PaymentRecord)
        if payment.outcome is not Outcome.APPROVED
    )


# -- retry --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "fault", ["decline: {code: '91', share: 60%}", "lost_answer: {share: 60%}"]
)
def test_a_retry_after_a_technical_answer_can_be_approved_and_is_charged_once(fault: str) -> None:
    """A scheme that gave up has reversed the first one: the retry must not carry its reference."""

    def approvals(attempts: int) -> int:
        retry = {"attempts": attempts, "backoff": "20ms", "on": ["technical"]}
        records = played(
            {"timeout": "1s", "retry": retry}, f"target: {{link: issuer}}, {fault}", deadline="10s"
        )
        standing = held(records)
        assert all(standing[each] == 1 for each in approved(records))
        assert sum(standing.values()) == len(approved(records))
        return len(approved(records))

    assert approvals(4) > approvals(1)


# -- bulkhead -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("per", "others_suffer"), [("target", True), ("scheme", False)])
def test_one_slow_scheme_takes_the_others_down_unless_each_has_its_room(
    per: str, others_suffer: bool
) -> None:
    """The story of 2023-02-06 (docs/domain.md §0.6): one scheme alone timed out, all went down."""
    call = {"bulkhead": {"size": 3, "per": per}}
    only = "only: {schemes: [mastercard]}"
    slow = f"target: {{call: gateway.authorise}}, slow_answer: {{delay: 5s, {only}}}"
    records = played(call, slow)
    schemes = {payment.payment: payment.scheme for payment in every(records, PaymentRecord)}
    turned_away = {
        schemes[each.payment] for each in decided(records, DecisionKind.BULKHEAD_REJECTED)
    }
    assert "mastercard" in turned_away
    assert bool(turned_away - {"mastercard"}) is others_suffer


# -- hedge --------------------------------------------------------------------------------------
def test_a_hedge_saves_slow_payments_and_no_payment_is_charged_twice() -> None:
    call = {"hedge": {"after": "150ms", "to": "processor-b"}}
    slow = "target: {link: processor-a}, slow_answer: {delay: 400ms}"
    records = played(call, slow)
    hedged = {each.payment for each in decided(records, DecisionKind.HEDGE)}
    assert hedged
    assert hedged <= approved(records)
    assert set(held(records).values()) == {1}
    routes = Counter(
        hop.callee
        for hop in every(records, HopRecord)
        if hop.caller == "gateway"
        and hop.operation == "authorise"
        and hop.payment in hedged
        and hop.result is HopResult.APPROVED
    )
    assert routes["processor-b"] == len(hedged)


# -- reversal -----------------------------------------------------------------------------------
@pytest.mark.parametrize("is_shared", [True, False])
def test_reversals_behind_the_calls_breaker_leave_money_that_others_would_free(
    is_shared: bool,
) -> None:
    call = {
        "breaker": {
            "failure_rate": "40%",
            "window": "500ms",
            "minimum_calls": 5,
            "open_for": "30s",
        },
        "reversal": {"shares_breaker": is_shared, "give_up_after": "5s"},
        "fallback": [{"to": "processor-b"}],
    }
    records = played(call, "target: {call: gateway.authorise}, lost_answer: {}")
    twice = [payment for payment, many in held(records).items() if many > 1]
    assert bool(twice) is is_shared
    assert bool(decided(records, DecisionKind.REVERSAL_ABANDONED)) is is_shared


@pytest.mark.slow
# -- review -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["card-ecommerce", "card-gives-up"])
def test_the_reviews_finding_on_failover_is_what_the_shipped_experiment_shows(
    tmp_path: Path, name: str
) -> None:
    loaded = load_chain(name)
    is_said = any(finding.kind == "failover_on_unknown" for finding in review(loaded))
    text = available("experiment")["processor-lost-answers"].read_text("utf-8")
    assert "arrivals: 20/s" in text
    declare(tmp_path, fewer=text.replace("20/s", "8/s"))
    fewer = load_experiment(str(tmp_path / "fewer.yaml"), loaded.model).model
    records = simulate_run(loaded.model, fewer, seed=1).records
    is_done = any(many > 1 for many in held(records).values())
    assert is_said is is_done is (name == "card-gives-up")


@pytest.mark.slow
def test_the_result_of_a_run_holds_the_review_of_its_chain(tmp_path: Path) -> None:
    declare(tmp_path, calm=experiment())
    words = ["run", "card-gives-up", str(tmp_path / "calm.yaml"), "--virtual", "--json"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    folder = run_in(tmp_path)
    result = read(folder)
    assert [finding.what for finding in result.review] == [
        finding.what for finding in review(load_chain("card-gives-up"))
    ]
    first = result.review[0].place
    assert first.endswith("card-gives-up.yaml:27:9")
    assert not first.startswith("/")
    assert first in (folder / "report.html").read_text()


# -- store and forward --------------------------------------------------------------------------
def test_what_was_stored_while_the_target_was_gone_is_delivered_when_it_is_back() -> None:
    call = {"fallback": [{"queue": {"pause": "200ms", "within": "20s"}}]}
    records = played(call, "target: {link: processor-a}, down: {}")
    stored = {each.payment for each in decided(records, DecisionKind.QUEUE)}
    assert stored
    assert stored == {each.payment for each in decided(records, DecisionKind.QUEUE_DELIVERED)}
    assert all(held(records)[payment] == 1 for payment in approved(records))
