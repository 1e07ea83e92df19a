"""Faults on hops: what is asked of an engine, in which order, and what becomes of a failure."""

from __future__ import annotations

from itertools import count
from typing import Any

from paychain.engine.errors import EngineError
from paychain.engine.injector import Injector
from paychain.engine.timeline import compile_timeline
from paychain.faults.toxic_spec import ToxicSpec
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment

CHAIN = Chain.model_validate(
    {
        "chain": "shop",
        "entry": "gateway",
        "links": {
            "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
            "issuer": {"role": "issuer"},
        },
    }
)
HOP = "gateway.authorise.issuer"


class Engine:
    """Notes what it is asked; fails what starts with `fails`."""

    def __init__(self, fails: str = "none") -> None:
        self.asked: list[str] = []
        self._fails = fails

    def recover(self) -> None:
        self._fails = "none"

    def _note(self, order: str) -> None:
        if order.startswith(self._fails):
            raise EngineError(f"no {order}", 500)
        self.asked.append(order)

    def enable(self, name: str, *, enabled: bool) -> None:
        self._note(f"{'enable' if enabled else 'disable'} {name}")

    def add_toxic(self, proxy: str, name: str, toxic: ToxicSpec, toxicity: float) -> None:
        self._note(f"add {proxy} {name} {toxic.kind} {toxic.stream} {toxicity} {toxic.attributes}")

    def remove_toxic(self, proxy: str, name: str) -> None:
        self._note(f"remove {proxy} {name}")


def played(engine: Engine, *faults: dict[str, Any]) -> list[str]:
    """Switch everything in order; what the records say, as `fault action error`."""
    hop = {"target": {"hop": "gateway -> issuer"}}
    experiment = Experiment.model_validate(
        {
            "experiment": "one",
            "load": {"arrivals": "1/s", "before": "1s", "after": "1s"},
            "faults": [hop | fault for fault in faults],
        }
    )
    clock = count()
    injector = Injector(engine, [], lambda: next(clock))
    records = [injector.switch(switch, 0) for switch in compile_timeline(CHAIN, experiment)]
    return [f"{record.fault} {record.action} {record.error}".strip() for record in records]


def only(engine: Engine) -> list[str]:
    """What was asked for the authorisations' hop; its reversals have another."""
    return [order for order in engine.asked if HOP in order]


def test_a_toxic_comes_and_goes_under_its_faults_name() -> None:
    engine = Engine()
    latency = {"delay": "10ms", "share": "50%"}
    assert played(engine, {"id": "late", "at": "0s", "for": "1s", "latency": latency}) == [
        "late applied",
        "late healed",
    ]
    assert only(engine) == [
        f"add {HOP} late_downstream latency downstream 0.5 {{'latency': 10, 'jitter': 0}}",
        f"remove {HOP} late_downstream",
    ]


def test_what_undoes_is_applied_before_what_it_undoes_and_healed_after_it() -> None:
    engine = Engine()
    played(engine, {"id": "gone", "at": "0s", "for": "1s", "down": {}})
    assert engine.asked == [
        "disable gateway.void.issuer",
        f"disable {HOP}",
        f"enable {HOP}",
        "enable gateway.void.issuer",
    ]


def test_two_faults_that_hold_a_hop_down_let_it_up_together() -> None:
    engine = Engine()
    played(
        engine,
        {"id": "one", "at": "0s", "for": "2s", "down": {}},
        {"id": "two", "at": "1s", "for": "2s", "down": {}},
    )
    assert only(engine) == [f"disable {HOP}", f"enable {HOP}"]


def test_a_share_of_down_leaves_the_proxy_on() -> None:
    engine = Engine()
    played(engine, {"id": "part", "at": "0s", "for": "1s", "down": {"share": "25%"}})
    assert only(engine) == [
        f"add {HOP} part_upstream reset_peer upstream 0.25 {{'timeout': 0}}",
        f"remove {HOP} part_upstream",
    ]


def test_a_flapping_fault_is_switched_each_time() -> None:
    engine = Engine()
    inner = {"period": "1s", "duty": "50%", "fault": {"down": {}}}
    assert played(engine, {"id": "flap", "at": "0s", "for": "2s", "flapping": inner}) == [
        "flap applied",
        "flap healed",
        "flap applied",
        "flap healed",
    ]
    assert only(engine) == [f"disable {HOP}", f"enable {HOP}"] * 2


def test_an_engine_that_refuses_is_in_the_record_and_not_raised() -> None:
    latency = {"delay": "10ms"}
    records = played(
        Engine(fails="add"), {"id": "late", "at": "0s", "for": "1s", "latency": latency}
    )
    assert records[0].startswith("late applied no add gateway.void.issuer late_downstream")


def test_a_quantity_that_no_toxic_has_is_in_the_record() -> None:
    engine = Engine()
    latency = {"delay": "100us"}
    records = played(engine, {"id": "late", "at": "0s", "for": "1s", "latency": latency})
    assert records[0] == "late applied latency: delay is counted in whole milliseconds"
    assert engine.asked == []


def test_a_heal_that_failed_can_be_repeated_and_the_next_fault_still_takes_the_hop_down() -> None:
    engine = Engine(fails="enable")
    declared = {
        "id": "gone",
        "at": "0s",
        "for": "1s",
        "down": {},
        "target": {"hop": "gateway -> issuer"},
    }
    experiment = Experiment.model_validate(
        {
            "experiment": "one",
            "load": {"arrivals": "1/s", "before": "1s", "after": "1s"},
            "faults": [declared],
        }
    )
    apply, heal = compile_timeline(CHAIN, experiment)
    injector = Injector(engine, [], lambda: 0)
    injector.switch(apply, 0)
    assert injector.switch(heal, 0).error
    engine.recover()
    assert not injector.switch(heal, 0).error
    assert not injector.switch(apply, 0).error
    assert not injector.switch(heal, 0).error
    assert only(engine) == [f"disable {HOP}", f"enable {HOP}"] * 2
