"""What a run keeps of the files it was made of; it is judged by these copies alone."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paychain.analysis.store.facts import Started
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.runs.judge import inputs_of
from paychain.runs.spec import Inputs, new_folder
from tests.support.chains import experiment
from tests.support.own_chains import own_shop
from tests.support.runs import declare

ADAPTER = """\
class Shop:
    async def pay(self, payment, http):
        raise NotImplementedError
"""
ARRIVALS = "at_s\n0.5\n1.5\n"
COPIES = ("adapters.py", "arrivals.csv", "quick.yaml", "shop.yaml")


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """A run in `run` that was made of files in `own`, which are gone."""
    own, run = tmp_path / "own", tmp_path / "run"
    (own / "shop").mkdir(parents=True)
    recorded = own / "arrivals.csv"
    declare(
        own,
        shop=own_shop(shop={"pays": {"by": "shop/adapters.py:Shop"}}),
        quick=experiment(arrivals=f"{{replay: {recorded}}}"),
    )
    recorded.write_text(ARRIVALS)
    (own / "shop" / "adapters.py").write_text(ADAPTER)
    chain = load_chain(str(own / "shop.yaml"))
    inputs = Inputs(chain, load_experiment(str(own / "quick.yaml"), chain.model))
    run.mkdir()
    kept = inputs.keep(run)
    for path in sorted(own.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return Started(
        chain="shop.yaml",
        experiment="quick.yaml",
        chain_home=str(own),
        experiment_home=str(own),
        inputs=kept,
        seed=1,
        command="",
        started_at="",
    )


def test_everything_that_was_run_is_kept(tmp_path: Path, started: Started) -> None:
    assert sorted(path.name for path in (tmp_path / "run" / "inputs").iterdir()) == list(COPIES)
    assert (tmp_path / "run" / "inputs" / "adapters.py").read_text() == ADAPTER


def test_a_run_is_judged_by_its_copies_wherever_the_files_were(
    tmp_path: Path, started: Started
) -> None:
    # What lies where they were is another file by now.
    (tmp_path / "own" / "arrivals.csv").write_text("at_s\n7.5\n")
    inputs = inputs_of(tmp_path / "run", started)
    assert inputs.chain.path == tmp_path / "own" / "shop.yaml"
    arrivals = inputs.experiment.model.load.arrivals
    assert arrivals is not None
    assert arrivals.times == (0.5, 1.5)


@pytest.mark.parametrize("name", COPIES)
def test_no_run_is_judged_by_a_copy_that_was_changed(
    tmp_path: Path, started: Started, name: str
) -> None:
    copy = tmp_path / "run" / "inputs" / name
    copy.write_text(copy.read_text() + "\n")
    with pytest.raises(UserError, match=rf"{name} has changed since the run"):
        inputs_of(tmp_path / "run", started)
    copy.unlink()
    with pytest.raises(UserError, match=rf"cannot read .*{name}: No such file"):
        inputs_of(tmp_path / "run", started)


def test_runs_that_begin_in_the_same_second_have_names_of_their_own(tmp_path: Path) -> None:
    """Whatever folder or machine they are on: metrics, traces and tables know them by the name."""
    begun = datetime(2026, 11, 23, 20, tzinfo=UTC)
    names = [new_folder(tmp_path / out, begun, "shop-short").name for out in ("a", "b", "b")]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"20261123T200000Z-[0-9a-f]{6}-shop-short", each) for each in names)


def test_a_folder_too_deep_for_a_database_is_refused_before_the_run(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 2, "e" * 100)
    with pytest.raises(UserError, match="too long for SQLite; name another folder"):
        new_folder(deep, datetime.now(UTC), "shop-short")
    assert list(tmp_path.iterdir()) == []
    sqlite3.connect(new_folder(tmp_path, datetime.now(UTC), "shop-short") / "run.db").close()
