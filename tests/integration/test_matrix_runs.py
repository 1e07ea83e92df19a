"""A whole matrix in virtual time, interrupted and resumed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.report.matrix import read_matrix

CHAIN = """\
chain: shop
entry: gateway
deadline: 3s
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor-a
        timeout: 600ms
        on_unknown: give_up
        fallback: [{to: processor-b}]
  processor-a: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  issuer: {role: issuer}
"""


def paychain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "matrix", str(folder / "shop.yaml"), *words]
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )


def test_a_matrix_names_what_breaks_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(CHAIN)
    words = ["--fault", "down", "--fault", "lost-answer", "--resume", "made"]
    first = paychain(tmp_path, *words, "--link", "processor-a")
    assert first.returncode == 1, first.stderr
    cells = {(one.link, one.fault): one for one in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "down"].state == "held"  # the failover carries it
    assert cells["processor-a", "lost-answer"].state == "money wrong"  # and charges twice here
    run = cells["processor-a", "lost-answer"].run
    assert (tmp_path / "made" / run / "report.html").is_file()

    second = paychain(tmp_path, *words, "--link", "processor-a", "--link", "issuer")
    assert second.returncode == 1, second.stderr
    assert "4/4" in second.stderr
    assert "processor-a" not in second.stderr  # those cells were not run again
    cells = {(one.link, one.fault): one for one in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "lost-answer"].run == run
    assert cells["issuer", "down"].state == "broke"
