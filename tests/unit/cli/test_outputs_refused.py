"""What a command could not write is a mistake, told before the work whose outcome would be lost."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from paychain.cli import main
from tests.support.chains import corner_shop
from tests.support.cli import invoked
from tests.support.runs import declare

TOO_LONG = "x" * 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    declare(tmp_path, shop=corner_shop())
    (tmp_path / "file").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "matrix shop.yaml --fault down --out file",
        "matrix shop.yaml --fault down --out file/deep",
        f"matrix shop.yaml --fault down --out {TOO_LONG}",
        "matrix shop.yaml --fault down --resume run",
        "explore shop.yaml --budget 1 --out file",
        "explore shop.yaml --actions --budget 1 --out file",
        "merge file --out file",
        "keygen .",
        "keygen /",
    ],
)
def test_it_is_a_mistake(folder: Path, command: str) -> None:
    before = sorted(folder.rglob("*"))
    done = invoked(folder, *command.split())
    assert done.exit_code == 2, done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("number", "code"), [(errno.ENAMETOOLONG, 2), (errno.ENOSPC, 3)])
def test_a_name_that_no_file_can_have_is_no_failure_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    def fail() -> None:
        raise OSError(number, "why", "the file")

    monkeypatch.setattr(main, "app", fail)
    monkeypatch.setattr("sys.argv", ["paychain"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == code
    assert capsys.readouterr().err.endswith("the file: why\n")


def test_a_name_of_another_locale_is_told_from_one_that_is_no_text() -> None:
    assert "set LC_ALL" in str(main._unreadable("n\udcc3\udca9"))
    assert "is not UTF-8; rename" in str(main._unreadable("a\udcff"))
