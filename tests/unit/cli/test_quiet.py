"""--quiet: only the verdict, and why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.cli.options import ReportFormat
from paychain.cli.run_outputs import print_run
from tests.support.chains import corner_shop
from tests.support.cli import invoked
from tests.support.report_results import result
from tests.support.runs import declare


def printed(capsys: pytest.CaptureFixture[str], verdict: Verdict) -> tuple[list[str], str]:
    """The lines on stdout, and stderr."""
    found = result(verdict=verdict, reasons=["the disk is full"])
    print_run(found, Path("run"), None, format=ReportFormat.TEXT, is_quiet=True)
    out, err = capsys.readouterr()
    return out.splitlines(), err


def test_an_inconclusive_run_has_its_reason_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    lines, err = printed(capsys, Verdict.INCONCLUSIVE)
    assert lines == ["– INCONCLUSIVE  mine on shop", f"report: {Path('run/report.html')}"]
    assert err == "The disk is full.\n"


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
def test_a_verdict_stands_alone(capsys: pytest.CaptureFixture[str], verdict: Verdict) -> None:
    lines, err = printed(capsys, verdict)
    assert len(lines) == 2
    assert err == ""


def test_a_matrix_has_its_counts_whatever_its_faults_are_called(tmp_path: Path) -> None:
    (tmp_path / "chaos").mkdir()
    declare(tmp_path, shop=corner_shop())
    held_up = """\
        experiment: held-up
        title: Answers are held up
        load: {arrivals: 20/s, before: 1s, after: 1s}
        faults: [{id: late, at: 0s, for: 1s, target: {link: "*"}, latency: {delay: 100ms}}]
        tolerances: {technical_success: {after: ">= 0%"}}
        """
    (tmp_path / "chaos" / "held-up.yaml").write_text(held_up, "utf-8")
    words = ("matrix", "shop.yaml", "--fault", "held-up", "--link", "issuer", "--quiet")
    done = invoked(tmp_path, *words)
    counts, report = done.stdout.splitlines()
    assert "not run 1" in counts  # two seconds of load are too few to judge
    assert report.startswith("report: ")
    assert "– issuer × held-up: " in done.stderr
