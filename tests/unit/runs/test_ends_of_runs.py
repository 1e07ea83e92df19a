"""What may happen while a run that is over is judged, and what cannot be written then."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.store.store import RunStore
from paychain.payments.errors import HarnessError, UserError
from paychain.report.evidence.files import unchanged
from paychain.runs import finish as finishing
from paychain.runs import judge as judging
from paychain.runs import run as running
from paychain.runs.by_name import run
from paychain.runs.judge import judge_run
from paychain.runs.spec import Finished
from tests.support.chains import corner_shop, experiment
from tests.support.runs import declare

LATE = experiment("{id: late, at: 0s, for: 1s, target: {link: issuer}, latency: {delay: 1ms}}")


@pytest.fixture
def run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Finished]:
    declare(tmp_path, shop=corner_shop(), late=LATE)
    monkeypatch.chdir(tmp_path)
    return lambda: run("shop.yaml", "late.yaml", virtual=True, out="runs")


def test_a_run_that_is_being_judged_is_judged_to_its_end(
    run_it: Callable[[], Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = running.finish

    def disturbed(*given: Any) -> Finished:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        return judge(*given)

    monkeypatch.setattr(running, "finish", disturbed)
    before = signal.getsignal(signal.SIGTERM)
    finished = run_it()
    assert finished.result.verdict == "pass", finished.result.reasons
    assert not finished.was_interrupted
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("is_virtual", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_signal_before_the_chain_is_there_leaves_a_result(
    run_it: object,
    monkeypatch: pytest.MonkeyPatch,
    is_virtual: bool,
) -> None:
    new_store = running._new_store

    def disturbed(*given: Any) -> RunStore:
        os.kill(os.getpid(), signal.SIGTERM)
        return new_store(*given)

    monkeypatch.setattr(running, "_new_store", disturbed)
    before = signal.getsignal(signal.SIGTERM)
    finished = run("shop.yaml", "late.yaml", virtual=is_virtual, out="runs")
    assert finished.was_interrupted
    assert finished.result.verdict == "inconclusive"
    assert "the run was interrupted" in finished.result.reasons
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "run.db"), "run.db: No space left on device"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (KeyError("a mistake of ours"), "KeyError: 'a mistake of ours'"),
    ],
)
def test_a_run_that_cannot_be_judged_is_inconclusive_and_says_why(
    run_it: Callable[[], Finished],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(finishing, "add_own_hops", fail)
    finished = run_it()
    assert finished.result.verdict == "inconclusive"
    (reason,) = finished.result.reasons
    assert reason.startswith(f"the run could not be judged: {words}")
    assert not any(rule.findings for rule in finished.result.money.rules)
    assert (finished.folder / "result.json").is_file()


def test_records_that_cannot_be_kept_make_a_run_inconclusive(
    run_it: Callable[[], Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(RunStore, "ingest", fail)
    result = run_it().result
    assert result.verdict == "inconclusive"
    assert "run.db is incomplete: disk I/O error" in result.reasons
    assert result.money.unjudged == "run.db is incomplete: disk I/O error"


def test_a_result_that_cannot_be_written_is_told_in_a_sentence(
    run_it: Callable[[], Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "result.json")

    monkeypatch.setattr(finishing, "publish", fail)
    with pytest.raises(HarnessError, match=r"result\.json: No space left on device"):
        run_it()


def test_a_run_whose_judging_was_ended_is_judged_again(
    run_it: Callable[[], Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_it().folder
    result = (folder / "result.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(judging, "judge_again", _ended)
        with pytest.raises(KeyboardInterrupt):
            judge_run(folder)
    (folder / "result.json").write_bytes(b"half of it")
    assert judge_run(folder).result.verdict == "pass"
    assert (folder / "result.json").read_bytes() == result
    assert unchanged(folder).keys() >= {"run.db", "result.json"}
    # What was run must not differ, however often it is judged.
    (folder / "inputs" / "shop.yaml").write_text("chain: another\n")
    with pytest.raises(UserError, match=r"inputs/shop\.yaml was changed"):
        judge_run(folder)


def test_a_run_keeps_its_name_where_it_is_the_working_folder(
    run_it: Callable[[], Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_it().folder.resolve()
    for inside, words in ((folder, "."), (folder / "inputs", ".."), (folder.parent, folder.name)):
        monkeypatch.chdir(inside)
        assert judge_run(Path(words)).result.run_id == folder.name


def _ended(_inputs: Any, facts: Any, store: RunStore, _folder: Path) -> None:
    """Judge half of it, and die."""
    store.restore(facts.times)
    store.close()
    raise KeyboardInterrupt
