"""Damaged and edited results and databases: each command says so in a sentence, and goes on living.

A mutant may be harmless: then the command works. `invoked` raises whatever else a command raises.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paychain.cli.exit_codes import ExitCode
from tests.support.chains import experiment, shop
from tests.support.cli import Done, invoked
from tests.support.laws import IS_THOROUGH, rounds
from tests.support.runs import declare, run_in

MUTANTS = rounds(200) if IS_THOROUGH else 6  # each is read by several commands
LONGEST_S = 20.0  # of CPU for one command: a figure that was made up must not keep it busy
NUMBERS = (-1, 0, 0.5, 2**62, -(2**62), 1e308, -1e308, 1e-308)
TEXTS = ("", "x", "\x1b[31m", "p" * 10_000, "2026-13-40T00:00:00")
ODD: tuple[Any, ...] = (None, True, *NUMBERS, *TEXTS, [], [None], {}, {"a": 1})
ENDS = {ExitCode.PASS, ExitCode.FAIL, ExitCode.USAGE, ExitCode.INCONCLUSIVE, ExitCode.REGRESSION}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in virtual time in which payments broke and money went wrong."""
    folder = tmp_path_factory.mktemp("recorded")
    lost = "{id: lost, at: 0s, for: 1s, target: {link: processor-a}, lost_answer: {share: 50%}}"
    declare(
        folder,
        shop=shop(on_unknown="give_up"),
        quick=experiment(
            lost, tolerances='{technical_success: {during: ">= 99%"}, double_charges: 0}'
        ),
    )
    done = invoked(folder, "run", "shop.yaml", "quick.yaml", "--virtual", "--out", "runs")
    assert done.exit_code == ExitCode.FAIL, done.stderr
    return run_in(folder)


def copied(recorded: Path, folder: Path) -> Path:
    """The run somewhere else, without the sums that would give a change away."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(recorded, run)
    (run / "SHA256SUMS").unlink()
    return run


OF_RESULTS = (
    ("compare", "{recorded}", "run"),
    ("compare", "run", "{recorded}"),
    ("report", "run", "--ctrf", "--prom", "metrics.prom"),
    ("report", "run", "--format", "github"),
)
OF_DATABASES = (
    ("compare", "{recorded}", "run"),
    ("show", "payment", "run", "p0000042"),
    ("judge", "run", "--quiet"),
)


def ask(folder: Path, recorded: Path, commands: tuple[tuple[str, ...], ...]) -> None:
    """Each command that reads the run `run` in a folder ends with a sentence, and soon."""
    for command in commands:
        words = [word.format(recorded=recorded) for word in command]
        began = time.process_time()
        done: Done = invoked(folder, *words)
        assert done.exit_code in ENDS, (words, done)
        assert done.stdout or done.stderr or done.exit_code == ExitCode.PASS, words
        assert "Traceback" not in done.stderr
        assert time.process_time() - began < LONGEST_S, words


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: its parent, and its key or index there."""
    places = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in places:
        yield value, key
        if isinstance(each, dict | list):
            yield from leaves(each)


@pytest.mark.slow
@pytest.mark.law
@pytest.mark.timeout(1_800)
def test_no_edited_result_ends_a_command_without_a_sentence(recorded: Path, tmp_path: Path) -> None:
    text = (recorded / "result.json").read_text("utf-8")
    chance = random.Random(17)
    for _ in range(MUTANTS):
        run = copied(recorded, tmp_path)
        whole = json.loads(text)
        for _ in range(chance.choice((1, 1, 3))):
            parent, key = chance.choice(list(leaves(whole)))
            if chance.random() < 0.15:
                del parent[key]
            else:
                parent[key] = chance.choice(ODD)
        (run / "result.json").write_text(json.dumps(whole), "utf-8")
        ask(tmp_path, recorded, OF_RESULTS)


@pytest.mark.slow
@pytest.mark.law
@pytest.mark.timeout(1_800)
def test_no_edited_database_ends_a_command_without_a_sentence(
    recorded: Path, tmp_path: Path
) -> None:
    chance = random.Random(18)
    with closing(sqlite3.connect(recorded / "run.db")) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        columns = {
            name: [row[1] for row in database.execute(f'PRAGMA table_info("{name}")')]
            for name in tables
        }
    odd = (None, -1, 2**62, -(2**63), 1e308, "", "x", b"\xff\x00", "[", "p0000042")
    for number in range(MUTANTS):
        run = copied(recorded, tmp_path)
        path = run / "run.db"
        if number % 2:
            data = bytearray(path.read_bytes())
            for _ in range(20):
                data[chance.randrange(100, len(data))] = chance.randrange(256)
            path.write_bytes(data[: chance.choice((len(data), len(data) // 2))])
        else:
            table = chance.choice(tables)
            column = chance.choice(columns[table])
            with closing(sqlite3.connect(path)) as database:
                try:
                    database.execute(
                        f'UPDATE "{table}" SET "{column}" = ? WHERE rowid % 3 = 0',
                        (chance.choice(odd),),
                    )
                    database.commit()
                except sqlite3.Error:
                    continue
        ask(tmp_path, recorded, OF_DATABASES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a valid result"),
        (b"\x00" * 100, "is not a valid result"),
        (b"[" * 100_000, "is not a valid result"),
        (b'{"schema": "other"}', "has schema 'other'"),
    ],
)
def test_what_is_no_result_is_a_mistake(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_bytes(content)
    for words in (("report", "run"), ("compare", "run", "run")):
        done = invoked(tmp_path, *words)
        assert done.exit_code == ExitCode.USAGE
        assert message in done.stderr


def as_pipe(database: Path) -> None:
    database.unlink()
    os.mkfifo(database)


def with_pipe_as_log(database: Path) -> None:
    os.mkfifo(database.with_name("run.db-wal"))


def with_endless_view(database: Path) -> None:
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("ALTER TABLE hop RENAME TO kept")
        opened.execute(
            "CREATE VIEW hop AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT kept.* FROM kept, n"
        )
        opened.commit()


def with_trigger(database: Path) -> None:
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("CREATE TRIGGER t AFTER INSERT ON hop BEGIN DELETE FROM movement; END")
        opened.commit()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (as_pipe, "run.db is no file: a device, a pipe or a folder"),
        (with_pipe_as_log, "run.db-wal is no file: a device, a pipe or a folder"),
        (with_endless_view, "run.db was changed: it has a view, which no run has"),
        (with_trigger, "run.db was changed: it has a trigger, which no run has"),
    ],
)
def test_no_database_keeps_a_command_waiting(
    recorded: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    run = copied(recorded, tmp_path)
    damage(run / "run.db")
    for words in (("judge", run), ("show", "payment", run, "p0000001")):
        done = invoked(tmp_path, *map(str, words))
        assert done.exit_code == ExitCode.USAGE
        assert message in done.stderr or "no run.db" in done.stderr
