"""Ctrl-C outside a running chain: the innermost block says what was kept."""

from __future__ import annotations

import sys

import pytest
import typer

from paychain.cli import main
from paychain.processes.interrupted import Interrupted, interruption_in, keeping


def test_the_innermost_block_says_what_was_kept() -> None:
    with (
        pytest.raises(Interrupted, match=r"^the report$"),
        keeping("nothing"),
        keeping("the report"),
    ):
        raise KeyboardInterrupt


def test_an_error_that_is_no_interruption_passes() -> None:
    with pytest.raises(ValueError, match="other"), keeping("the report"):
        raise ValueError("other")


def test_an_exit_that_an_interruption_led_to_is_found_and_any_other_is_not() -> None:
    assert interruption_in(SystemExit(130)) is None
    with pytest.raises(SystemExit) as ended:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            raise SystemExit(130) from interrupt
    assert isinstance(interruption_in(ended.value), KeyboardInterrupt)


@pytest.mark.parametrize(
    ("kept", "printed"),
    [
        ("", "interrupted: nothing was kept\n"),
        ("the run is in runs", "interrupted: the run is in runs\n"),
    ],
)
def test_a_command_that_is_interrupted_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: str, printed: str
) -> None:
    app = typer.Typer()

    @app.command()
    def interrupted() -> None:
        raise Interrupted(kept)

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["paychain"])
    with pytest.raises(SystemExit, match="130"):
        main.main()
    assert capsys.readouterr().err == printed


def test_a_command_that_handled_its_interruption_has_said_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def handled() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("the run was interrupted")
        raise typer.Exit(130)

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["paychain"])
    with pytest.raises(SystemExit, match="130"):
        main.main()
    assert capsys.readouterr().err == ""
