"""A whole matrix in virtual time, interrupted and resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.model.files import available
from paychain.processes.jobs import Job, Report
from paychain.report.html.matrix import Matrix, not_run, read_matrix, write_matrix
from paychain.runs.matrix import IN_ANOTHER_PART
from tests.support.chains import experiment, shop
from tests.support.cli import invoked
from tests.support.runs import declare

MATRIX = ("matrix", "shop.yaml", "--fault", "down.yaml")


class Here:
    """In place of a pool whose processes would have to start first: each job is done when asked."""

    def __init__(self, processes: int) -> None:
        assert processes > 0

    @contextmanager
    def start(self, job: Job, arguments: Sequence[Any]) -> Iterator[Here]:
        self._waiting = [(job, number, argument) for number, argument in enumerate(arguments)]
        yield self

    def receive(self) -> list[Report]:
        job, number, argument = self._waiting.pop(0)
        return [Report(number, job(argument, lambda _: None), is_done=True)]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a pool does cells, and how it ends, is in test_ended_from_outside.py."""
    monkeypatch.setattr("paychain.runs.matrix.Pool", Here)


def declared(folder: Path, *, on_unknown: str = "give_up") -> None:
    """A shop, and two standard faults with less load and for a shorter time."""
    declare(folder, shop=shop(on_unknown=on_unknown))
    for name in ("down", "lost-answer"):
        text = available("experiment")[name].read_text("utf-8").replace("for: 6s", "for: 2s")
        load = "load: {arrivals: 20/s, warm_up: 0s, before: 3s, after: 4s}"
        # How long a recovery takes is seen ten seconds after it at the earliest.
        text = re.sub(r"\n *recovery: .*", "", re.sub(r"load: .*", load, text))
        declare(folder, **{name: text})


@pytest.mark.parametrize("target", ["{link: '*'}", '{"link":  "*"}'])
def test_a_standard_fault_is_injected_however_its_target_is_written(
    tmp_path: Path, target: str
) -> None:
    fault = f"{{at: 0s, for: 1s, target: {target}, down: {{}}}}"
    declare(tmp_path, shop=shop(), ours=experiment(fault, arrivals="10/s"))
    words = ("matrix", "shop.yaml", "--fault", "ours.yaml", "--link", "gateway", "--resume", "made")
    done = invoked(tmp_path, *words)
    [cell] = read_matrix(tmp_path / "made").cells
    assert cell.run, f"{cell.state}: {done.stderr}"


@pytest.mark.slow
def test_a_matrix_names_what_breaks_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    declared(tmp_path)
    words = [*MATRIX, "--fault", "lost-answer.yaml", "--resume", "made"]
    first = invoked(tmp_path, *words, "--link", "processor-a")
    assert first.exit_code == 1, first.stderr
    cells = {(cell.link, cell.fault): cell for cell in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "down"].state == "held"  # the failover carries it
    assert cells["processor-a", "lost-answer"].state == "money wrong"  # and charges twice here
    run = cells["processor-a", "lost-answer"].run
    assert (tmp_path / "made" / run / "report.html").is_file()

    second = invoked(tmp_path, *words, "--link", "processor-a", "--links", "issuers")
    assert second.exit_code == 1, second.stderr
    assert "4/4" in second.stderr
    assert "processor-a" not in second.stderr  # those cells were not run again
    cells = {(cell.link, cell.fault): cell for cell in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "lost-answer"].run == run
    assert cells["issuer", "down"].state == "broke"


@pytest.mark.slow
def test_parts_of_a_matrix_together_are_the_whole(tmp_path: Path) -> None:
    declared(tmp_path)
    words = [*MATRIX, "--link", "processor-a", "--link", "issuer", "--resume"]
    assert invoked(tmp_path, *words, "whole").exit_code == 1
    for number in (1, 2):
        made = invoked(tmp_path, *words, f"made-{number}", "--part", f"{number}/2")
        assert "1/1" in made.stderr

    merged = invoked(tmp_path, "merge", "made-1", "made-2", "--out", "merged/all")
    assert merged.exit_code == 1
    whole, together = read_matrix(tmp_path / "whole"), read_matrix(tmp_path / "merged" / "all")
    assert [(cell.state, cell.text) for cell in together.cells] == [
        (cell.state, cell.text) for cell in whole.cells
    ]
    for cell in together.cells:
        assert (tmp_path / "merged" / "all" / cell.run / "report.html").is_file()

    alone = invoked(tmp_path, "merge", "made-2", "--out", "half")
    assert "part 1/2 is missing" in alone.stderr
    assert {cell.state for cell in read_matrix(tmp_path / "half").cells} >= {"not run"}
    assert "is a whole matrix" in invoked(tmp_path, "merge", "whole").stderr
    declared(tmp_path, on_unknown="reverse")
    invoked(tmp_path, *words, "other", "--part", "1/2")
    refused = invoked(tmp_path, "merge", "other", "made-2")
    assert refused.exit_code == 2
    assert "files of the chain or the faults differ" in refused.stderr
    _version_of(tmp_path / "made-1", "9.9")
    refused = invoked(tmp_path, "merge", "made-1", "made-2")
    assert (refused.exit_code, "their versions of paychain differ" in refused.stderr) == (2, True)


def _version_of(folder: Path, version: str) -> None:
    write_matrix(msgspec.structs.replace(read_matrix(folder), version=version), folder)


def test_parts_are_merged_from_the_folders_that_out_named(tmp_path: Path) -> None:
    cells = [not_run("shop", "down", IN_ANOTHER_PART)]
    for number in (1, 2):
        part = Matrix(
            chain="shop",
            title="",
            seed=1,
            virtual=True,
            command="",
            interrupted=False,
            links=["shop"],
            faults={"down": ""},
            cells=cells,
            part=f"{number}/2",
        )
        for name in ("first", "second")[:number]:
            folder = tmp_path / f"part-{number}" / name
            folder.mkdir(parents=True)
            write_matrix(part, folder)
    merged = invoked(tmp_path, "merge", "part-1", "part-2/second", "--out", "whole")
    assert (merged.exit_code, merged.stderr) == (0, "")
    refused = invoked(tmp_path, "merge", "part-1", "part-2")
    assert refused.exit_code == 2
    assert "part-2 has several matrices: first, second; name those to merge" in refused.stderr
