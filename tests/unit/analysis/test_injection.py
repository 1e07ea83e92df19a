"""Whether the faults of a run were on as declared, and switched by nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.injection import injection_problems
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.store import RunStore
from paychain.model.experiment import Experiment, Times
from paychain.payments.journal import EngineEvent, FaultSwitch, LinkSwitch, Record
from tests.support.chains import checked, shop

HOP = "gateway.authorise.issuer"
TIMES = Times(load_start_s=10.0, before_start_s=10.0, faults_start_s=12.0, load_end_s=60.0)
DOWN: dict[str, Any] = {"down": {}}


def ns(at_s: float) -> int:
    return round(at_s * 1e9)


def switch(
    action: str, planned_s: float, at_s: float, *, took_s: float = 0.01, **more: Any
) -> FaultSwitch:
    done_s = at_s + took_s
    given: dict[str, Any] = {
        "fault": "gone",
        "action": action,
        "planned_ns": ns(planned_s),
        "effective_ns": ns(at_s if action == "applied" else done_s),
        "place": "hop",
        "targets": [HOP],
        "error": "",
        "took_ns": ns(took_s),
    }
    return FaultSwitch(**(given | more))


def event(kind: str, at_s: float, *, toxic: str | None = None, proxy: str = HOP) -> EngineEvent:
    return EngineEvent(
        seq=1, at_ns=ns(at_s), kind=kind, proxy=proxy, connection=None, toxic=toxic, detail=""
    )


def in_link(action: str, at_s: float, fault: str = "gone") -> LinkSwitch:
    return LinkSwitch(process="mock services", action=action, fault=fault, at_ns=ns(at_s))


def problems(*records: Record, lasts: str = "3s", kind: dict[str, Any] = DOWN) -> list[str]:
    store = RunStore.create(Path(":memory:"))
    store.ingest(records)
    declared = {"id": "gone", "at": "0s", "for": lasts, "target": {"link": "issuer"}} | kind
    experiment = Experiment.model_validate(
        {
            "experiment": "one",
            "load": {"arrivals": "1/s", "before": "2s", "after": "40s"},
            "faults": [declared],
        }
    )
    facts = RunFacts(times=TIMES, seed=1)
    return injection_problems(MeasuredRun(store, checked(shop()), experiment, facts))


@pytest.mark.parametrize(
    ("applied_s", "healed_s", "lasts_s", "found"),
    [
        (12.0, 15.0, 3.0, []),
        (12.24, 15.2, 3.0, []),  # late by less than 250 ms
        (14.9, 15.0, 3.0, ["was applied 2.9 s after its time (limit 250 ms)", "on for 100 ms"]),
        (12.0, 18.0, 3.0, ["was healed 3.0 s after its time (limit 250 ms)", "on for 6.0 s"]),
        (13.0, 42.0, 30.0, []),  # 5 % of a long fault
        (14.0, 42.0, 30.0, ["was applied 2.0 s after its time (limit 1.5 s)", "on for 28.0 s"]),
        (12.19, 12.21, 0.2, ["on for 20 ms instead of 200 ms"]),  # late by little, and short
    ],
)
def test_a_fault_that_was_on_at_another_time_is_not_the_declared_one(
    applied_s: float, healed_s: float, lasts_s: float, found: list[str]
) -> None:
    said = problems(
        switch("applied", 12.0, applied_s),
        switch("healed", 12.0 + lasts_s, healed_s),
        lasts=f"{lasts_s:g}s",
    )
    assert len(said) == len(found), said
    for sentence, words in zip(said, found, strict=True):
        assert sentence.startswith("fault gone was")
        assert words in sentence


def test_an_engine_that_takes_its_time_applies_late() -> None:
    (late, *_) = problems(switch("applied", 12.0, 12.0, took_s=1.9), switch("healed", 15.0, 15.0))
    assert "was applied 1.9 s after its time" in late


def test_the_start_of_a_killed_process_is_part_of_its_outage() -> None:
    healed = switch("healed", 15.0, 15.0, took_s=2.0, place="link", targets=["issuer"])
    applied = switch("applied", 12.0, 12.0, place="link", targets=["issuer"])
    assert problems(applied, healed, kind={"crash": {}}) == []
    assert problems(applied, healed, kind={"http_error": {"status": 503}}) != []


def test_what_recurs_is_compared_in_all() -> None:
    windows = [
        record
        for at_s in (12.0, 13.0, 14.0, 15.0)
        for record in (switch("applied", at_s, at_s), switch("healed", at_s + 0.5, at_s + 0.7))
    ]
    (said,) = problems(*windows)
    assert "was on for 2.8 s instead of 2.0 s" in said


def test_a_switch_that_failed_is_a_problem_of_its_own() -> None:
    assert problems(switch("applied", 12.0, 18.0, error="no answer")) == []


ORDERED = (switch("applied", 12.0, 12.0), switch("healed", 15.0, 15.0))


def test_what_the_run_asked_for_is_in_order() -> None:
    assert (
        problems(
            *ORDERED,
            event("proxy_created", 1.0),
            event("proxy_enabled", 1.0),
            event("proxy_disabled", 12.005),
            event("toxic_hit", 13.0, toxic="gone_upstream"),
            event("proxy_enabled", 15.005),
        )
        == []
    )


@pytest.mark.parametrize(
    "strange",
    [
        event("reset", 13.0, proxy=""),
        event("proxy_enabled", 13.0),
        event("proxy_disabled", 20.0),
        event("proxy_disabled", 12.0, proxy="gateway.void.issuer"),
        event("proxy_deleted", 13.0),
        event("proxy_created", 13.0),
        event("toxic_added", 12.0, toxic="mine_upstream"),
        event("toxic_updated", 12.0, toxic="gone_upstream"),
        event("toxic_removed", 13.0, toxic="gone_upstream"),
        event("toxic_added", 9.0, toxic="mine_upstream"),  # before the load, and on during it
        event("proxy_disabled", 9.0),
        in_link("applied", 13.0, "mine"),
        in_link("healed", 13.0),
        in_link("connected", 13.0),
        in_link("applied", 9.0, "mine"),
    ],
    ids=lambda record: getattr(record, "kind", "") or record.action,
)
def test_what_somebody_else_switched_is_told(strange: Record) -> None:
    (said,) = problems(*ORDERED, strange)
    assert said.startswith("somebody else switched faults during the run: ")


def test_a_link_that_starts_again_is_given_its_faults_anew() -> None:
    crash = (
        switch("applied", 12.0, 12.0, place="link", targets=["issuer"]),
        switch("healed", 15.0, 15.0, took_s=2.0, place="link", targets=["issuer"]),
    )
    again = (in_link("connected", 16.5), in_link("applied", 16.6, "other"))
    assert problems(*crash, *again, kind={"crash": {}}) == []
