"""What a command that reads runs says of an error: the files' fault, or ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paychain.cli.exit_codes import ExitCode
from paychain.cli.reading import reading
from paychain.payments.errors import HarnessError, UserError
from paychain.report.result import FILE_NAME
from tests.support.cli import invoked
from tests.support.signed_runs import run_at

ERRORS = (TypeError("unsupported operand"), KeyError("phase"), AssertionError(), RecursionError())


def fails(error: Exception, *runs: Path) -> None:
    with reading(*runs):
        raise error


@pytest.mark.parametrize("error", ERRORS)
def test_files_that_are_as_they_were_written_are_not_to_blame(
    tmp_path: Path, error: Exception
) -> None:
    first, second = run_at(tmp_path, "first"), run_at(tmp_path, "second")
    (first / "report.html").write_text("half of it")  # rendered by the command that failed
    for runs in ((first,), (first, second), (tmp_path,)):
        with pytest.raises(
            HarnessError, match=r"its files are unchanged: .*bug in paychain or in a lib"
        ):
            fails(error, *runs)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("damage", ["changed", "no sums"])
def test_files_that_differ_from_what_was_written_are_to_blame(
    tmp_path: Path, error: Exception, damage: str
) -> None:
    first, second = run_at(tmp_path, "first"), run_at(tmp_path, "second")
    if damage == "changed":
        (second / FILE_NAME).write_text("{}")
    else:
        (second / "SHA256SUMS").unlink()
    for runs in ((second,), (first, second), (tmp_path,)):
        with pytest.raises(UserError, match=r"cannot be read as a run: .*damaged or were changed"):
            fails(error, *runs)


def test_a_module_that_cannot_be_imported_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="No module named 'typst'"):
        fails(ImportError("No module named 'typst'"), tmp_path)


@pytest.mark.parametrize("words", [("show", "payment", "runs", "p1"), ("judge", "runs")])
def test_a_folder_that_is_no_run_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = invoked(tmp_path, *words)
    assert done.exit_code == ExitCode.USAGE
    assert re.search(r"no [a-z.]+ in runs; name a run directory", done.stderr)


@pytest.mark.parametrize("command", ["report", "judge", "sign", "export"])
def test_a_file_in_place_of_a_run_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "runs").mkdir()
    for name, hint in ((FILE_NAME, "its run directory: runs"), ("shop.yaml", "a run directory")):
        place = f"runs/{name}" if name == FILE_NAME else name
        (tmp_path / place).touch()
        done = invoked(tmp_path, command, place)
        assert done.exit_code == ExitCode.USAGE
        assert f"{place} is a file; name {hint}" in done.stderr
