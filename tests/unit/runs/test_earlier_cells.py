"""What a matrix continues of a folder: its own cells, and those of no other matrix."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from paychain.faults.target import for_one_link
from paychain.model.files import available
from paychain.report.html.matrix import read_matrix
from paychain.report.result import Result, write
from tests.support.chains import shop
from tests.support.cli import invoked
from tests.support.report_results import result
from tests.support.runs import declare

WORDS = ("matrix", "shop.yaml", "--fault", "down.yaml", "--link", "issuer", "--resume", "made")
COMMAND = "paychain run shop.yaml made/cells/issuer.down.yaml --seed 1 --virtual"
KEPT = "made/cells/issuer.down.yaml"


def declared(folder: Path) -> Result:
    """A chain, a standard fault, and the result of their cell, which is written to its folder."""
    fault = available("experiment")["down"].read_text("utf-8")
    declare(folder, shop=shop(), down=fault)
    made = result(
        seed=1, virtual=True, environment={"paychain": version("paychain")}, command=COMMAND
    )
    chain = (folder / "shop.yaml").read_bytes()
    whole = msgspec.structs.replace(
        made,
        chain=msgspec.structs.replace(made.chain, sha256=sha256(chain).hexdigest()),
        experiment=msgspec.structs.replace(
            made.experiment, sha256=sha256(for_one_link(fault, "issuer").encode()).hexdigest()
        ),
    )
    keep(folder, whole)
    return whole


def keep(folder: Path, whole: Result) -> None:
    run = folder / "made/cells/issuer.down/run-1"
    run.mkdir(parents=True, exist_ok=True)
    write(whole, run)


def test_a_cell_of_the_same_matrix_is_not_run_again(tmp_path: Path) -> None:
    declared(tmp_path)
    again = invoked(tmp_path, *WORDS)
    assert "1/1" not in again.stderr
    (cell,) = read_matrix(tmp_path / "made").cells
    assert cell.run == "cells/issuer.down/run-1"


def of_another_version(whole: Result) -> Result:
    return msgspec.structs.replace(whole, environment={"paychain": "0.0.1"})


def of_an_unknown_version(whole: Result) -> Result:
    return msgspec.structs.replace(whole, environment={})


def of_another_chain(whole: Result) -> Result:
    chain = msgspec.structs.replace(whole.chain, sha256="a" * 64)
    return msgspec.structs.replace(whole, chain=chain)


def of_another_fault(whole: Result) -> Result:
    other = msgspec.structs.replace(whole.experiment, sha256="b" * 64)
    return msgspec.structs.replace(whole, experiment=other)


def of_another_seed(whole: Result) -> Result:
    return msgspec.structs.replace(whole, seed=2)


def of_a_real_run(whole: Result) -> Result:
    return msgspec.structs.replace(whole, virtual=False)


def of_other_names(whole: Result) -> Result:
    return msgspec.structs.replace(whole, command=f"{COMMAND} --map issuer=bank")


@pytest.mark.parametrize(
    ("different", "words"),
    [
        (of_another_version, "the versions of paychain of issuer.down differ"),
        (of_an_unknown_version, "the versions of paychain of issuer.down differ"),
        (of_another_chain, "the files of the chain of issuer.down differ"),
        (of_another_fault, "the files of the faults of issuer.down differ"),
        (of_another_seed, "the seeds of issuer.down differ"),
        (of_a_real_run, "the ways to run (--real) of issuer.down differ"),
        (of_other_names, "the names of --map of issuer.down differ"),
    ],
)
def test_a_folder_with_a_cell_of_a_different_matrix_is_refused(
    different: Callable[[Result], Result], words: str, tmp_path: Path
) -> None:
    keep(tmp_path, different(declared(tmp_path)))
    refused = invoked(tmp_path, *WORDS)
    assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr
    # Nothing of the other matrix is changed.
    assert not (tmp_path / KEPT).exists()
    assert not (tmp_path / "made/matrix.json").exists()


def test_a_cell_that_is_not_asked_for_counts_too(tmp_path: Path) -> None:
    keep(tmp_path, of_another_seed(declared(tmp_path)))
    words = [*WORDS[:-4], "--link", "gateway", "--resume", "made"]
    refused = invoked(tmp_path, *words)
    assert (refused.exit_code, "seeds of issuer.down differ" in refused.stderr) == (2, True)


@pytest.mark.parametrize("words", [("--link", "gateway"), ("--link", "issuer", "--part", "2/2")])
def test_a_cell_that_was_run_is_not_left_out(tmp_path: Path, words: tuple[str, ...]) -> None:
    declared(tmp_path)
    invoked(tmp_path, *WORDS)
    before = (tmp_path / "made/matrix.json").read_bytes()
    refused = invoked(tmp_path, *WORDS[:4], *words, "--resume", "made")
    assert refused.exit_code == 2
    assert "made has runs that this matrix leaves out: issuer.down; continue it" in refused.stderr
    assert (tmp_path / "made/matrix.json").read_bytes() == before


def test_names_that_only_another_fault_uses_are_no_difference(tmp_path: Path) -> None:
    declared(tmp_path)
    again = invoked(tmp_path, *WORDS, "--map", "elsewhere=gateway")
    assert read_matrix(tmp_path / "made").cells[0].run, again.stderr
