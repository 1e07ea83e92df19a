"""Two runs beside each other: chance is no alarm, a real change is, money knows no chance."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import pytest

from harness.analysis.compare import Comparison, Side, compare
from harness.analysis.measured import Money, MoneyRule, Phase
from harness.analysis.phases import Tally
from harness.analysis.store import RunStore
from harness.comparing import compare_runs
from harness.payments.errors import UserError
from harness.payments.journal import HopRecord, PaymentRecord
from harness.payments.outcome import HopResult, Outcome
from harness.report.comparison import comparison_lines
from harness.report.html import render
from harness.report.outputs import STORE_NAME
from harness.report.result import FILE_NAME, read, write

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"
SECONDS, RATE = 120, 40


def side(path: Path, seed: int, *, lost: float = 0.0, slower: float = 1.0, wrong: int = 0) -> Side:
    """A run of 120 s at 40 payments/s with log-normal latencies, median 100 ms."""
    chance = Random(seed)
    store = RunStore.create(path)
    store.set_meta("timeline", {"load_start_s": 0.0, "before_start_s": 0.0,
                                "faults_start_s": SECONDS, "load_end_s": SECONDS})  # fmt: skip
    tally = Tally()
    records: list[PaymentRecord | HopRecord] = []
    for number in range(SECONDS * RATE):
        at_ns = number * 1_000_000_000 // RATE
        ended_ns = at_ns + round(1e8 * slower * chance.lognormvariate(0, 0.4))
        is_lost = chance.random() < lost
        outcome = Outcome.UNKNOWN if is_lost else Outcome.APPROVED
        payment = PaymentRecord(
            f"p{number}", at_ns, at_ns, ended_ns, outcome, is_lost, "", "", 1_000, "EUR", "visa",
            "", "", "", None, False,
        )  # fmt: skip
        result = HopResult.TIMEOUT if is_lost else HopResult.APPROVED
        records.append(
            HopRecord(f"p{number}", 1, f"{number}", "", "customer", "pay", "gateway", 0, 1, at_ns,
                      ended_ns, result, "")
        )  # fmt: skip
        records.append(payment)
        tally.add(payment)
    store.ingest(records)
    phase: Phase = tally.phase("all", "all", 0.0, SECONDS)
    rules = [MoneyRule("no_double_charge", "No double charge", wrong, wrong * 1_000, [])]
    return Side(path.stem, store, [phase], Money(rules, {}, 0))


def compared(tmp_path: Path, **changes: float) -> Comparison:
    return compare(side(tmp_path / "a.db", 1), side(tmp_path / "b.db", 2, **changes))  # type: ignore[arg-type]


def findings(found: Comparison) -> set[tuple[str, str]]:
    return {(one.measure, one.finding) for one in found.measures if one.finding != "same"}


def test_two_runs_of_the_same_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert found.regressions == []
    assert findings(found) == set()
    assert len(found.measures) == 6  # 4 of the phase, 2 of the hop


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    one = side(tmp_path / "a.db", 1)
    assert {m.difference for m in compare(one, one).measures} == {0}


def test_a_lost_point_of_success_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, lost=0.02)
    assert ("technical success", "regression") in findings(found)
    assert ("failed", "regression") in findings(found)
    assert any("technical success 100.00 % → 9" in text for text in found.regressions)


def test_a_slower_chain_is_found_and_a_quicker_one_is_better(tmp_path: Path) -> None:
    assert {("p50", "regression"), ("p99", "regression")} <= findings(
        compared(tmp_path, slower=1.25)
    )
    better = compare(side(tmp_path / "c.db", 1, slower=1.25), side(tmp_path / "d.db", 2))
    assert ("p50", "improvement") in findings(better)
    assert better.regressions == []


def test_a_difference_below_the_margin_is_no_alarm(tmp_path: Path) -> None:
    found = compared(tmp_path, slower=1.03)  # certain enough, and not worth it: margin 5 %
    assert findings(found) == set()


def test_one_payment_with_money_wrong_is_a_regression(tmp_path: Path) -> None:
    found = compared(tmp_path, wrong=1)
    assert found.regressions == ["no double charge: 1 payments instead of 0"]
    assert "✕ worse" in "\n".join(comparison_lines(found))


def test_a_short_run_is_not_judged(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a.db", 1), side(tmp_path / "b.db", 2, lost=0.5)
    brief = [msgspec.structs.replace(a.phases[0], end_s=10.0)]
    found = compare(Side("a", a.store, brief, a.money), Side("b", b.store, brief, b.money))
    assert {m.finding for m in found.measures if m.scope == "phase all"} == {"too short"}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("experiment", "a different experiment file"),
        ("chain", "a different chain file"),
        ("virtual", "one run was real"),
        ("verdict", "is inconclusive"),
        ("load", "one run had an open load and one a closed"),
    ],
)
def test_runs_that_are_not_alike_are_not_compared(tmp_path: Path, what: str, said: str) -> None:
    result = read(SAMPLE)
    other = {
        "experiment": {"experiment": msgspec.structs.replace(result.experiment, sha256="x")},
        "chain": {"chain": msgspec.structs.replace(result.chain, sha256="x")},
        "virtual": {"virtual": not result.virtual},
        "verdict": {"verdict": "inconclusive"},
        "load": {"load": msgspec.structs.replace(result.load, users=50)},
    }[what]
    for name, value in (("a", result), ("b", msgspec.structs.replace(result, **other))):
        (tmp_path / name).mkdir()
        write(value, tmp_path / name)
        assert (tmp_path / name / FILE_NAME).exists()
        side(tmp_path / name / STORE_NAME, 1).store.close()
    with pytest.raises(UserError, match=said):
        compare_runs(tmp_path / "a", tmp_path / "b")
    if what == "chain":
        found = compare_runs(tmp_path / "a", tmp_path / "b", across_chains=True)
        assert "the chain file was changed between the runs" in found.notes


def test_the_report_shows_the_comparison_what_became_worse_first(tmp_path: Path) -> None:
    found = compared(tmp_path, lost=0.02, wrong=1)
    page = render(msgspec.structs.replace(read(SAMPLE), comparison=found))
    section = page.partition('id="comparison"')[2].partition("</section>")[0]
    rows = section.split("<tr>")[2:]
    assert "no double charge" in rows[0]
    assert "regression" in rows[1]
    assert "became worse" in section
    assert 'id="comparison"' not in render(read(SAMPLE))
