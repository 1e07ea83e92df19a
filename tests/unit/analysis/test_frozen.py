"""A process that a fault froze did not stall."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.frozen import frozen_spans, was_frozen
from paychain.analysis.store.store import RunStore
from paychain.declaration.yaml_text import parse
from paychain.model.experiment import Experiment
from paychain.payments.journal import FaultSwitch, Stall
from tests.support.chains import experiment

TEXT = experiment(
    "{id: f, at: 0s, for: 2s, target: {link: issuer}, freeze: {}}",
    "{id: c, at: 0s, for: 2s, target: {link: processor}, crash: {forgets: true}}",
)


def switch(fault: str, action: str, at_ns: int, target: str) -> FaultSwitch:
    return FaultSwitch(
        fault=fault,
        action=action,  # type: ignore[arg-type]  # one of two words
        planned_ns=at_ns,
        effective_ns=at_ns,
        place="link",
        targets=[target],
        error="",
    )


@pytest.mark.parametrize(
    ("process", "from_ns", "until_ns", "is_meant"),
    [
        ("link issuer", 100, 300, True),
        ("link issuer life 2", 95, 305, True),
        ("link issuer", 301, 400, False),  # a stall of its own after it
        ("link issuer-b", 100, 300, False),
        ("mock services", 100, 300, False),
        ("link processor", 100, 300, False),  # a crash is no freeze
    ],
)
def test_a_stall_is_a_freeze_only_of_that_link_and_at_that_time(
    tmp_path: Path, process: str, from_ns: int, until_ns: int, is_meant: bool
) -> None:
    store = RunStore.create(tmp_path / "run.db")
    switches = [
        switch(fault, action, at_ns, target)
        for fault, target in (("f", "issuer"), ("c", "processor"))
        for action, at_ns in (("applied", 100), ("healed", 300))
    ]
    store.ingest(switches)
    spans = frozen_spans(store, Experiment.model_validate(parse(TEXT).value))
    store.close()
    assert was_frozen(Stall(process, from_ns, until_ns), spans) is is_meant
