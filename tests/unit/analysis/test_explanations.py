"""Which failed calls a fault explains: of its kind, and of the request that it acted on."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from paychain.analysis.measures.explanations import Explanations
from paychain.analysis.store.calls import FailedCall
from paychain.analysis.store.store import RunStore
from paychain.faults.kinds import KINDS
from paychain.model.experiment import Experiment
from paychain.payments.journal import Decision, DecisionKind


class Hits:
    """A store with one payment whose request a fault acted on at 5 ns."""

    def decisions(self, kind: DecisionKind) -> list[Decision]:
        hit = Decision(
            link="issuer",
            kind=kind,
            at_ns=5,
            payment="p1",
            attempt=1,
            operation="authorise",
            target="",
            detail="fault-1",
        )
        return [hit] if kind is DecisionKind.FAULT_HIT else []

    def rows(self, kind: type) -> Iterator[object]:
        """The issuer's process was gone from 3 ns to 7 ns, where the fault is a crash."""
        switches = [("applied", 3), ("healed", 7)]
        return iter(
            SimpleNamespace(
                fault="fault-1", action=action, effective_ns=at_ns, targets=["issuer"], error=""
            )
            for action, at_ns in switches
        )


def explained(kind: str, began_ns: int, ended_ns: int) -> bool:
    values = dict(KINDS[kind].facts.switch[0])
    parameters = KINDS[kind].model_validate(values)
    fault = SimpleNamespace(id="fault-1", kind=kind, parameters=parameters)
    experiment = cast(Experiment, SimpleNamespace(faults=[fault], scripts=[]))
    call = FailedCall(
        payment="p1",
        span="s1",
        caller="gateway",
        operation="authorise",
        callee="issuer",
        began_ns=began_ns,
        ended_ns=ended_ns,
        result="timeout",
    )
    return Explanations(cast(RunStore, Hits()), experiment).has(call)


@pytest.mark.parametrize("kind", ["lost_answer", "http_error", "rate_limit", "decline"])
def test_a_fault_explains_the_request_that_it_acted_on_and_no_other(kind: str) -> None:
    assert explained(kind, 0, 10)
    assert not explained(kind, 6, 10)  # the retry


@pytest.mark.parametrize("kind", ["slow_answer", "duplicate_request"])
def test_a_fault_that_a_call_can_work_through_explains_nothing(kind: str) -> None:
    assert not explained(kind, 0, 10)


def test_a_crash_explains_the_calls_to_its_link_while_it_was_down() -> None:
    assert explained("crash", 0, 4)
    assert explained("crash", 6, 10)
    assert not explained("crash", 8, 10)
    assert not explained("freeze", 4, 6)  # a patient caller is answered
