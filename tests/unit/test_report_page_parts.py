"""What the page says and draws of a run: words, lanes, limits, drops."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest
from report_results import DOUBLE, FAILED, KEPT, result

from harness.analysis.measured import Break, FallbackMeasure, Recovery, Verdict
from harness.report.chainmap import chain_map
from harness.report.flows import broken, struck
from harness.report.panels import panels, windows
from harness.report.plot import timeline
from harness.report.wording import answers, headline, moment, required, seconds, unbroken


@pytest.mark.parametrize(
    ("declared", "shown"),
    [(">= 99.9%", "≥ 99.9 %"), ("<= 5s", "≤ 5 s"), ("<300ms", "< 300 ms"), ("<= 0", "≤ 0")],
)
def test_a_limit_reads_as_one_writes_it(declared: str, shown: str) -> None:
    assert required(declared) == shown


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    assert unbroken("was 0.8 % (≥ 95 % required), 3 payments, 1.00 EUR too much") == (
        "was 0.8\u00a0% (≥\u00a095\u00a0% required), 3 payments, 1.00\u00a0EUR too much"
    )


@pytest.mark.parametrize(
    ("value", "said"), [(None, "never"), (0.0, "at once"), (0.48, "480 ms"), (6.24, "6.2 s")]
)
def test_times_are_said_in_words_that_never_stand_for_zero(value: float | None, said: str) -> None:
    assert seconds(value) == said


def test_a_missing_time_says_why() -> None:
    known = Recovery(21.0, None, 0.1, 0, 0, 0, {"recovery_s": "only 6.0 s to see it"})
    assert moment(known, "recovery_s") == "only 6.0 s to see it"
    assert moment(Recovery(21.0, None, 0.1, 0, 0, 0), "recovery_s") == "never"


def test_the_headline_names_money_first_and_then_limits() -> None:
    assert headline(result()) == (
        "2 payments charged more than once, 30.00 EUR too much; "
        "technical success during the faults was 71.3 % (≥ 95 % required)."
    )


def test_a_rule_without_words_of_its_own_is_told_by_its_title() -> None:
    rule = msgspec.structs.replace(DOUBLE, rule="tea_served", title="Tea served", amount=0)
    money = msgspec.structs.replace(result().money, rules=[rule])
    assert headline(result(money=money, tolerances=[])) == (
        "2 payments broke the rule “Tea served”."
    )


def test_an_inconclusive_run_gives_the_reason_of_the_harness() -> None:
    run = result(verdict=Verdict.INCONCLUSIVE, reasons=["the engine died", "a", "b", "c"])
    assert headline(run) == "The engine died; a; b; and 1 more."


def test_the_first_screen_answers_the_four_questions() -> None:
    found = answers(result())
    assert [one.is_bad for one in found] == [True, True, False, True]
    assert found[1].text == "3,456.78 EUR; most at gateway → processor-a (refused)"
    assert found[3].text == "broken: no double charge"


def test_the_first_screen_of_a_good_run_has_nothing_bad_on_it() -> None:
    money = msgspec.structs.replace(result().money, rules=[KEPT], wrong=0)
    good = result(verdict=Verdict.PASS, tolerances=[], breaks=[], money=money)
    assert not any(one.is_bad for one in answers(good))


def test_faults_that_overlap_stand_in_lanes_of_their_own() -> None:
    first = result().faults[0]  # on from 11.002 to 21, shown from the load's start at 1
    second = msgspec.structs.replace(first, id="b", applied_s=15.0, healed_s=18.0)
    third = msgspec.structs.replace(first, id="c", applied_s=25.0, healed_s=26.0)
    never = msgspec.structs.replace(first, id="d", applied_s=None, healed_s=None)
    shown = windows(result(faults=[third, second, never, first]))
    assert [(one.name, round(one.start_s, 3), one.end_s, one.lane) for one in shown] == [
        ("a-down", 10.002, 20.0, 0), ("b", 14.0, 17.0, 1), ("c", 24.0, 25.0, 0),
    ]  # fmt: skip


def test_a_fault_that_comes_and_goes_is_shaded_only_while_it_is_on() -> None:
    flapping = msgspec.structs.replace(
        result().faults[0], applied_s=11.0, spans=[(11.0, 13.5), (16.0, 18.5), (19.0, None)]
    )
    (window,) = windows(result(faults=[flapping]))
    # shown from the load's start at 1; the last is open until its heal at 21
    assert window.on == ((10.0, 12.5), (15.0, 17.5), (18.0, 20.0))
    _, data = timeline(result(faults=[flapping]))
    assert [one[1:] for one in data["faults"]] == [[10.0, 12.5], [15.0, 17.5], [18.0, 20.0]]


def test_a_limit_is_drawn_over_the_phase_that_it_judges() -> None:
    (line,) = panels(result(tolerances=[FAILED]))[0].lines
    # the phase during lasts from 11 to 21, and the axis starts with the load at 1
    assert (line.start_s, line.end_s, line.bound, line.text) == (10.0, 20.0, 95.0, "≥ 95 %")


def test_the_crosshair_reads_what_is_drawn() -> None:
    _, data = timeline(result())
    success = data["panels"][0]["series"][0]
    assert success[0] == "success"
    assert success[3][9:11] == [100.0, 70.0]  # 28 of 40 from the tenth second on
    assert data["faults"] == [["a-down", pytest.approx(10.002), 20.0]]


def test_a_link_with_several_callers_says_where_its_breaks_came_from() -> None:
    def broke(caller: str, payments: int) -> Break:
        return Break(caller, "authorise", "issuer", "reset", "", "during", [], payments, 1, ["p"])

    drops = broken(result(breaks=[broke("processor-a", 7), broke("processor-b", 12)]))["issuer"]
    assert [one.words for one in drops] == ["✕ 12 from processor-b", "✕ 7 from processor-a"]
    (one,) = broken(result())["processor-a"]
    assert one.words == "✕ 115 broke (28.7%)"  # of the 400 payments of the phase all


@pytest.mark.parametrize(
    ("target", "links"),
    [
        ("link issuer", {"issuer"}),
        ("provider cloud", {"gateway"}),
        ("call gateway.authorise", {"processor-a"}),
        ("hop gateway -> processor-b", {"processor-b"}),
    ],
)
def test_a_fault_is_marked_on_the_links_it_acts_on(target: str, links: set[str]) -> None:
    fault = msgspec.structs.replace(result().faults[0], target=target)
    assert set(struck(result(faults=[fault]))) == links


def used(kind: str, to: str, times: int, success: float | None) -> FallbackMeasure:
    first = result().fallbacks[0]
    return msgspec.structs.replace(first, kind=kind, to=to, activations=times, success=success)


def test_the_first_screen_counts_every_use_that_is_listed_below_it() -> None:
    # the list below has one line for each: 260 + 4 + 1 = 265
    fallbacks = [used("failover", "b", 260, 1.0), used("retry", "a", 4, None),
                 used("stand_in", "", 1, None)]  # fmt: skip
    answer = answers(result(fallbacks=fallbacks))[2]
    assert answer.figure == "265 uses"
    assert answer.text.startswith("failover to b (260 of them): 100.0 % succeeded; ")


def test_a_fallback_of_too_few_payments_is_not_said_to_have_succeeded() -> None:
    answer = answers(result(fallbacks=[used("stand_in", "", 1, None)]))[2]
    assert answer.text.startswith("stand in: too few payments to say; ")


def test_a_legend_of_many_fallbacks_stays_within_the_drawing_and_above_its_plot() -> None:
    names = [f"gateway.authorise failover processor-number-{i}" for i in range(6)]
    busy = [msgspec.structs.replace(one, fallbacks=dict.fromkeys(names, 1))
            for one in result().seconds]  # fmt: skip
    svg = ElementTree.fromstring(timeline(result(seconds=busy))[0][-1])
    marks = [one for one in svg.iter() if one.tag.endswith("text") and one.get("font-size") == "11"]
    found = {(one.text or ""): one for one in marks}
    legend = [found[name] for name in [*sorted(names[:5]), "1 others"]]
    plot = min(float(one.get("y", "0")) for one in marks if one.get("text-anchor") == "end")
    # 12 px text takes 7 px a character, 11 px less: nothing may reach past the drawing's 960
    ends = [float(one.get("x", "0")) + len(one.text or "") * 7 * 0.95 for one in legend]
    assert max(ends) <= 960
    assert max(float(one.get("y", "0")) for one in legend) < plot


def test_the_map_tells_calls_that_were_sent_from_those_that_were_kept_back() -> None:
    one = result()
    kept_back = msgspec.structs.replace(one.hops[1], executions=1300, failed=215, kept_back=158)
    drawn = chain_map(msgspec.structs.replace(one, hops=[one.hops[0], kept_back]))
    # 1,300 − 158 were sent; of 215 that did not work 158 were never sent
    assert "1,142 calls and 158 kept back, 57 failed" in drawn
    assert "1,142 calls</text>" in drawn
