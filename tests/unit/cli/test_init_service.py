"""`paychain init --service`: a chain for an own service, which lacks what only its team knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import load_chain
from paychain.protocol.dialects.vendors import VENDORS
from tests.support.cli import invoked

FILES = (
    "chains/own-service.yaml",
    "chaos/answers-lost.yaml",
    "chaos/provider-down.yaml",
)


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the workflow; what is in it test_wheel.py sees."""
    monkeypatch.setattr("paychain.cli.wheel.wheel_of_this_copy", lambda: b"")


@pytest.mark.parametrize(
    ("command", "dialect"),
    [
        *(("npm start", dialect) for dialect in VENDORS),
        ("python -m shop --port {port}", "stripe"),
        ("sh -c 'a \"b\"'", "stripe"),
    ],
)
def test_what_it_writes_passes_the_check(command: str, dialect: str, tmp_path: Path) -> None:
    done = invoked(tmp_path, "init", "--service", command, "--dialect", dialect)
    assert done.exit_code == 0
    checked = invoked(tmp_path, "check", *FILES)
    assert checked.exit_code == 0, checked.stderr
    service = load_chain(str(tmp_path / FILES[0])).model.links["shop"].service
    assert service is not None
    assert service.command is not None
    assert "own-service.yaml" in (tmp_path / ".github/workflows/paychain.yml").read_text()


def test_no_file_is_written_where_a_link_of_the_repository_leads(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/.gitignore").symlink_to(tmp_path / "elsewhere")
    done = invoked(tmp_path, "init", "repository")
    assert "kept     repository/.gitignore" in done.stdout
    assert not (tmp_path / "elsewhere").exists()


def test_no_folder_is_written_to_where_a_link_of_the_repository_leads(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repository/chaos").symlink_to(tmp_path / "elsewhere")
    done = invoked(tmp_path, "init", "repository")
    assert done.exit_code == 2
    assert "cannot write repository/chaos/processor-outage.yaml: a link leads out of" in done.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "chains").mkdir()
    (tmp_path / FILES[0]).write_text("mine")
    done = invoked(tmp_path, "init", "--service", "npm start", "--ci", "gitlab")
    assert "kept     chains/own-service.yaml" in done.stdout
    assert (tmp_path / FILES[0]).read_text() == "mine"
    assert (tmp_path / ".gitlab-ci.yml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--service", "npm start", "--dialect", "strip"), "did you mean 'stripe'?"),
        (("--service", "sh -c 'open"), "--service cannot be read"),
        (("--service", " "), "--service names no command"),
    ],
)
def test_mistakes_write_nothing(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = invoked(tmp_path, "init", *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
