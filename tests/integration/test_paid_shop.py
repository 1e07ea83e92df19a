"""Customers pay a shop over real sockets: Locust's greenlets and asyncio's tasks alike."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.analysis.store.spool import SpoolReader
from paychain.environment.load_process import LoadProcess
from paychain.load.traffic.arrivals import Purchases, arrivals
from paychain.load.traffic.paying import Customers
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.model.experiment import Experiment
from paychain.payments.errors import UserError
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from paychain.processes.children import Children
from tests.support.paid_shop import ORDERS, PaidShop, Reaction, Received, chain_of, paid_shop
from tests.support.tiers import thorough
from tests.support.waiting import let_pass, wait_until

PREFIX = "pk3ra"
LOAD = {
    "arrivals": "20/s",
    "before": "1s",
    "after": "0s",
    "twice": {"share": "20%", "gap": "100ms"},
}
RETRY = {"retry": {"after": "400ms", "key": "same"}}
DRIVERS = ["locust", "asyncio"]
# Whole runs show that Locust pays; all but one of these tests are slow under it.
MOSTLY_ASYNCIO = [pytest.param("locust", marks=pytest.mark.slow), "asyncio"]
# What whole runs show of Locust: test_paid_runs.py has the mistakes of classes and templates.
ASYNCIO = [thorough("locust"), "asyncio"]


def plan_of(pays: str, folder: Path, *, load: Any = LOAD, **chain: Any) -> LoadPlan:
    declared = chain_of(pays, **chain)
    experiment = Experiment.model_validate({"experiment": "x", "load": load})
    plan = load_plan(declared, experiment, 1, epoch_ns=time.monotonic_ns())
    (entry,) = plan.entries
    assert entry.pays is not None
    pays_here = msgspec.structs.replace(entry.pays, folder=str(folder), place="own.yaml:9:7")
    entry = msgspec.structs.replace(entry, pays=pays_here)
    return msgspec.structs.replace(plan, entries=(entry,), id_prefix=PREFIX)


class RealClock:
    def __init__(self, epoch_ns: int) -> None:
        self._epoch_ns = epoch_ns

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._epoch_ns

    async def until(self, when_ns: int) -> None:
        await asyncio.sleep(max(0.0, (when_ns - self.now_ns()) / 1e9))


def paid_by(
    driver: str, plan: LoadPlan, shop: PaidShop, folder: Path
) -> tuple[list[Record], list[str]]:
    """All records of a load, and what it reports of how customers pay."""
    plan = plan.reached_at({"shop-api": shop.url}, plan.epoch_ns)
    return (by_locust if driver == "locust" else by_asyncio)(plan, shop, folder)


def by_asyncio(plan: LoadPlan, shop: PaidShop, _: Path) -> tuple[list[Record], list[str]]:
    journal: list[Record] = []

    async def pay() -> list[str]:
        address = ("127.0.0.1", shop.port)
        customers = Customers({"shop-api": address}, RealClock(plan.epoch_ns), journal)
        try:
            await customers.keep_schedule(plan, list(arrivals(plan)))
        finally:
            await customers.close()
        return customers.problems

    problems = asyncio.run(pay())
    return journal, problems


@contextmanager
def load_process(folder: Path, spools: list[Path]) -> Iterator[LoadProcess]:
    def new_spool(stem: str, _process: str) -> Path:
        spools.append(folder / f"{stem}.spool")
        return spools[-1]

    children = Children(folder)
    try:
        yield LoadProcess(children, folder, new_spool)
    finally:
        children.stop()


def by_locust(plan: LoadPlan, _: PaidShop, folder: Path) -> tuple[list[Record], list[str]]:
    clock, spools = RealClock(plan.epoch_ns), []  # type: ignore[var-annotated]  # a list of anything
    with load_process(folder, spools) as load:
        load.start(plan)
        load.go(clock.now_ns() + int(load.lead_s * 1e9))
        wait_until(lambda: load.is_over(clock.now_ns()), within_s=30)
        problems = load.problems(clock.now_ns())
    return SpoolReader(spools[0]).read(), problems


def payments(records: Sequence[Record]) -> list[PaymentRecord]:
    return [record for record in records if isinstance(record, PaymentRecord)]


class Orders:
    """A shop that remembers its orders by id, and looks of customers at them."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = {}
        self.looks: dict[str, int] = {}

    def __call__(self, _: int, received: Received) -> Reaction:
        if received.method == "POST":
            asked = received.json
            nth = int(asked["order"].removeprefix(PREFIX)[:7])
            self.amounts[asked["order"]] = asked["amount"]
            if nth % 5 == 4:
                return 402, {"state": "refused", "reason": "51"}
            return None if nth % 7 == 6 else (202, {"state": "open"})
        payment = received.path.rpartition("/")[2]
        self.looks[payment] = self.looks.get(payment, 0) + 1
        is_paid = self.looks[payment] > 1
        paid = (200, {"state": "paid", "charged": self.amounts[payment]})
        return paid if is_paid else (202, {"state": "open"})


@pytest.mark.parametrize("driver", MOSTLY_ASYNCIO)
def test_customers_poll_repeat_press_twice_and_see_what_the_shop_says(
    driver: str, tmp_path: Path
) -> None:
    shop_of = Orders()
    with paid_shop(shop_of) as shop:
        plan = plan_of(ORDERS, tmp_path, customer=RETRY)
        records, problems = paid_by(driver, plan, shop, tmp_path)
    assert problems == []
    paid = payments(records)
    assert {record.payment for record in paid} == set(shop_of.amounts)
    assert len(paid) > 20  # 20 a second, and a fifth of them twice
    assert any(record.payment.endswith("b") for record in paid)
    for record in paid:
        nth = int(record.payment.removeprefix(PREFIX)[:7])
        requests = [
            request
            for request in shop.received
            if request.headers["baggage"] == f"payment={record.payment}"
        ]
        posts = [request for request in requests if request.method == "POST"]
        hops = [
            hop for hop in records if isinstance(hop, HopRecord) and hop.payment == record.payment
        ]
        assert len(hops) >= len(posts)  # a busy machine may refuse a connection
        if nth % 5 == 4:
            assert (record.shown, record.code, len(requests)) == ("declined", "51", 1)
        elif nth % 7 == 6:
            # The answer is lost: the customer sends it again each 400 ms, with the same key, for
            # the two seconds of the deadline.
            assert record.shown == "error"
            assert 3 <= len(posts) <= 5  # five times, on a machine that is not busy
            assert len({request.headers["idempotency-key"] for request in posts}) == 1
        else:
            assert (record.shown, len(requests)) == ("approved", 3)
            assert record.approved_minor == record.amount_minor == shop_of.amounts[record.payment]
            assert record.ended_ns - record.started_ns > 200_000_000  # two pauses of 100 ms
        spans = {request.headers["traceparent"].split("-")[2] for request in requests}
        assert spans <= {hop.span for hop in hops}
        traces = {request.headers["traceparent"].split("-")[1] for request in requests}
        assert {bytes.fromhex(trace).lstrip(b"\0").decode() for trace in traces} == {record.payment}


ADAPTER = """
class Shop:
    async def pay(self, payment, http):
        cart = await http.post("/carts", json={"order": payment.id})
        answer = await http.post(f"/carts/{cart.json['id']}/pay", form={"sum": payment.amount})
        await http.sleep(0.05)
        if answer.status == 200:
            return payment.approved(answer.json["paid"])
        return payment.declined()
"""


def carts(_: int, received: Received) -> Reaction:
    if received.path == "/carts":
        return 201, {"id": received.json["order"]}
    return 200, {"paid": received.body.removeprefix("sum=")}


@pytest.mark.parametrize("driver", MOSTLY_ASYNCIO)
def test_a_class_pays_in_every_driver(driver: str, tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(ADAPTER)
    with paid_shop(carts) as shop:
        plan = plan_of("by: adapters.py:Shop", tmp_path)
        records, problems = paid_by(driver, plan, shop, tmp_path)
    assert problems == []
    paid = payments(records)
    assert len(paid) > 20
    assert all(record.approved_minor == record.amount_minor for record in paid)
    assert len(shop.received) == 2 * len(paid)


@pytest.mark.parametrize("driver", ASYNCIO)
def test_a_class_that_fails_does_not_look_like_a_failed_chain(driver: str, tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(ADAPTER.replace("['id']", "['nr']"))
    with paid_shop(carts) as shop:
        plan = plan_of("by: adapters.py:Shop", tmp_path)
        records, problems = paid_by(driver, plan, shop, tmp_path)
    (problem,) = problems
    assert f"{tmp_path}/adapters.py:5: Shop.pay failed: KeyError: 'nr'" in problem
    assert f"({len(payments(records))} times)" in problem


OWN_REPLY = """
from paychain.protocol.reply import Reply

class Shop:
    async def pay(self, payment, http):
        return Reply("approved")
"""


@pytest.mark.parametrize("driver", MOSTLY_ASYNCIO)
def test_what_ends_a_customer_unexpectedly_is_a_problem_in_every_driver(
    driver: str, tmp_path: Path
) -> None:
    """A reply of the class's own making, which nothing but its user's imagination checks."""
    (tmp_path / "adapters.py").write_text(OWN_REPLY)
    with paid_shop(carts) as shop:
        plan = plan_of("by: adapters.py:Shop", tmp_path)
        records, problems = paid_by(driver, plan, shop, tmp_path)
    (problem,) = problems
    unexpected = "a customer ended with an error that nobody expected: AttributeError: "
    assert problem.startswith(unexpected)
    assert problem.endswith(" times)")
    assert payments(records) == []


def test_so_it_is_for_users_who_pay_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(OWN_REPLY)
    load = {"users": 3, "think_time": "10ms", "before": "1s", "after": "0s"}
    plan = plan_of("by: adapters.py:Shop", tmp_path, load=load)

    async def use() -> list[str]:
        customers = Customers({"shop-api": ("127.0.0.1", 1)}, RealClock(plan.epoch_ns), [])
        await customers.use(plan, Purchases(plan))
        return customers.problems

    (problem,) = asyncio.run(use())
    assert problem.endswith(" (3 times)")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_class_that_cannot_be_loaded_ends_it_before_any_payment(
    driver: str, tmp_path: Path
) -> None:
    (tmp_path / "adapters.py").write_text("import missing_module\n" + ADAPTER)
    with paid_shop(carts) as shop:
        plan = plan_of("by: adapters.py:Shop", tmp_path)
        with pytest.raises(UserError, match=r"adapters\.py:1.*missing_module"):
            paid_by(driver, plan, shop, tmp_path)
    assert shop.received == []


@pytest.mark.parametrize("driver", ASYNCIO)
def test_a_template_that_fits_no_answer_is_a_problem_of_the_run(
    driver: str, tmp_path: Path
) -> None:
    def refuses(_: int, received: Received) -> Reaction:
        return 400, {"error": f"unknown field in {json.loads(received.body).get('card')}"}

    with paid_shop(refuses) as shop:
        _, problems = paid_by(driver, plan_of(ORDERS, tmp_path), shop, tmp_path)
    assert 1 <= len(problems) <= 3
    problem = problems[0]
    assert (
        "own.yaml:9:7: no answer to POST /orders is approved, declined or pending; the first: 400"
        in problem
    )
    assert "unknown field in tok_" in problem


@pytest.mark.parametrize("driver", MOSTLY_ASYNCIO)
def test_customers_leave_a_slow_shop_and_come_back_to_it(driver: str, tmp_path: Path) -> None:
    leaves = {"share": "50%", "after": "300ms", "returns_after": "900ms"}

    slow_s = 3.0  # so much longer than customers wait that no busy machine makes up for it

    def slow(_: int, received: Received) -> Reaction:
        if received.method == "POST":
            let_pass(slow_s)
            return 200, {"state": "paid", "charged": received.json["amount"]}
        return 200, {"state": "paid", "charged": 5}

    with paid_shop(slow) as shop:
        plan = plan_of(ORDERS, tmp_path, customer={"leaves": leaves}, deadline="20s")
        records, problems = paid_by(driver, plan, shop, tmp_path)
    assert problems == []
    came_back = {request.path.rpartition("/")[2] for request in shop.received[1:]} - {"orders"}
    paid = payments(records)
    assert 3 < len(came_back) < len(paid)
    for record in paid:
        assert record.shown == "approved"
        waited_s = (record.ended_ns - record.started_ns) / 1e9
        if record.payment in came_back:
            assert record.approved_minor == 5  # as the look showed it
            assert waited_s < slow_s
        else:
            assert record.approved_minor == record.amount_minor
            assert waited_s >= slow_s
