"""Two runs beside each other: chance is no alarm, a real change is, money knows no chance."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import msgspec
import pytest
from typer.testing import CliRunner

from paychain.analysis.compare import ComparedRun, compare, compare_series
from paychain.analysis.comparison import Comparison
from paychain.analysis.measures.measures import (
    MoneyMeasure,
    MoneyRule,
    Phase,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.phases import Tally
from paychain.analysis.significance import (
    EIGHTHS,
    SecondShare,
    fisher,
    median_test,
    samples,
    student,
)
from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.store import RunStore
from paychain.cli.main import app
from paychain.model.experiment import Times
from paychain.payments.errors import UserError
from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.report.html.page import render
from paychain.report.outputs import STORE_NAME
from paychain.report.result import FILE_NAME, Result, read, write
from paychain.report.text.comparison import comparison_lines
from paychain.runs.comparison import compare_runs
from tests.support.paths import SAMPLE
from tests.support.synthetic_runs import Conditions, draw

SECONDS, RATE = 120, 40


def side(
    path: Path,
    seed: int,
    *,
    lost: float = 0.0,
    slower: float = 1.0,
    wrong: int = 0,
    quick_failures: bool = False,
) -> ComparedRun:
    """A run of 120 s at 40 payments/s with log-normal latencies, median 100 ms.

    `quick_failures`: what is lost is refused within a millisecond, and was to be the slowest.
    """
    rules = [
        MoneyRule(
            rule="no_double_charge",
            title="No double charge",
            findings=wrong,
            amount=wrong * 1_000,
            payments=[],
        )
    ]
    store, phase = drawn(seed, lost=lost, slower=slower, quick_failures=quick_failures)
    money = MoneyMeasure(rules, {}, 0)
    return ComparedRun(run=path.stem, store=store, phases=[phase], money=money, currency="EUR")


@cache  # most tests compare the same runs, and to write one takes as long as all that is done then
def drawn(
    seed: int,
    *,
    lost: float = 0.0,
    slower: float = 1.0,
    quick_failures: bool = False,
    path: Path = Path(":memory:"),
) -> tuple[RunStore, Phase]:
    """The records of a run, and its one phase."""
    chance = Random(seed)
    store = RunStore.create(path)
    times = Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=SECONDS, load_end_s=SECONDS)
    store.begin(times)
    store.write_facts(RunFacts(times=times, seed=seed))
    tally = Tally()
    records: list[PaymentRecord | HopRecord] = []
    for number in range(SECONDS * RATE):
        at_ns = number * 1_000_000_000 // RATE
        ended_ns = at_ns + round(1e8 * slower * chance.lognormvariate(0, 0.4))
        is_lost = chance.random() < lost
        if quick_failures and is_lost:
            ended_ns = at_ns + 1_000_000
        outcome = Outcome.UNKNOWN if is_lost else Outcome.APPROVED
        payment = PaymentRecord(
            payment=f"p{number}",
            intended_ns=at_ns,
            started_ns=at_ns,
            ended_ns=ended_ns,
            outcome=outcome,
            technical=is_lost,
            code="",
            shown="",
            amount_minor=1_000,
            currency="EUR",
            scheme="visa",
            instrument="",
            merchant="",
            decided_by="",
            error=None,
            warm_up=False,
        )
        result = HopResult.TIMEOUT if is_lost else HopResult.APPROVED
        records.append(
            HopRecord(
                payment=f"p{number}",
                attempt=1,
                span=f"{number}",
                parent="",
                caller="customer",
                operation="pay",
                callee="gateway",
                route=0,
                try_number=1,
                started_ns=at_ns,
                ended_ns=ended_ns,
                result=result,
                code="",
            )
        )
        records.append(payment)
        tally.add(payment)
    store.ingest(records)
    return store, tally.phase("all", "all", 0.0, SECONDS)


def compared(tmp_path: Path, **changes: float) -> Comparison:
    return compare([side(tmp_path / "a.db", 1)], side(tmp_path / "b.db", 2, **changes))  # type: ignore[arg-type]  # of mixed types


def findings(found: Comparison) -> set[tuple[str, str]]:
    return {
        (measure.measure, measure.finding)
        for measure in found.measures
        if measure.finding != "same"
    }


def test_two_runs_of_the_same_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert found.regressions == []
    assert findings(found) == set()
    assert len(found.measures) == 6  # 4 of the phase, 2 of the hop


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    same = side(tmp_path / "a.db", 1)
    assert {m.difference for m in compare([same], same).measures} == {0}


def test_a_lost_point_of_success_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, lost=0.02)
    assert ("technical success", "regression") in findings(found)
    assert ("failed", "regression") in findings(found)
    assert any("technical success 100.00 % → 9" in text for text in found.regressions)


def test_a_slower_chain_is_found_and_a_quicker_one_is_better(tmp_path: Path) -> None:
    assert {("p50", "regression"), ("p99", "regression")} <= findings(
        compared(tmp_path, slower=1.25)
    )
    better = compare([side(tmp_path / "c.db", 1, slower=1.25)], side(tmp_path / "d.db", 2))
    assert ("p50", "improvement") in findings(better)
    assert better.regressions == []


def test_a_difference_below_the_margin_is_no_alarm(tmp_path: Path) -> None:
    found = compared(tmp_path, slower=1.01)  # not worth it: the margin is 3 %
    assert findings(found) == set()


def test_one_payment_with_money_wrong_is_a_regression(tmp_path: Path) -> None:
    found = compared(tmp_path, wrong=1)
    assert found.regressions == ["no double charge: none → 1 payment, 10.00 EUR"]
    assert "✕ worse" in "\n".join(comparison_lines(found))


def shortened(run: ComparedRun, seconds: float) -> ComparedRun:
    return replace(run, phases=[msgspec.structs.replace(run.phases[0], end_s=seconds)])


def of_phase(found: Comparison) -> dict[str, str]:
    return {m.measure: m.finding for m in found.measures if m.scope == "phase all"}


def test_a_short_run_is_judged_where_no_ordinary_swing_explains_it(tmp_path: Path) -> None:
    runs = [side(tmp_path / f"{lost}.db", 1, lost=lost) for lost in (0.0, 0.05, 0.6, 1.0)]
    sound, worse, bad, dead = (shortened(run, 12.0) for run in runs)  # 480 payments each
    assert of_phase(compare([sound], worse))["technical success"] == "too short"
    assert of_phase(compare([sound], bad))["technical success"] == "regression"
    found = compare([sound], dead)
    assert of_phase(found)["technical success"] == "regression"
    assert "phase all: technical success 100.00 % → 0.00 %" in found.regressions
    # Without a single success there is no latency, and certainly none that became better.
    assert of_phase(found)["p50"] == "not judged"
    assert found.improvements == []


def test_failures_are_never_faster(tmp_path: Path) -> None:
    slow = side(tmp_path / "a.db", 1, slower=1.5)
    quick = side(tmp_path / "b.db", 2, lost=0.3, quick_failures=True)
    found = compare([slow], quick)
    assert of_phase(found)["technical success"] == "regression"
    assert of_phase(found)["p50"] == "not judged"  # of those that succeeded it did fall
    assert not any("p50" in text for text in found.improvements)
    # The other way round: with fewer failures the payments that succeed may well be slower.
    assert of_phase(compare([quick], slow))["technical success"] == "improvement"


def test_quick_failures_do_not_hide_that_the_rest_became_slower(tmp_path: Path) -> None:
    found = compared(tmp_path, lost=0.3, slower=1.5, quick_failures=True)
    assert of_phase(found)["p50"] == "regression"


# -- verdict, tolerances, money -------------------------------------------------------------------
def tolerance(*, passed: bool | None) -> ToleranceResult:
    return ToleranceResult(
        id="technical_success.during",
        measure="technical_success",
        phase="during",
        required=">= 95%",
        observed=1.0,
        observed_text={True: "100.0 %", False: "0.2 %", None: "too few payments"}[passed],
        margin_text="",
        passed=passed,
    )


def judged(run: ComparedRun, verdict: Verdict, *, passed: bool | None) -> ComparedRun:
    return replace(run, verdict=verdict, tolerances=[tolerance(passed=passed)])


def test_the_verdict_and_a_broken_tolerance_come_first(tmp_path: Path) -> None:
    run, other = side(tmp_path / "a.db", 1), side(tmp_path / "b.db", 2, lost=0.02, wrong=1)
    found = compare(
        [judged(run, Verdict.PASS, passed=True)], judged(other, Verdict.FAIL, passed=False)
    )
    assert found.regressions[:3] == [
        "verdict: pass → fail",
        "technical success during the faults: 100.0 % → 0.2 % (≥ 95 % required)",
        "no double charge: none → 1 payment, 10.00 EUR",
    ]
    lines = comparison_lines(found)
    assert lines[1].startswith("  ✕ worse   verdict")
    better = compare(
        [judged(other, Verdict.FAIL, passed=False)], judged(run, Verdict.PASS, passed=True)
    )
    assert better.regressions == []
    assert better.improvements[0] == "verdict: fail → pass"


def test_a_tolerance_that_varies_between_baselines_or_is_not_judged_is_no_regression(
    tmp_path: Path,
) -> None:
    run = side(tmp_path / "a.db", 1)
    held, broken, unknown = (
        judged(run, Verdict.PASS, passed=True),
        judged(run, Verdict.FAIL, passed=False),
        judged(run, Verdict.FAIL, passed=None),
    )
    findings_ = [item.finding for item in compare([held, broken], broken).tolerances]
    assert findings_ == ["same", "same"]
    assert compare([held], unknown).tolerances[1].finding == "not judged"


def test_more_money_is_worse_also_with_as_many_payments(tmp_path: Path) -> None:
    run = side(tmp_path / "a.db", 1, wrong=2)
    (rule,) = run.money.rules
    dearer = replace(run, money=MoneyMeasure([msgspec.structs.replace(rule, amount=5_000)], {}, 0))
    found = compare([run], dearer)
    assert found.regressions == ["no double charge: 2 payments, 20.00 EUR → 2 payments, 50.00 EUR"]
    assert compare([dearer], run).regressions == []


RULE = MoneyRule("no_double_charge", "No double charge", 0, 0, [])


def broken(run: ComparedRun, findings: int | None, *, is_judged: bool = True) -> ComparedRun:
    """The run with one rule that so many payments broke; None: without the rule."""
    if findings is None:
        return replace(run, money=MoneyMeasure([], {}, 0))
    rule = msgspec.structs.replace(
        RULE, findings=findings, amount=1_000 * findings, is_judged=is_judged
    )
    return replace(run, money=MoneyMeasure([rule], {}, 0))


@pytest.mark.parametrize(
    ("before", "after", "by_chance", "finding"),
    [
        ([0], 1, True, "regression"),  # what held breaks for a reason, whatever the seed
        ([0, 0, 0], 1, True, "regression"),
        ([50], 52, True, "same"),  # of 4,800 payments each, with another seed
        ([50], 52, False, "regression"),  # the same payments in virtual time
        ([50], 100, True, "regression"),
        ([100], 50, True, "improvement"),
        ([2], 5, True, "same"),
        ([40, 60, 50], 58, True, "same"),
        ([40, 60, 50], 120, True, "regression"),
        ([3], 0, True, "improvement"),
        ([None], 3, True, "regression"),
        ([3], None, True, "not judged"),  # a rule that the changed chain has no more
    ],
)
def test_how_many_payments_break_a_rule_that_broke_before_is_a_matter_of_chance(
    before: list[int | None], after: int | None, by_chance: bool, finding: str
) -> None:
    run = side(Path("a"), 1)
    baselines = [broken(run, findings) for findings in before]
    found = compare(baselines, broken(run, after), by_chance=by_chance)
    assert [rule.finding for rule in found.rules] == [finding]
    assert len(found.regressions) == (finding == "regression")
    assert len(found.improvements) == (finding == "improvement")
    if finding in ("same", "not judged"):
        assert "no double charge" in "\n".join(comparison_lines(found))


def test_a_rule_that_a_run_was_too_short_for_is_neither_better_nor_worse() -> None:
    run = side(Path("a"), 1)
    cut = broken(run, 0, is_judged=False)
    for found in (compare([broken(run, 3)], cut), compare([cut], broken(run, 3))):
        assert [rule.finding for rule in found.rules] == ["not judged"]
        assert "because a run ended before it could be" in "\n".join(comparison_lines(found))
    # A second baseline that was not cut short says how it was.
    assert compare([cut, broken(run, 0)], broken(run, 3)).rules[0].finding == "regression"


def test_a_tolerance_that_one_baseline_could_not_judge_is_held_where_the_others_held_it() -> None:
    run = side(Path("a"), 1)
    held, unknown, now = (judged(run, Verdict.FAIL, passed=p) for p in (True, None, False))
    assert compare([held, unknown], now).tolerances[1].finding == "regression"
    assert compare([unknown, unknown], now).tolerances[1].finding == "not judged"


def test_phases_and_hops_that_some_run_lacks_are_named() -> None:
    run = side(Path("a"), 1)
    longer = replace(run, phases=[*run.phases, msgspec.structs.replace(run.phases[0], name="more")])
    for found in (compare([run], longer), compare([longer], run), compare([run, longer], run)):
        assert "not in every run, and so not compared: phase more" in found.notes


# -- chance ---------------------------------------------------------------------------------------
def alarms(conditions: Conditions, pairs: int, *, baselines: int = 1) -> int:
    """In how many comparisons of equal runs anything is reported as worse."""
    found = 0
    for number in range(pairs):
        chance = Random(f"{conditions} {number}")
        runs = [draw(conditions, chance) for _ in range(baselines + 1)]
        found += any(m.finding == "regression" for m in compare_series(runs[:-1], runs[-1]))
    return found


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(rate=10),
        Conditions(rate=10, correlation=0.95, latency_swing=0.2, failure_swing=0.5),
        Conditions(rate=10, seconds=16, correlation=0.95, latency_swing=0.2),
    ],
    ids=["independent", "autocorrelated", "short"],
)
def test_equal_runs_raise_no_more_alarms_than_chance_may(conditions: Conditions) -> None:
    # At 5 % each, 7 or more of 40 happen once in 300: the binomial bound.
    assert alarms(conditions, 40) <= 6


@pytest.mark.parametrize("seconds", [60, 240])
def test_what_no_swing_of_the_runs_comes_near_is_found_whatever_its_seconds_look_like(
    seconds: int,
) -> None:
    """In one run of seven, independent seconds look so correlated that they are worth too few."""
    chance = Random(f"slower {seconds}")
    conditions = Conditions(seconds=seconds)
    for _ in range(20):
        runs = draw(conditions, chance), draw(conditions, chance, slower=1.5)
        compared = compare_series([runs[0]], runs[1])
        found = {each.finding for each in compared if each.measure == "p50"}
        assert found == {"regression"}


@pytest.mark.parametrize(("tail", "least"), [(0.015, 12), (0.02, 17)])
def test_a_doubled_p99_at_an_equal_median_is_found_among_failures_too(
    tail: float, least: int
) -> None:
    """Failures that count as slow drown what only the slowest payments show."""
    chance = Random(f"tail 0.99 {tail}")
    found, others = 0, 0
    for _ in range(20):
        runs = draw(Conditions(), chance), draw(Conditions(), chance, tail=tail)
        compared = compare_series([runs[0]], runs[1])
        worse = {each.measure for each in compared if each.finding == "regression"}
        found += "p99" in worse
        others += bool(worse - {"p99"})
    assert found >= least
    assert others <= 3


def test_the_median_test_agrees_with_a_count_by_hand() -> None:
    # All 8 of one side above all 8 of the other: one of 12,870 ways, twice, half of it (mid-p).
    assert median_test([[0.1] * 8], [0.2] * 8) == pytest.approx(1 / 12_870)
    assert median_test([[0.1, 0.2] * 4], [0.1, 0.2] * 4) == pytest.approx(1)
    # A single bad eighth is no evidence, however bad it is.
    assert median_test([[0.1, 0.2] * 4], [*([0.1, 0.2] * 3), 0.2, 1.0]) > 0.4


@pytest.mark.parametrize("seconds", [30, 47, 60, 63, 64, 240])
def test_a_run_has_eight_eighths_however_long_it_is(seconds: int) -> None:
    run = [SecondShare(1, 10)] * seconds
    assert [len(sample.eighths) for sample in samples([run, run])] == [EIGHTHS, EIGHTHS]


def test_runs_that_differ_as_a_whole_raise_no_alarm_with_several_baselines() -> None:
    apart = Conditions(rate=20, apart=0.1)
    assert alarms(apart, 20) >= 5  # with one baseline nobody can know
    assert alarms(apart, 20, baselines=3) <= 4


def test_a_real_change_is_found_beside_several_baselines() -> None:
    chance = Random(5)
    steady = Conditions(rate=20, seconds=120)
    runs = [draw(steady, chance) for _ in range(4)]
    worse = draw(steady, chance, lost=0.1, slower=1.5)
    found = {(m.measure, m.finding) for m in compare_series(runs, worse)}
    assert {("technical success", "regression"), ("p50", "regression")} <= found


def test_the_exact_test_agrees_with_published_values() -> None:
    # Fisher's lady tasting tea, 3 of 4: P(3) = 16/70, P(4) = 1/70; mid-p tail 8/70 + 1/70.
    assert fisher(3, 4, 1, 4) == pytest.approx(2 * 9 / 70)
    assert fisher(0, 480, 480, 480) < 1e-200
    assert fisher(5, 100, 5, 100) == 1.0


def test_students_t_agrees_with_published_tables() -> None:
    for errors, freedom in ((12.706, 1), (4.303, 2), (2.776, 4), (2.228, 10), (1.980, 120)):
        assert student(errors, freedom) == pytest.approx(0.05, abs=2e-4)
    assert student(0.0, 7) == pytest.approx(1.0)


# -- runs that are not alike ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("experiment", "a different experiment file"),
        ("chain", "a different chain file"),
        ("virtual", "one run was real"),
        ("verdict", "is inconclusive"),
        ("load", "one run had an open load and the other a closed one"),
    ],
)
def test_runs_that_are_not_alike_are_not_compared(tmp_path: Path, what: str, message: str) -> None:
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
        drawn(1, path=tmp_path / name / STORE_NAME)[0].close()
    with pytest.raises(UserError, match=message):
        compare_runs([tmp_path / "a"], tmp_path / "b")
    if what == "chain":
        found = compare_runs([tmp_path / "a"], tmp_path / "b", across_chains=True)
        assert any("was changed between the runs" in note for note in found.notes)


def run_directory(folder: Path, result: Result, seed: int) -> Path:
    folder.mkdir()
    write(result, folder)
    drawn(seed, path=folder / STORE_NAME)[0].close()
    return folder


def test_chains_of_another_name_are_compared_and_the_error_recommends_what_works(
    tmp_path: Path,
) -> None:
    result = read(SAMPLE)
    other = msgspec.structs.replace(
        result.chain, name="other", sha256="x", links=result.chain.links[:-1]
    )
    a = run_directory(tmp_path / "a", result, 1)
    b = run_directory(tmp_path / "b", msgspec.structs.replace(result, chain=other), 2)
    with pytest.raises(UserError, match="different chain file") as refused:
        compare_runs([a], b)
    assert "--across-chains" in str(refused.value)
    (note,) = [
        note
        for note in compare_runs([a], b, across_chains=True).notes
        if note.startswith("the chain files differ")
    ]
    assert f"{result.chain.name}, other" in note
    assert f"without {result.chain.links[-1].name}" in note


def test_one_baseline_says_that_run_to_run_variation_is_not_known(tmp_path: Path) -> None:
    result = msgspec.structs.replace(read(SAMPLE), virtual=False)
    folders = [run_directory(tmp_path / name, result, seed) for seed, name in enumerate("abcde")]
    unknown = "run-to-run variation is not known with one baseline"
    assert any(unknown in note for note in compare_runs(folders[:1], folders[-1]).notes)
    three = compare_runs(folders[:3], folders[-1])
    assert not any(unknown in note for note in three.notes)
    assert three.baseline.count(result.run_id) == 3
    with pytest.raises(UserError, match="is given twice"):
        compare_runs([folders[0], folders[0]], folders[-1])
    done = CliRunner().invoke(app, ["compare", *map(str, folders[:4])])
    assert done.exit_code == 0, done.output
    assert "run-to-run variation is estimated from 3 baselines" in done.output


def test_one_run_alone_cannot_be_compared(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["compare", str(tmp_path)])
    assert "one run cannot be compared" in str(refused.exception)


def test_the_report_shows_the_comparison_what_became_worse_first(tmp_path: Path) -> None:
    found = compared(tmp_path, lost=0.02, wrong=1)
    page = render(msgspec.structs.replace(read(SAMPLE), comparison=found))
    section = page.partition('id="comparison"')[2].partition("</section>")[0]
    rows = section.split("<tr>")[2:]
    assert "no double charge" in rows[0]
    assert "regression" in rows[1]
    assert "got worse" in section
    assert 'id="comparison"' not in render(read(SAMPLE))


BEFORE = """\
chain: shop
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""
DOWN = """\
experiment: down
load: {arrivals: 20/s, warm_up: 0s, before: 2s, after: 2s}
faults: [{at: 0s, for: 3s, target: {link: issuer}, down: {}}]
tolerances: {technical_success: {during: ">= 95%"}}
"""


def test_a_run_is_compared_with_a_baseline_of_the_chain_before_it_was_changed(
    tmp_path: Path,
) -> None:
    backed = BEFORE.replace(
        "timeout: 1s}", "timeout: 1s, on_unknown: reverse, fallback: [{to: backup}]}"
    )
    backed += "  backup: {role: issuer}\n"
    changed = backed.replace(", fallback: [{to: backup}]", "").replace(
        "  backup: {role: issuer}\n", ""
    )
    (tmp_path / "down.yaml").write_text(DOWN)
    codes, outputs = [], []
    for name, text in (("a", backed), ("b", changed)):
        (tmp_path / f"{name}.yaml").write_text(text)
        words = ["run", str(tmp_path / f"{name}.yaml"), str(tmp_path / "down.yaml"), "--virtual"]
        words += ["--out", str(tmp_path / name), "--exit-zero"]
        if outputs:
            (baseline,) = (tmp_path / "a").iterdir()
            words += ["--baseline", str(baseline)]
        done = CliRunner().invoke(app, words)
        codes.append(done.exit_code)
        outputs.append(done.output)
    assert codes[0] == 0, outputs
    assert "✕ worse   verdict: pass → fail" in outputs[1]
    assert "shop was changed between the runs (without backup)" in outputs[1]
    assert "phase during: technical success 100.00 % → 0.00 %" in outputs[1]
