"""Virtual runs: the same files and the same judgement as real runs, in a fraction of the time."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from typer.testing import CliRunner

from paychain.cli.main import app, main
from paychain.wire.answer import AnswerReader
from tests.support.chains import experiment, shop
from tests.support.cli import invoked, paychain
from tests.support.paths import SOURCES
from tests.support.runs import broken_rules, declare, run_in
from tests.support.tiers import only

SLOW = "latency: {delay: 50ms}"
# A link's time to answer that hangs on the order of a set, as a careless change would have it.
DEPENDS_ON_THE_HASH_SEED = """\
import paychain.payments.chance as chance
honest = chance.draw
chance.draw = lambda seed, *key: (honest(seed, *key) + hash("planted") % 97 / 1e6) % 1
"""


def run(
    folder: Path,
    *options: str,
    fault: str,
    on_unknown: str = "reverse",
    variables: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The result of one run of a shop with two seconds of a fault of processor-a."""
    hurt = f"{{id: hurt, at: 0s, for: 2s, target: {{link: processor-a}}, {fault}}}"
    declare(
        folder,
        shop=shop(on_unknown=on_unknown, issuer={"declines": {"share": "5%"}}),
        quick=experiment(
            hurt, tolerances='{technical_success: {before: ">= 99.9%", during: ">= 95%"}}'
        ),
    )
    words = ["run", "shop.yaml", "quick.yaml", "--out", "runs", "--json", *options]
    if variables is None and "--virtual" in options:
        done = invoked(folder, *words)
    else:
        done = paychain(folder, *words, variables=variables)
    assert done.exit_code in (0, 1, 3), done.stderr
    return dict(done.json)


def broken_at(result: dict[str, Any]) -> set[tuple[str, str]]:
    return {(place["caller"], place["callee"]) for place in result["breaks"]}


FAULTS = {
    "lost answers": ("lost_answer: {}", "give_up"),
    "resets": ("reset: {after: 1ms}", "reverse"),
    "latency beyond the timeout": ("latency: {delay: 900ms}", "reverse"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", only({"lost answers"}, FAULTS))
def test_a_virtual_run_comes_to_the_verdict_of_the_real_one(name: str, tmp_path: Path) -> None:
    fault, on_unknown = FAULTS[name]
    results = {}
    for way, options in {"real": (), "virtual": ("--virtual",)}.items():
        folder = tmp_path / way
        folder.mkdir()
        results[way] = run(folder, *options, fault=fault, on_unknown=on_unknown)
    real, virtual = results["real"], results["virtual"]
    assert virtual["verdict"] == real["verdict"]
    assert broken_rules(virtual) == broken_rules(real)
    assert broken_at(virtual) == broken_at(real)
    others = {phase["name"]: phase for phase in real["phases"]}
    for phase in virtual["phases"]:
        success, other = phase["technical_success"], others[phase["name"]]["technical_success"]
        # 60 to 80 payments a phase: one or two may fall on either side of a switch
        assert success == pytest.approx(other, abs=0.04), phase["name"]


def test_a_virtual_run_says_so_writes_every_output_and_repeats(tmp_path: Path) -> None:
    began_s = perf_counter()
    result = run(tmp_path, "--virtual", "--check-determinism", fault="down: {}")
    took_s = perf_counter() - began_s
    assert result["virtual"] is True
    # The six seconds of the experiment passed within this call, however long that took.
    assert result["compression"] > 6.0 / took_s
    # 40/s for 0.5 + 1.5 + 2 + 2 s
    assert result["load"]["planned"] == 240
    assert result["load"]["lag_max_ms"] == 0
    assert result["command"].endswith("--virtual")
    assert not result["reasons"]
    folder = run_in(tmp_path)
    for name in ("report.html", "junit.xml", "summary.md", "run.db"):
        assert (folder / name).stat().st_size > 0
    with sqlite3.connect(folder / "run.db") as store:
        (paid, last_ns) = store.execute("SELECT count(*), max(intended_ns) FROM txn").fetchone()
    assert paid == 240
    assert 5.9e9 <= last_ns < 6.0e9


def test_another_order_of_events_repeats_too(tmp_path: Path) -> None:
    result = run(tmp_path, "--virtual", "--check-determinism", "--interleaving", "77", fault=SLOW)
    assert not result["reasons"]


@pytest.mark.slow
def test_a_run_that_does_not_repeat_is_inconclusive_and_shows_the_first_difference(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEPENDS_ON_THE_HASH_SEED)
    path = f"{tmp_path}{os.pathsep}{SOURCES}"
    careless = {"PYTHONPATH": path, "PYTHONHASHSEED": "1"}
    result = run(tmp_path, "--virtual", "--check-determinism", fault=SLOW, variables=careless)
    assert result["verdict"] == "inconclusive"
    (reason,) = [reason for reason in result["reasons"] if "two runs of one seed differ" in reason]
    assert re.search(
        r"record 1 differs: Movement\(link='issuer', .* and then amount_minor=\d", reason
    )


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        (["--virtual", "--toxiproxy", "http://127.0.0.1:1"], "cannot run in virtual time"),
        (["--check-determinism"], "only virtual runs are deterministic"),
    ],
)
def test_options_that_do_not_fit_virtual_time_are_refused(
    tmp_path: Path, options: list[str], mistake: str
) -> None:
    done = invoked(tmp_path, "run", "card-ecommerce", "steady", *options)
    assert done.exit_code == 2
    assert mistake in done.stderr


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """As a terminal's programs hear it; a shell's background jobs do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_within_a_callback_of_the_http_parser_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The parser makes an error of its own of whatever its callbacks raise."""
    whole = AnswerReader.on_message_complete
    calls = iter(range(1_000_000))

    def interrupted(reader: AnswerReader) -> None:
        if next(calls) == 500:
            signal.raise_signal(signal.SIGINT)
        whole(reader)

    monkeypatch.setattr(AnswerReader, "on_message_complete", interrupted)
    words = ["run", "card-ecommerce", "steady", "--virtual", "--quiet", "--out", str(tmp_path)]
    before = signal.getsignal(signal.SIGINT)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 130, result.output
    assert next(calls) < 1_000  # all of it has tens of thousands
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_before_a_command_began_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("paychain.cli.main.app", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit, match="130"):
        main()
    assert capsys.readouterr().err == "interrupted: nothing was kept\n"
