"""Orders with several payments: customers who order again, schedulers that run a renewal twice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from paychain.load.traffic.arrivals import arrivals
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

BASE = """
chain: base-1
currency: EUR
deadline: 10s
customer: {customer}
entry: gateway
links:
  gateway: {{role: gateway{gateway}, calls: {{authorise: {{to: processor-a, timeout: 3s}}}}}}
  processor-a:
    role: processor
    idempotency: {idempotency}
    calls: {{authorise: {{to: issuer, timeout: 2s, on_unknown: reverse}}}}
  issuer: {{role: issuer, answers_in: {{median: 25ms, p99: 60ms}}}}
"""
TIMES = "arrivals: 20/s, warm_up: 0s, before: 1s, after: 2s"


def written(
    folder: Path,
    *,
    load: str = "",
    faults: str = "[]",
    customer: str = "{}",
    idempotency: str = "keyed",
    gateway: str = "",
) -> tuple[Path, Path]:
    chain, experiment = folder / "base-1.yaml", folder / "x.yaml"
    chain.write_text(BASE.format(customer=customer, idempotency=idempotency, gateway=gateway))
    experiment.write_text(
        f"experiment: x\nload: {{{TIMES}{load}}}\nfaults: {faults}\ntolerances: {{}}\n"
    )
    return chain, experiment


def plan_of(folder: Path, load: str) -> LoadPlan:
    chain, experiment = written(folder, load=load)
    model = load_chain(str(chain)).model
    return load_plan(model, load_experiment(str(experiment), model).model, 1)


def result_of(files: tuple[Path, Path]) -> Result:
    chain = load_chain(str(files[0]))
    experiment = load_experiment(str(files[1]), chain.model)
    spec = RunSpec(chain=chain, experiment=experiment, out=files[0].parent, virtual=True)
    return run(spec, chain_of(spec)).result


def findings(result: Result) -> dict[str, int]:
    return {rule.rule: rule.findings for rule in result.money.rules if rule.findings}


SLOW = "[{at: 0s, for: 3s, target: {link: processor-a}, slow_answer: {delay: 4s, share: 30%}}]"


def test_a_customer_who_orders_again_under_a_new_key_is_charged_twice(tmp_path: Path) -> None:
    # Who meets the slow answer is shown a failure after 3 s, and orders again 4 s after the start.
    files = written(tmp_path, faults=SLOW, customer="{retry: {after: 4s, key: new}}")
    result = result_of(files)
    found = findings(result)
    again = result.load.recorded - 120  # 20/s for 6 s, and a further payment of each that failed
    # 30 % of 60: a standard deviation is 3.5, and four are allowed.
    assert again == pytest.approx(18, abs=14)
    assert found["no_double_charge"] > 0
    # Whose second payment fails, too, has no third: the deadline is 10 s, and 4 + 4 + 4 is more.
    assert found["no_double_charge"] + found.get("no_orphaned_authorisation", 0) == again


def test_a_customer_who_sends_the_same_payment_again_is_charged_once(tmp_path: Path) -> None:
    files = written(tmp_path, faults=SLOW, customer="{retry: {after: 4s, key: same}}")
    assert "no_double_charge" not in findings(result_of(files))


def test_two_schedulers_with_keys_of_their_own_charge_an_order_twice(tmp_path: Path) -> None:
    result = result_of(written(tmp_path, load=", twice: {share: 50%, gap: 50ms}"))
    twice = result.load.recorded - 60
    # 50 % of 60: a standard deviation is 3.9, and four are allowed.
    assert twice == pytest.approx(30, abs=16)
    assert findings(result) == {"no_double_charge": twice}
    (rule,) = (rule for rule in result.money.rules if rule.findings)
    assert {finding.amount for finding in rule.payments} >= {rule.payments[0].amount}


def test_two_schedulers_with_one_key_charge_an_order_once(tmp_path: Path) -> None:
    result = result_of(written(tmp_path, load=", twice: {share: 50%, gap: 50ms, key: same}"))
    assert result.load.recorded > 70
    assert findings(result) == {}
    assert {phase.technical_success for phase in result.phases if phase.offered} == {1.0}


def test_an_order_that_the_merchant_cancelled_needs_no_money(tmp_path: Path) -> None:
    cancels = ", cancels: {share: 100%, after: 500ms}"
    found = findings(result_of(written(tmp_path, load=", twice: {share: 50%}", gateway=cancels)))
    assert found == {}


def test_workers_share_orders_with_all_their_payments(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ", twice: {share: 30%, gap: 500ms}")
    whole = list(arrivals(plan))
    assert [arrival.at_s for arrival in whole] == sorted(arrival.at_s for arrival in whole)
    assert len({arrival.payment for arrival in whole}) == len(whole) == count(plan)
    shares = [msgspec.structs.replace(plan, share=share, shares=3) for share in range(3)]
    parts = [list(arrivals(share)) for share in shares]
    assert sorted(arrival.payment for part in parts for arrival in part) == sorted(
        arrival.payment for arrival in whole
    )
    assert [count(share) for share in shares] == [len(part) for part in parts]


def test_a_customer_who_would_order_again_without_end_is_a_mistake(tmp_path: Path) -> None:
    chain, _ = written(tmp_path, customer="{retry: {after: 4ms, key: new}}")
    with pytest.raises(FileMistakes, match="more than 99 payments of one order"):
        load_chain(str(chain))


def test_users_cannot_pay_twice(tmp_path: Path) -> None:
    _, path = written(tmp_path)
    path.write_text(
        "experiment: x\ntolerances: {}\nload: {users: 2, think_time: 1s, before: 1s, after: 1s, "
        "twice: {share: 5%}}\n"
    )
    with pytest.raises(FileMistakes, match="a user pays once and waits for the answer"):
        load_experiment(str(path))


def test_payments_of_two_payers_who_both_order_again_are_told_apart(tmp_path: Path) -> None:
    customer = "{retry: {after: 4s, key: new}}"
    files = written(tmp_path, load=", twice: {share: 100%}", faults=SLOW, customer=customer)
    result = result_of(files)
    assert result.load.recorded > 240
    assert not [group for group in result.breaks if group.failure == "unexplained"]
