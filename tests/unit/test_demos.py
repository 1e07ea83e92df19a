"""`make demo` and `make demo-own` on a machine that is too busy to tell: what is run then."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
# Ends as told for what runs in real time, one code for each run, and passes in virtual time.
COMMAND = """#!/bin/sh
echo "ran $*"
case "$*" in *--virtual*) exit 0;; esac
read code rest < codes
echo "$rest" > codes
exit "$code"
"""


def played(tmp_path: Path, target: str, *codes: int) -> tuple[int, list[str]]:
    """Exit code of a target, and the runs that it made; `codes`: of those in real time."""
    command = tmp_path / "bin/paychain"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o755)
    (tmp_path / "codes").write_text(" ".join(map(str, codes)))
    done = subprocess.run(
        [
            *("make", "-f", str(ROOT / "Makefile"), "BIN=bin", target),
            *("-o", ".venv/ready", "-o", ".venv/installed"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    ran = [line.split()[2:] for line in done.stdout.splitlines() if line.startswith("ran run")]
    return done.returncode, [f"{run[0].split('/')[-1]} {'--virtual' in run}" for run in ran]


@pytest.mark.parametrize(
    ("codes", "runs"),
    [
        ((0, 0), ["chain-naive.yaml False", "chain-sound.yaml False"]),
        ((3, 0, 0), ["chain-naive.yaml False"] * 2 + ["chain-sound.yaml False"]),
        (
            (3, 3, 3, 3),
            [
                *["chain-naive.yaml False"] * 2,
                "card-gives-up True",
                *["chain-sound.yaml False"] * 2,
                "card-sound True",
            ],
        ),
    ],
)
def test_a_busy_machine_is_asked_twice_and_then_mocks_are_shown(
    tmp_path: Path, codes: tuple[int, ...], runs: list[str]
) -> None:
    assert played(tmp_path, "demo-own", *codes) == (0, runs)


def test_a_sound_shop_that_fails_ends_the_demo(tmp_path: Path) -> None:
    code, runs = played(tmp_path, "demo-own", 0, 1)
    assert code != 0
    assert runs == ["chain-naive.yaml False", "chain-sound.yaml False"]


def test_the_demo_goes_on_in_virtual_time(tmp_path: Path) -> None:
    code, runs = played(tmp_path, "demo", 3)
    assert code == 0
    assert runs == ["card-gives-up False", "card-gives-up True", "card-sound True"]
