"""The end of a session: what is kept of a run, and whether its money rules are final."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.store.facts import HostFacts, RunFacts, ServiceFacts, ServiceFailure
from paychain.analysis.store.store import RunStore
from paychain.board import session as sessions
from paychain.board.control import BoardAction, Control, Steering
from paychain.board.session import Saved, Session
from paychain.engine.errors import EngineError
from paychain.environment.running_chain import ChainReport, NothingOwn
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from paychain.payments.journal import Record
from paychain.processes.scratch import is_scratch
from tests.support.chains import shop
from tests.support.recorded import Recorded, ns

HOST = HostFacts(
    name="lab",
    address="10.0.0.2",
    links=["issuer"],
    clock_offset_ms=0.0,
    clock_uncertainty_ms=0.1,
)


class FakeChain:
    """A chain without processes, whose drain takes 2 s of its clock or fails."""

    id_prefix = "p"

    def __init__(self, records: list[Record], failure: str) -> None:
        self.records, self.failure = records, failure
        self.at_s = 10.0
        self.own = NothingOwn()
        self.services: list[ServiceFacts] = []

    def now_ns(self) -> int:
        return ns(self.at_s)

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:
        records, self.records = self.records, []
        yield records

    def drain(self) -> list[str]:
        if self.failure:
            raise EngineError(self.failure)
        self.at_s += 2.0
        return []

    def check(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def fault_hits(self) -> dict[str, int]:
        return {}

    def report(self) -> ChainReport:
        return ChainReport(hosts=[HOST], services=self.services)


@pytest.fixture
def control() -> Iterator[Control]:
    made = Control("a secret")
    made.start()
    yield made
    made.stop()


def session_of(folder: Path, control: Control, monkeypatch: Any, failure: str = "") -> Session:
    """A session whose load made a payment and was then stopped."""
    made = Recorded()
    made.pay(1.0)
    chain = FakeChain(made.records, failure)
    monkeypatch.setattr(sessions, "RealChain", lambda *_, **__: chain)
    file = folder / "shop.yaml"
    file.write_text(shop(), "utf-8")
    session = Session(
        load_chain(str(file)), "shop", folder / "out", seed=1, toxiproxy=None, control=control
    )
    control.steering = Steering(
        run=1, start_ns=0, changes=[(0.0, 1.0), (9.0, 0.0)], started=1, waiting=0
    )
    session.step()
    return session


def ended(session: Session) -> tuple[Saved, RunFacts]:
    session.end()
    (saved,) = session.saved
    store = RunStore.open(saved.folder / "run.db")
    return saved, store.facts()


def test_a_run_is_final_when_its_drain_is_over(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, facts = ended(session_of(tmp_path, control, monkeypatch))
    assert facts.drained_s == 12.0
    assert facts.times.load_end_s == 9.0
    assert facts.problems == []
    assert all(rule.is_judged for rule in saved.result.money.rules)


def test_what_the_processes_of_a_session_write_goes_with_it(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(tmp_path, control, monkeypatch)
    assert is_scratch(session.scratch / "load-process.log")  # no message points at it
    assert session.scratch.is_dir()
    ended(session)
    assert not session.scratch.exists()


def test_money_is_not_final_when_the_drain_fails(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, facts = ended(session_of(tmp_path, control, monkeypatch, "the engine exited"))
    assert facts.drained_s is None
    assert facts.problems == ["the engine exited"]
    assert not all(rule.is_judged for rule in saved.result.money.rules)


def test_the_hosts_of_a_chain_are_in_its_result(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, _ = ended(session_of(tmp_path, control, monkeypatch))
    assert saved.result.hosts == [HOST]


def test_an_own_service_that_ends_is_noted_once_and_fails_the_run(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(tmp_path, control, monkeypatch)
    log = session.scratch / "logs" / "shop.log"
    log.parent.mkdir()
    log.write_text("the pool is empty\n")
    failure = ServiceFailure(at_s=9.0, what="ended with exit code 7", lines=["the pool is empty"])
    shop = ServiceFacts(
        name="shop",
        form="npm start",
        log=f"{session.scratch.name}/logs/shop.log",
        failures=[failure],
    )
    chain: Any = session.running
    chain.services, chain.own = [shop], NothingOwn(broken="shop")
    session.step()
    session.step()
    assert [text for _, text in session.notes].count("shop ended by itself") == 1
    saved, _ = ended(session)
    assert saved.result.verdict == "fail"
    assert saved.result.reasons[0] == "shop ended with exit code 7 at 9.0 s"
    (service,) = saved.result.services
    assert (saved.folder / service.log).read_text() == "the pool is empty\n"


def test_an_action_on_nothing_is_answered_in_words(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(tmp_path, control, monkeypatch)
    assert session.ask(BoardAction(do="heal_all")) == "no active faults"
    with pytest.raises(UserError, match="fault 'down-1' is not active"):
        session.ask(BoardAction(do="heal", fault="down-1"))
    with pytest.raises(UserError, match="unknown action 'dance'"):
        session.ask(BoardAction(do="dance"))
    session.end()


def test_each_recorded_run_has_metrics_of_its_own(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(tmp_path, control, monkeypatch)
    folder = session.recorded.folder.name
    first = session.metrics.text()
    assert f'experiment="by-hand",seed="1",run="{folder}"' in first
    assert re.search(r'payments_total\{.*outcome="approved".*\} 1\n', first)
    session.metrics.look(2.0, [("down", "link", "issuer")])
    session.metrics.look(3.0, [])
    assert re.search(r'fault_active\{.*fault="down link issuer"\} 0\n', session.metrics.text())
    session._finish(None)
    session._start_recording()
    second = session.metrics.text()
    assert "payments_total" not in second
    assert f'run="{folder}"' not in second
    session.end()
