"""What GitHub, CTRF readers and Prometheus get."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from paychain.analysis.measures.measures import Verdict
from paychain.cli.main import app
from paychain.payments.errors import UserError
from paychain.report.ci.ctrf import ctrf_json
from paychain.report.ci.github import MAX_SUMMARY_BYTES, report, workflow_commands
from paychain.report.ci.prometheus import prometheus_text, write_prometheus
from paychain.report.result import Result
from paychain.report.text.summary import SPARKS, sparkline, summary_md
from tests.support.report_results import FAILED, result


def many_failures(number: int) -> Result:
    failed = [msgspec.structs.replace(FAILED, id=f"technical_success.{at}") for at in range(number)]
    return result(tolerances=failed, money=msgspec.structs.replace(result().money, rules=[]))


def test_a_failed_limit_is_annotated_on_the_line_that_sets_it() -> None:
    line = workflow_commands(result())[0]
    assert line.startswith("::error file=chaos/mine.yaml,line=7,col=41,title=mine on shop::")
    # % and the end of a line are escaped, so that it stays one command
    assert "required ≥ 95 %25, observed 71.3 %25 (23.7 points short)%0A" in line
    assert "\n" not in line
    assert line.endswith("%0Areproduce: paychain run shop mine --seed 7")


def test_colons_and_commas_in_a_property_do_not_end_it() -> None:
    place = "chaos/odd,name:x.yaml:3:5"
    odd = result(tolerances=[msgspec.structs.replace(FAILED, place=place)])
    assert workflow_commands(odd)[0].startswith(
        "::error file=chaos/odd%2Cname%3Ax.yaml,line=3,col=5,title="
    )


def test_there_are_nine_annotations_and_the_number_of_the_others() -> None:
    assert len(workflow_commands(many_failures(9))) == 9
    lines = workflow_commands(many_failures(30))
    assert len(lines) == 10
    assert lines[-1] == "::error title=paychain::and 21 more failed checks"  # 30 - 9


def test_the_summary_is_appended_and_nothing_is_annotated_outside_github(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    assert report(result(), {"GITHUB_STEP_SUMMARY": str(file)}) == []
    assert file.read_text("utf-8") == "before\n" + summary_md(result())
    assert report(result(), {}) == []
    assert report(result(), {"GITHUB_ACTIONS": "true"}) == workflow_commands(result())


def test_a_summary_that_cannot_be_written_changes_no_verdict(tmp_path: Path) -> None:
    (line,) = report(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "summary.md")})
    assert line.startswith(f"cannot write {tmp_path}/none/summary.md: ")


def test_a_summary_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (line,) = report(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "pipe")})
    assert line == f"cannot write {tmp_path}/pipe: nobody reads this pipe"


def test_a_summary_may_go_to_a_pipe_with_a_reader_and_to_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert report(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "pipe")}) == []
        assert os.read(reader, MAX_SUMMARY_BYTES).decode() == summary_md(result())
    finally:
        os.close(reader)
    assert report(result(), {"GITHUB_STEP_SUMMARY": os.devnull}) == []


def test_a_slow_reader_of_a_summary_gets_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "| a row of a long summary |\n" * 20_000  # a pipe holds 64 KiB
    monkeypatch.setattr("paychain.report.ci.github.summary_md", lambda _: text)
    os.mkfifo(tmp_path / "pipe")
    read = bytearray()

    def read_slowly() -> None:
        with (tmp_path / "pipe").open("rb", buffering=0) as pipe:
            is_open.set()
            while some := pipe.read(16_384):
                read.extend(some)
                time.sleep(0.001)

    is_open = threading.Event()
    reader = threading.Thread(target=read_slowly)
    reader.start()
    holder = os.open(tmp_path / "pipe", os.O_WRONLY)  # waits until the reader is there
    assert is_open.wait(10)
    assert report(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "pipe")}) == []
    os.close(holder)
    reader.join(10)
    assert read.decode() == text


def test_a_summary_that_nobody_reads_on_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paychain.report.ci.github.READ_WITHIN_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while os.write(writer, b"x" * 4096):
                pass
        (line,) = report(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "pipe")})
    finally:
        os.close(reader)
        os.close(writer)
    size = len(summary_md(result()).encode())
    why = f"its reader is too slow: 0 of {size:,} bytes written"
    assert line == f"cannot write {tmp_path}/pipe: {why}"


def test_a_summary_that_is_nearly_full_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * (MAX_SUMMARY_BYTES - 10))
    report(result(), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.stat().st_size == MAX_SUMMARY_BYTES - 10


def test_the_summary_has_failed_checks_first_and_keeps_foreign_text_out_of_its_markup() -> None:
    text = summary_md(result())
    rows = [line for line in text.splitlines() if line.startswith(("| ✕", "| –", "| ✓"))]
    assert [row[2] for row in rows] == ["✕", "–", "✓"]
    foreign = msgspec.structs.replace(
        result().breaks[0], failure="<img src=x>@team|[x](y)`*b*_c_", examples=["p1"]
    )
    line = next(each for each in summary_md(result(breaks=[foreign])).splitlines() if "img" in each)
    assert "<" not in line
    assert "&#64;&#8203;team\\|&#91;x](y)'&#42;b&#42; c " in line


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\\|b", "a&#92;\\|b"),  # a lone backslash before the bar would end the cell
        ("https://x.example", "https&#58;//x.example"),
        ("www.x.example", "www&#46;x.example"),
        ("# big", "&#35; big"),
        ("as #12 says", "as &#35;&#8203;12 says"),
        ("~~gone~~ $x$", "&#126;&#126;gone&#126;&#126; &#36;x&#36;"),
        ("> said\n- it", "&gt; said - it"),
    ],
)
def test_foreign_text_makes_no_link_heading_or_formula_in_the_summary(
    text: str, written: str
) -> None:
    foreign = msgspec.structs.replace(FAILED, observed_text=text)
    assert f"| {written} |" in summary_md(result(tolerances=[foreign]))


def test_a_sparkline_shows_the_worst_second_of_each_part() -> None:
    # 30 seconds, a character each: 100 % is the highest of 8 bars; 28 of 40 is 70 %,
    # 0.7 of 7 steps is 4.9, the sixth bar
    assert sparkline(result()) == SPARKS[7] * 10 + SPARKS[5] * 10 + SPARKS[7] * 10


def test_the_counts_of_the_ctrf_report_add_up() -> None:
    report: dict[str, Any] = json.loads(ctrf_json(result()))
    results = report["results"]
    assert results["tool"]["name"] == "paychain"
    summary, tests = results["summary"], results["tests"]
    assert summary["stop"] - summary["start"] == 30_000
    for status in ("passed", "failed", "pending", "skipped", "other"):
        assert summary[status] == sum(test["status"] == status for test in tests)
    assert summary["tests"] == len(tests) == 6
    failed = next(test for test in tests if test["name"] == "technical_success.during")
    assert (failed["filePath"], failed["line"]) == ("chaos/mine.yaml", 7)


def test_an_inconclusive_run_is_no_failed_test_of_the_chain() -> None:
    report = json.loads(ctrf_json(result(verdict=Verdict.INCONCLUSIVE)))
    tests = {test["name"]: test["status"] for test in report["results"]["tests"]}
    assert tests["run_is_conclusive"] == "other"


LINE = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\} (-?\d\S*)')


def test_every_prometheus_line_is_help_type_or_a_sample_of_that_family() -> None:
    family = ""
    samples: dict[str, float] = {}
    for line in prometheus_text(result()).splitlines():
        if line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        elif line.startswith("# HELP "):
            family = line.split()[2]
        else:
            match = LINE.fullmatch(line)
            assert match is not None, line
            assert match[1] == family
            assert line not in samples
            samples[f"{match[1]}{{{match[2]}}}"] = float(match[3])
    run = result()
    shop = f'chain="shop",experiment="mine",seed="{run.seed}",run="{run.run_id}"'
    assert samples[f'paychain_check_passed{{{shop},check="technical_success.during"}}'] == 0
    assert samples[f'paychain_check_passed{{{shop},check="books_agree"}}'] == 1
    assert samples[f'paychain_technical_success_ratio{{{shop},phase="during"}}'] == 0.713
    assert f'paychain_check_passed{{{shop},check="latency_p99.after"}}' not in samples
    # a latency of too few calls is omitted, not shown as zero
    assert not [name for name in samples if 'processor-a"' in name and 'quantile="0.99"' in name]


def test_label_values_are_escaped() -> None:
    chain = msgspec.structs.replace(result().chain, name='a"b\\c\nd')
    assert 'chain="a\\"b\\\\c\\nd"' in prometheus_text(result(chain=chain))


def test_runs_in_one_directory_have_no_sample_in_common() -> None:
    # The second run has another seed, the third was made with the same seed later.
    runs = [result(), result(seed=2), result(run_id="20261128T120000Z-shop-mine")]
    samples = [
        line.rpartition(" ")[0]
        for run in runs
        for line in prometheus_text(run).splitlines()
        if not line.startswith("#")
    ]
    assert len(samples) == len(set(samples))


def test_one_file_with_several_runs_has_each_type_and_each_sample_once() -> None:
    runs = [result(), result(seed=2), result(seed=3), result()]  # the last is the first once more
    lines = prometheus_text(*runs).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    samples = [line for line in lines if not line.startswith("#")]
    names = [line.rpartition(" ")[0] for line in samples]
    assert (
        len(names)
        == len(set(names))
        == 3
        * (
            len(
                [
                    line
                    for line in prometheus_text(result()).splitlines()
                    if not line.startswith("#")
                ]
            )
        )
    )
    # all samples of a gauge stand together, and none has a timestamp
    for line in samples:
        assert LINE.fullmatch(line), line
    families = [line.partition("{")[0] for line in samples]
    assert [name for name, _ in groupby(families)] == list(dict.fromkeys(families))


def test_gauges_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "paychain.prom"
    write_prometheus(path, result())
    assert path.read_text("utf-8") == prometheus_text(result())
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="cannot write"):
        write_prometheus(tmp_path / "no" / "such.prom", result())


def test_a_file_of_gauges_that_cannot_be_written_is_reported_before_the_run(tmp_path: Path) -> None:
    place = str(tmp_path / "no" / "such.prom")
    words = ["run", "card-ecommerce", "steady", "--virtual", "--out", str(tmp_path / "runs")]
    with pytest.raises(UserError, match=r"cannot write .*: .* is not writable"):
        CliRunner().invoke(app, [*words, "--prom", place], catch_exceptions=False)
    assert not (tmp_path / "runs").exists()
