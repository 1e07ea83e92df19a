"""What the page says and draws of a run: words, lanes, limits, drops."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import pytest

from paychain.analysis.measures.measures import (
    Break,
    FallbackMeasure,
    LatencyBin,
    MoneyRule,
    Recovery,
    Verdict,
)
from paychain.analysis.reasons import broken_by, required
from paychain.model.review import ReviewFinding
from paychain.model.review.remedy import Remedy
from paychain.payments.rules import RULES
from paychain.report.drawings.chain_map import chain_map
from paychain.report.drawings.flows import affected_links, breaks_by_link
from paychain.report.drawings.plot import timeline
from paychain.report.html.page import render
from paychain.report.html.panels import panels, windows
from paychain.report.result import PaymentTimeline
from paychain.report.text.wording import (
    answers,
    back_to_normal,
    headline,
    moment,
    remedies_for,
    seconds,
    titled_remedies,
    unbroken,
)
from tests.support.report_results import DOUBLE, FAILED, KEPT, result


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
    ("value", "message"), [(None, "never"), (0.0, "0 s"), (0.48, "480 ms"), (6.24, "6.2 s")]
)
def test_a_missing_time_is_never_shown_as_zero(value: float | None, message: str) -> None:
    assert seconds(value) == message


def test_a_missing_time_says_why() -> None:
    known = Recovery(
        healed_s=21.0,
        recovery_s=None,
        drain_s=0.1,
        reversals_sent=0,
        reversals_acknowledged=0,
        reversals_abandoned=0,
        absent={"recovery_s": "only 6.0 s observed"},
    )
    assert moment(known, "recovery_s") == "only 6.0 s observed"
    assert (
        moment(
            Recovery(
                healed_s=21.0,
                recovery_s=None,
                drain_s=0.1,
                reversals_sent=0,
                reversals_acknowledged=0,
                reversals_abandoned=0,
            ),
            "recovery_s",
        )
        == "never"
    )


def test_a_load_that_ended_too_early_for_a_recovery_is_not_called_broken_for_good() -> None:
    unseen = Recovery(
        healed_s=21.0,
        recovery_s=None,
        drain_s=0.1,
        reversals_sent=0,
        reversals_acknowledged=0,
        reversals_abandoned=0,
        absent={"recovery_s": "never"},
    )
    assert back_to_normal(unseen) == "never for 10 s in a row"


def test_the_headline_names_money_first_and_then_limits() -> None:
    assert headline(result()) == (
        "2 orders charged more than once, 30.00 EUR too much; "
        "technical success during the faults was 71.3 % (≥ 95 % required)."
    )


def test_a_rule_without_words_of_its_own_is_shown_by_its_title() -> None:
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
    assert [each.is_bad for each in found] == [True, True, False, True]
    assert found[1].text == "3,456.78 EUR; most at gateway → processor-a (refused)"
    assert found[3].text == "broken: no double charge"


def test_the_first_screen_of_a_good_run_has_nothing_bad_on_it() -> None:
    money = msgspec.structs.replace(result().money, rules=[KEPT], wrong=0)
    good = result(verdict=Verdict.PASS, tolerances=[], breaks=[], money=money)
    assert not any(answer.is_bad for answer in answers(good))


def test_faults_that_overlap_stand_in_lanes_of_their_own() -> None:
    first = result().faults[0]  # on from 11.002 to 21, shown from the load's start at 1
    second = msgspec.structs.replace(first, id="b", applied_s=15.0, healed_s=18.0)
    third = msgspec.structs.replace(first, id="c", applied_s=25.0, healed_s=26.0)
    never = msgspec.structs.replace(first, id="d", applied_s=None, healed_s=None)
    shown = windows(result(faults=[third, second, never, first]))
    assert [(each.name, round(each.start_s, 3), each.end_s, each.lane) for each in shown] == [
        ("a-down", 10.002, 20.0, 0),
        ("b", 14.0, 17.0, 1),
        ("c", 24.0, 25.0, 0),
    ]


def test_a_fault_that_comes_and_goes_is_shaded_only_while_it_is_on() -> None:
    flapping = msgspec.structs.replace(
        result().faults[0], applied_s=11.0, spans=[(11.0, 13.5), (16.0, 18.5), (19.0, None)]
    )
    (window,) = windows(result(faults=[flapping]))
    # shown from the load's start at 1; the last is open until its heal at 21
    assert window.active == ((10.0, 12.5), (15.0, 17.5), (18.0, 20.0))
    _, data = timeline(result(faults=[flapping]))
    assert [fault[1:] for fault in data["faults"]] == [[10.0, 12.5], [15.0, 17.5], [18.0, 20.0]]


def test_a_limit_is_drawn_over_the_phase_that_it_judges() -> None:
    (limit,) = panels(result(tolerances=[FAILED]))[0].limits
    # the phase during lasts from 11 to 21, and the axis starts with the load at 1
    assert (limit.start_s, limit.end_s, limit.bound, limit.text) == (10.0, 20.0, 95.0, "≥ 95 %")


def test_the_crosshair_reads_what_is_drawn() -> None:
    _, data = timeline(result())
    success = data["panels"][0]["series"][0]
    assert success[0] == "success"
    assert success[3][9:11] == [100.0, 70.0]  # 28 of 40 from the tenth second on
    assert data["faults"] == [["a-down", pytest.approx(10.002), 20.0]]


def test_a_link_with_several_callers_says_where_its_breaks_came_from() -> None:
    def broke(caller: str, payments: int) -> Break:
        return Break(
            caller=caller,
            operation="authorise",
            callee="issuer",
            failure="reset",
            code="",
            phase="during",
            faults=[],
            payments=payments,
            amount=1,
            examples=["p"],
        )

    drops = breaks_by_link(result(breaks=[broke("processor-a", 7), broke("processor-b", 12)]))[
        "issuer"
    ]
    assert [drop.words for drop in drops] == ["✕ 12 ← processor-b", "✕ 7 ← processor-a"]
    (most,) = breaks_by_link(result())["processor-a"]
    assert most.words == "✕ 115 (28.7%)"  # of the 400 payments of the phase all


def test_a_fault_is_marked_on_the_links_it_acts_on() -> None:
    fault = msgspec.structs.replace(result().faults[0], links=["issuer", "gateway"])
    affected = affected_links(result(faults=[fault]))
    assert affected == {"issuer": [fault.id], "gateway": [fault.id]}


def used(kind: str, to: str, times: int, success: float | None) -> FallbackMeasure:
    first = result().fallbacks[0]
    return msgspec.structs.replace(first, kind=kind, to=to, activations=times, success=success)


def test_the_first_screen_counts_every_use_that_is_listed_below_it() -> None:
    # the list below has one line for each: 260 + 4 + 1 = 265
    fallbacks = [
        used("failover", "b", 260, 1.0),
        used("retry", "a", 4, None),
        used("stand_in", "", 1, None),
    ]
    answer = answers(result(fallbacks=fallbacks))[2]
    assert answer.figure == "265 uses"
    assert answer.text.startswith("failover to b (260 of them): 100.0 % succeeded; ")


def test_a_fallback_of_too_few_payments_is_not_shown_as_a_success() -> None:
    answer = answers(result(fallbacks=[used("stand_in", "", 1, None)]))[2]
    assert answer.text.startswith("stand in: too few payments to tell; ")


def test_a_legend_of_many_fallbacks_stays_within_the_drawing_and_above_its_plot() -> None:
    names = [f"gateway.authorise failover processor-number-{i}" for i in range(6)]
    busy = [
        msgspec.structs.replace(second, fallbacks=dict.fromkeys(names, 1))
        for second in result().seconds
    ]
    svg = ElementTree.fromstring(timeline(result(seconds=busy))[0][-1])
    marks = [
        element
        for element in svg.iter()
        if element.tag.endswith("text") and element.get("font-size") == "11"
    ]
    found = {(mark.text or ""): mark for mark in marks}
    legend = [found[name] for name in [*sorted(names[:5]), "1 others"]]
    plot = min(float(mark.get("y", "0")) for mark in marks if mark.get("text-anchor") == "end")
    # 12 px text takes 7 px a character, 11 px less: nothing may reach past the drawing's 960
    ends = [float(each.get("x", "0")) + len(each.text or "") * 7 * 0.95 for each in legend]
    assert max(ends) <= 960
    assert max(float(each.get("y", "0")) for each in legend) < plot


def test_the_map_separates_sent_calls_from_short_circuited_ones() -> None:
    shown = result()
    short_circuited = msgspec.structs.replace(
        shown.hops[1], executions=1300, failed=215, short_circuited=158
    )
    drawn = chain_map(msgspec.structs.replace(shown, hops=[shown.hops[0], short_circuited]))
    # 1,300 − 158 were sent; of 215 that did not work 158 were never sent
    assert "1,142 calls and 158 short-circuited, 57 failed" in drawn
    assert "57 of 1,142 failed</text>" in drawn


def test_rules_about_orders_count_orders_and_all_others_payments() -> None:
    for name, rule in RULES.items():
        broken = MoneyRule(rule=name, title=rule.title, findings=2, amount=3_000, payments=[])
        assert broken_by(broken) == f"2 {rule.per}s"


def test_a_remedy_of_several_rules_is_named_once() -> None:
    remedy = Remedy(file="shop.yaml", line=12, key="a.b", value="1", of="first", at="gateway")
    again = msgspec.structs.replace(remedy, of="second", at="gateway")
    other = msgspec.structs.replace(remedy, line=13, at="issuer")
    assert remedies_for([remedy, again, other]) == [
        ("first, second at gateway", remedy),
        ("first at issuer", other),
    ]


def test_the_page_names_what_a_remedy_is_for_by_its_title() -> None:
    remedy = Remedy(
        file="shop.yaml", line=12, key="a.b", value="1", of="double_charges", at="gateway"
    )
    of_rule = msgspec.structs.replace(remedy, of="no_double_charge")
    assert titled_remedies([of_rule, remedy]) == [
        (
            "No double charge, Double charges at gateway",
            msgspec.structs.replace(of_rule, of="No double charge"),
        )
    ]


def test_a_payment_links_to_its_timeline_if_the_page_has_it() -> None:
    timeline = PaymentTimeline(
        payment="p0000007",
        why="Broke the rule",
        text="",
        amount=1000,
        card="424242…4242",
        customer_saw="approved",
        events=[],
    )
    page = render(result(timelines=[timeline]))
    assert page.count('<a href="#payment-p0000007"><code>p0000007</code></a>') >= 1
    assert 'id="payment-p0000007"' in page
    assert "<code>p0000009</code>" in page
    assert "#payment-p0000009" not in page


def test_latency_is_drawn_from_bins_that_have_enough_payments() -> None:
    bins = [LatencyBin(from_s=1, to_s=3, p50_ms=50.0, p95_ms=60.0, p99_ms=70.0)]
    drawn = next(panel for panel in panels(result(latencies=bins)) if panel.name == "latency")
    assert drawn.series[0].values[:4] == [None, 50.0, 50.0, None][: len(drawn.series[0].values)]


def test_a_bin_that_somebody_made_up_takes_no_time() -> None:
    bins = [LatencyBin(from_s=-(10**15), to_s=10**15, p50_ms=1.0, p95_ms=1.0, p99_ms=1.0)]
    assert panels(result(latencies=bins))


def test_why_a_kind_of_finding_matters_stands_at_the_first_one() -> None:
    findings = [
        ReviewFinding(
            kind=kind,
            place=f"shop.yaml:{line}:3",
            subject=f"link {name}",
            what=f"without {name} no payment succeeds",
            why=f"Why {kind} matters.",
            source="a source",
            hint="a hint",
            remedy=Remedy(file="shop.yaml", line=line, key="accepts", value=name, action="add"),
        )
        for line, kind, name in (
            (5, "single_link", "gateway"),
            (6, "single_link", "scheme"),
            (7, "memory_outbox", "gateway"),
        )
    ]
    page = render(result(review=findings))
    section = page.partition('id="review"')[2].partition("</section>")[0]
    assert section.count("Why single_link matters.") == 1
    assert section.count("Why memory_outbox matters.") == 1
    assert section.count("Remedy: ") == 3
    assert section.count("Hint: a hint") == section.count("Source: a source") == 2


def test_what_broke_is_written_no_wider_than_its_link() -> None:
    """Bands turn beside a link: 118 px are left of its box, 7 px at most for each character."""
    many = [msgspec.structs.replace(group, payments=123_456) for group in result().breaks]
    for drawn in (chain_map(result()), chain_map(result(breaks=many))):
        labels = re.findall(
            r'<text x="([\d.]+)"[^>]*>(?:<title>.*?</title>)?(✕ [^<]+)</text>', drawn
        )
        boxes = [
            float(left) for left in re.findall(r'<rect x="([\d.]+)"[^>]* width="128.0"', drawn)
        ]
        assert labels
        for at, words in labels:
            assert any(0 < float(at) - left <= 10 for left in boxes)
            assert len(words) * 7 <= 119
