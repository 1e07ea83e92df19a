"""Who follows a run gets all of its records, and may object to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.payments.journal import PaymentRecord, Record
from paychain.runs import determinism
from paychain.runs.chains import chain_of
from paychain.runs.determinism import DeterminismCheck
from paychain.runs.follower import RunFollower
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.chains import corner_shop, experiment
from tests.support.runs import declare

LATE = "{id: late, at: 0s, for: 1s, target: {link: issuer}, latency: {delay: 1ms}}"


class Doubter(RunFollower):
    """Follows a run, and objects to it."""

    def __init__(self) -> None:
        self.folder = Path()
        self.records: list[Record] = []
        self.was_asked = False

    def begin(self, folder: Path) -> None:
        self.folder = folder

    def add(self, records: Iterable[Record]) -> None:
        self.records.extend(records)

    def check(self) -> list[str]:
        self.was_asked = True
        return ["nobody believes this"]


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    declare(tmp_path, shop=corner_shop(), late=experiment(LATE))
    chain = load_chain(str(tmp_path / "shop.yaml"))
    return RunSpec(
        chain=chain,
        experiment=load_experiment(str(tmp_path / "late.yaml"), chain.model),
        out=tmp_path / "runs",
        virtual=True,
    )


def test_what_a_follower_objects_to_makes_a_run_inconclusive(spec: RunSpec) -> None:
    doubter = Doubter()
    finished = run(spec, chain_of(spec), [doubter])
    assert finished.result.verdict == "inconclusive"
    assert finished.result.reasons == ["nobody believes this"]
    assert doubter.folder == finished.folder
    paid = [record for record in doubter.records if isinstance(record, PaymentRecord)]
    assert len(paid) == finished.result.load.recorded > 0


def test_a_run_that_went_wrong_needs_no_further_objection(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the load is lost")

    doubter = Doubter()
    monkeypatch.setattr("paychain.environment.virtual.VirtualChain.begin_load", fail)
    finished = run(spec, chain_of(spec), [doubter])
    assert finished.result.verdict == "inconclusive"
    assert not doubter.was_asked


class Failing(RunFollower):
    """Follows a run and fails, in one of its methods."""

    def __init__(self, where: str) -> None:
        self._where = where

    def begin(self, folder: Path) -> None:
        self._fail("begin")

    def add(self, records: Iterable[Record]) -> None:
        self._fail("add")

    def message(self, text: str) -> None:
        self._fail("message")

    def check(self) -> list[str]:
        self._fail("check")
        return []

    def close(self) -> None:
        self._fail("close")

    def _fail(self, where: str) -> None:
        if where == self._where:
            raise RuntimeError("nobody listens")


@pytest.mark.parametrize("where", ["begin", "add", "message", "check"])
def test_a_follower_that_fails_costs_a_run_its_verdict_and_no_record(
    spec: RunSpec, where: str
) -> None:
    finished = run(spec, chain_of(spec), [Failing(where)])
    assert finished.result.verdict == "inconclusive"
    assert "nobody listens" in finished.result.reasons[0]
    whole = run(replace(spec, out=spec.out / "whole"), chain_of(spec)).result
    assert finished.result.load.recorded == whole.load.recorded > 0


@pytest.mark.parametrize("where", ["begin", "add", "message"])
def test_a_follower_that_fails_is_named_beside_another_problem(
    spec: RunSpec, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the load is lost")

    monkeypatch.setattr("paychain.environment.virtual.VirtualChain.drain", fail)
    reasons = run(spec, chain_of(spec), [Failing(where)]).result.reasons
    assert reasons[-1] == "RuntimeError: nobody listens"
    assert "the load is lost" in reasons[0]


class Closed(Failing):
    """Counts how often it is closed."""

    times = 0

    def close(self) -> None:
        self.times += 1


@pytest.mark.parametrize("where", ["nowhere", "begin", "check"])
def test_every_follower_is_closed_once_also_one_that_failed(spec: RunSpec, where: str) -> None:
    follower = Closed(where)
    run(spec, chain_of(spec), [follower])
    assert follower.times == 1


def test_every_follower_is_closed_when_a_run_cannot_begin(spec: RunSpec) -> None:
    follower = Closed("nowhere")
    spec.out.write_text("a file")
    with pytest.raises(UserError, match="cannot write to"):
        run(spec, chain_of(spec), [follower])
    assert follower.times == 1


def test_one_that_fails_at_the_very_end_costs_nothing(spec: RunSpec) -> None:
    assert run(spec, chain_of(spec), [Failing("close")]).result.verdict == "pass"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_has_several_followers_and_none_disturbs_another(
    spec: RunSpec, is_first: bool
) -> None:
    doubter, failing = Doubter(), Failing("add")
    followers = [failing, doubter] if is_first else [doubter, failing]
    finished = run(spec, chain_of(spec), followers)
    assert finished.result.reasons == ["RuntimeError: nobody listens", "nobody believes this"]
    paid = [record for record in doubter.records if isinstance(record, PaymentRecord)]
    assert len(paid) == finished.result.load.recorded > 0


@pytest.mark.parametrize(
    ("replayed", "problem"),
    [
        (lambda records: records, ""),
        (lambda records: records[:-1], "two runs of one seed differ: record "),
    ],
    ids=["the same", "one missing"],
)
def test_a_run_is_compared_with_itself_record_by_record(
    spec: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
    replayed: Callable[[list[Record]], list[Record]],
    problem: str,
) -> None:
    said: list[str] = []
    check = DeterminismCheck(spec, said.append)
    monkeypatch.setattr(determinism, "_replay", lambda *_: replayed(list(check._records)))
    reasons = run(spec, chain_of(spec), [check]).result.reasons
    assert [reason.startswith(problem) for reason in reasons] == [True] * bool(problem)
    assert len(said) == (not problem)


def test_a_run_whose_repetition_takes_too_long_is_inconclusive_and_says_so(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(determinism, "WITHIN_S", 0.01)
    check = DeterminismCheck(spec, lambda _: None)
    reasons = run(spec, chain_of(spec), [check]).result.reasons
    assert reasons == ["the second run of the determinism check took longer than 0.01 s"]
