"""When a real run and virtual ones count as agreeing, and what the page shows of it."""

from __future__ import annotations

import msgspec

from bench._beside import Compared, Pair, compared, differences
from bench._fidelity_document import document
from paychain.analysis.measures.measures import Verdict
from paychain.report.result import Result
from tests.support.report_results import KEPT, phase, result

PAIR = Pair("card-shop", "mine")


def with_p50(milliseconds: float) -> Result:
    return result(
        phases=[msgspec.structs.replace(each, p50_ms=milliseconds) for each in result().phases]
    )


SOUND = result(money=msgspec.structs.replace(result().money, rules=[KEPT]))


def beside(real: Result, virtual: Result, *others: Result) -> Compared:
    return compared(PAIR, [real], virtual, others)


def page(found: Compared, *more: Pair) -> str:
    return document([found.pair, *more], {found.pair: found}, {}, "Made here.", {}, 0)


def test_equal_runs_agree() -> None:
    assert differences(result(), result()) == {}
    assert "**1 of 1 pairs agree.**" in page(beside(result(), result()))


def test_verdict_rules_break_points_and_success_are_compared() -> None:
    virtual = result(
        verdict=Verdict.PASS,
        breaks=[],
        money=msgspec.structs.replace(result().money, rules=[KEPT]),
        phases=[phase("during", 11.0, 21.0, 0.74), phase("before", 1.0, 11.0, 0.981)],
    )
    # during: 71.3 % and 74 % are 2.7 points apart; before: 100 % and 98.1 % are 1.9
    assert list(differences(result(), virtual).values()) == [
        "verdict: real fail, virtual pass (no double charge: broken)",
        "money rule broken, only real: no_double_charge (payments: 2)",
        "break point, only real: gateway → processor-a (payments: 115)",
        "success during: real 71.3%, virtual 74.0% (of 400 and 400 payments)",
    ]


def test_what_the_real_run_had_no_time_to_judge_is_no_disagreement() -> None:
    (found,) = (rule for rule in result().money.rules if rule.findings)

    def not_judged_for(payments: int) -> Result:
        rule = msgspec.structs.replace(found, findings=0, undecided=payments)
        return result(money=msgspec.structs.replace(result().money, rules=[rule]))

    assert differences(not_judged_for(found.findings), result()) == {}
    # For one of them it was judged.
    less = differences(not_judged_for(found.findings - 1), result())
    assert list(less) == ["money rule broken no_double_charge"]
    # What only virtual time leaves open is none of its findings.
    assert list(differences(result(), not_judged_for(found.findings))) == list(less)


def test_what_other_virtual_runs_show_too_is_chance_and_the_rest_differs() -> None:
    by_chance = beside(result(), SOUND, SOUND, result())
    assert by_chance.is_chance
    assert [difference.as_real for difference in by_chance.differences] == [1]
    assert "≈" in page(by_chance)
    assert "1 of 2 other virtual runs match the real one" in page(by_chance)
    differs = beside(result(), SOUND, SOUND, SOUND)
    assert not differs.is_chance
    assert "1 differ otherwise." in page(differs)
    assert "not explained" in page(differs)


def test_the_last_real_run_counts_and_every_one_is_listed() -> None:
    found = compared(PAIR, [result(), SOUND], SOUND, [])
    assert found.differences == ()
    assert found.real_runs == (False, True)
    assert "- card-shop × mine: differs, then agrees" in page(found)


def test_a_median_may_differ_by_two_milliseconds_or_a_tenth() -> None:
    assert beside(with_p50(10.0), with_p50(12.0)).slower == []
    assert len(beside(with_p50(10.0), with_p50(12.1)).slower) == 4  # each of the four phases
    assert beside(with_p50(100.0), with_p50(110.0)).slower == []
    far = beside(with_p50(100.0), with_p50(110.1))
    assert len(far.slower) == 4
    assert "- **mine**: not explained\n  - card-shop: real and virtual 100.0 and 110.1 ms" in page(
        far
    )
    written = document([PAIR], {PAIR: far}, {}, "Made here.", {}, 0, {"mine": "for a reason"})
    assert "- **mine**: for a reason" in written


def test_a_fault_that_met_no_traffic_is_distinguished_from_agreement() -> None:
    idle = result(faults=[msgspec.structs.replace(result().faults[0], hits=0)])
    assert "○" in page(beside(idle, idle)).split("| mine |")[1].split("|")[0]
    assert "- card-shop × mine: a-down" in page(beside(idle, idle))
    assert beside(idle, result()).untouched == ()


def test_a_pair_that_was_not_run_is_listed() -> None:
    text = page(beside(result(), result()), Pair("card-shop", "other"))
    assert "- card-shop × other: not run" in text
    assert "| other | – |" in text
