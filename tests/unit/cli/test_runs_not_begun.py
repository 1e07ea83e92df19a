"""What a run leaves that was ended while it made its folder is not taken for a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paychain.analysis.store.store import RunStore
from paychain.payments.errors import UserError
from tests.support.cli import invoked


def empty(_: Path) -> None:
    """Nothing is in it yet."""


def with_inputs(run: Path) -> None:
    (run / "inputs").mkdir()
    (run / "inputs" / "shop.yaml").write_text("chain: shop")


def with_empty_database(run: Path) -> None:
    with_inputs(run)
    (run / "run.db").touch()


def with_tables(run: Path) -> None:
    with_inputs(run)
    RunStore.create(run / "run.db").close()


@pytest.mark.parametrize("make", [empty, with_inputs, with_empty_database, with_tables])
def test_no_command_takes_it_for_a_run(make: Callable[[Path], None], tmp_path: Path) -> None:
    run = tmp_path / "reports" / "20261130T000000Z-shop-steady"
    run.mkdir(parents=True)
    make(run)
    assert invoked(tmp_path, "keygen", "k").exit_code == 0
    before = sorted(path for path in run.rglob("*") if not path.name.startswith("run.db-"))
    for command in (
        f"judge {run}",
        f"report {run}",
        f"verify {run} --trust k.pub",
        f"sign {run} --key k",
        f"export {run} --otlp traces.jsonl",
        f"compare {run} {run}",
        f"show payment {run} p0000001",
        "report reports --history",
        "verify reports --history --trust k.pub",
    ):
        done = invoked(tmp_path, *command.split())
        assert done.exit_code == 2, f"{command}: {done.exit_code} {done.stdout} {done.stderr}"
        assert "no " in done.stderr or "not " in done.stderr, command
    after = sorted(path for path in run.rglob("*") if not path.name.startswith("run.db-"))
    assert after == before


def test_an_empty_database_is_of_no_version(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()
    with pytest.raises(UserError, match="holds no run: it did not begin; run it again"):
        RunStore.open(tmp_path / "run.db")
