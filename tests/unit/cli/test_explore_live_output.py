"""What paychain explore --live prints, and which files it refuses for paychain up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from paychain.cli import explore_live as explore
from paychain.cli.exit_codes import ExitCode
from paychain.cli.explore_live import (
    LiveProgress,
    explore_live,
    found_lines,
    nothing_found_lines,
    searched_line,
    summary_line,
    warning_lines,
)
from paychain.cli.up import _scripts_of
from paychain.explore.live.files import recall
from paychain.explore.live.result import FoundScript, LiveResult, LiveSpec
from paychain.explore.live.steps import step_choices
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from paychain.payments.rules import Finding

CHAIN = load_chain("card-gives-up").model
LOST = next(
    step
    for step in step_choices(CHAIN)
    if (step.place, step.name) == (("link", "processor-a", "authorise"), "lost_answer")
)
FOUND = FoundScript(
    rule="no_double_charge",
    steps=(LOST,),
    finding=Finding("p0000001", 9_230, "184.60 EUR held for an order", ()),
    at_script=64,
    stories=(),
    is_minimal=True,
    reproduced=3,
)


def test_a_found_script_in_lines() -> None:
    assert found_lines(FOUND) == [
        "✕ no double charge: 184.60 EUR held for an order",
        "    smallest script: the first authorise at processor-a: works, its answer is lost",
        "    minimal: no simpler script broke the rule",
        "    reproduced by 3 of 3 fresh payments, alone",
        "    found with script 64",
    ]


def test_what_was_cut_short_or_not_reproduced_is_reported() -> None:
    cut = found_lines(replace(FOUND, is_minimal=False, reproduced=None))
    assert "    not minimal: the search ended while it was minimised" in cut
    assert "    not reproduced: the search ended first" in cut
    assert "    no failure is needed" in "\n".join(found_lines(replace(FOUND, steps=())))
    assert found_lines(replace(FOUND, at_script=0))[-1] == "    found before the first script"


def test_how_much_was_searched_and_what_to_know_of_it() -> None:
    result = LiveResult(
        scripts=1_240,
        met=310,
        requests=9_811,
        controls=160,
        controls_s=[0.046, 0.048, 2.0],
        took_s=60.0,
    )
    assert searched_line(result) == (
        "1,240 scripts (310 of them changed something), 9,811 requests, 160 payments without a "
        "script, in 60.0 s (1,240 scripts per minute; a payment without one takes 48 ms)"
    )
    assert warning_lines(result) == []
    assert nothing_found_lines(result) == ["no script broke a rule: evidence, not proof"]
    few = LiveResult(
        scripts=64,
        spaced=2,
        restarts=1,
        undecided=3,
        coupled={"no_double_charge": 2},
        doubtful={"books_agree": "the first capture at stripe: declines"},
        deaths=[
            "shop ended with exit code 3; its last lines:\n    first",
            "shop ended with exit code 3; its last lines:\n    second",
        ],
    )
    text = "\n".join([*warning_lines(few), *nothing_found_lines(few)])
    for words in (
        "2 payments without a script broke no_double_charge next to scripted ones",
        "batches were spaced 2 times",
        "not reproduced: the first capture at stripe: declines broke books_agree once",
        "the chain was started again 1 time",
        "✕ shop ended with exit code 3; its last lines:\n    first\n    2 times in all",
        "3 orders not decided",
        "64 scripts are too few to rely on",
    ):
        assert words in text


class _Ending:
    """A search that ends by an error, after it has found something."""

    found: ClassVar[dict[str, FoundScript]] = {}

    def __init__(self, *_: object, **__: object) -> None:
        self.result = LiveResult(found=self.found)

    def run(self) -> None:
        raise UserError("shop was not ready within 30 s")


def test_what_was_found_is_kept_when_the_chain_does_not_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explore, "LiveSearch", _Ending)
    loaded, spec = load_chain("card-gives-up"), LiveSpec()
    with pytest.raises(UserError, match="not ready"):
        explore_live(loaded, spec, chain="card-gives-up", out=tmp_path)
    monkeypatch.setattr(_Ending, "found", {FOUND.rule: FOUND})
    assert explore_live(loaded, spec, chain="card-gives-up", out=tmp_path) is ExitCode.FAIL
    assert "ended early: shop was not ready within 30 s" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.yaml"))) == 1
    assert recall(CHAIN, step_choices(CHAIN), tmp_path) == [(LOST,)]


def test_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 1.0, 6.0])
    show = LiveProgress(clock=lambda: next(seconds))
    for scripts in (64, 128, 192):
        show(LiveResult(scripts=scripts, requests=10, took_s=30.0, doing="minimising it"))
    lines = capsys.readouterr().err.splitlines()
    # The second came a second after the first: too early for a log.
    assert lines == [
        "64 scripts, 10 requests, 128 scripts per minute, 0 found; minimising it",
        "192 scripts, 10 requests, 384 scripts per minute, 0 found; minimising it",
    ]


def test_up_follows_only_scripts_that_somebodys_payment_can_pick(tmp_path: Path) -> None:
    path = tmp_path / "magic.yaml"
    head = "experiment: magic\nload: {arrivals: 1/s, before: 1s, after: 1s}\n"
    script = "scripts:\n  - {payments: PICK, steps: [{link: issuer, lost_answer: {}}]}\n"
    path.write_text(head)
    with pytest.raises(UserError, match="the file has no scripts"):
        _scripts_of(path, CHAIN)
    path.write_text(head + script.replace("PICK", "{every: 5}"))
    with pytest.raises(UserError, match=r"magic\.yaml:4:\d+: a payment that you send yourself"):
        _scripts_of(path, CHAIN)
    path.write_text(head + script.replace("PICK", "{amount: 92.30}"))
    assert [each.id for each in _scripts_of(path, CHAIN)] == ["script-1"]
    assert _scripts_of(None, CHAIN) == []


def test_a_search_that_was_interrupted_at_once_does_not_count_what_it_has_not_done() -> None:
    result = LiveResult(took_s=37.72, was_interrupted=True)
    assert summary_line(result) == "interrupted after 37.7 s, before any script ran"
    result.scripts = 2
    assert summary_line(result).startswith("nothing found in 2 scripts (0 of them changed")
