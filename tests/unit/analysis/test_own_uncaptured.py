"""Captures that an own service asked for and never got, although its customer was shown a sale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.money.findings import money
from tests.support.observed_runs import CHAIN, ObservedRun


def broken(run: ObservedRun, path: Path) -> dict[str, tuple[int, str]]:
    """The rules that a payment breaks, with the amount and the text."""
    found = money(run.store(path), CHAIN)
    return {
        rule.rule: (rule.payments[0].amount, rule.payments[0].text)
        for rule in found.rules
        if rule.payments
    }


def sale(*captures: dict[str, Any], result: str = "approved", more: tuple[str, ...] = ()) -> Any:
    """A payment of 10.00 that was authorised, and what its captures came to."""
    run = ObservedRun()
    run.pay("p1", 1.0, result=result)
    run.asked("p1", 1.1, key="k")
    run.in_books("p1", 1.1, "authorised")
    for number, capture in enumerate(captures):
        run.asked("p1", 1.3 + number / 10, call="authorise", operation="capture", **capture)
    for kind in more:
        run.in_books("p1", 1.8, kind)
    return run


def test_a_capture_that_is_refused_leaves_a_sale_that_is_never_collected(tmp_path: Path) -> None:
    run = sale({"status": 400, "result": "rejected"})
    assert broken(run, tmp_path) == {
        "completed": (1_000, "approved, but capture of p1-1 to processor-a, refused")
    }


def test_a_capture_without_an_answer_that_was_not_made_is_never_completed(tmp_path: Path) -> None:
    run = sale({"status": 503, "result": "http_error"})
    text = "never completed: capture of p1-1 to processor-a, abandoned"
    assert broken(run, tmp_path) == {"authorisations_settled": (1_000, text)}


def test_a_capture_that_was_answered_as_done_and_never_seen_is_in_no_book(tmp_path: Path) -> None:
    """The link repeated what it had answered about another payment: it has refused nothing."""
    text = (
        "never completed: capture of p1-1 by processor-a, acknowledged although 10.00 EUR of it is "
        "in no book"
    )
    run = sale({"key": "c", "is_stale": True})
    assert broken(run, tmp_path) == {"authorisations_settled": (1_000, text)}


def test_a_capture_that_was_refused_with_the_answer_to_another_one_is_refused(
    tmp_path: Path,
) -> None:
    run = sale({"status": 402, "result": "declined", "is_stale": True})
    text = "approved, but capture of p1-1 to processor-a, refused"
    assert broken(run, tmp_path) == {"completed": (1_000, text)}


def test_a_part_that_was_made_without_an_answer_is_not_the_one_that_was_never_seen(
    tmp_path: Path,
) -> None:
    """Two halves at once: it is not open which of them is in no book."""
    run = sale()
    run.asked("p1", 1.3, took_s=0.4, operation="capture", key="c1", status=503, result="http_error")
    run.asked("p1", 1.3, operation="capture", key="c2", is_stale=True)
    run.in_books("p1", 1.35, "captured", amount=500, item="c1")
    amount_minor, text = broken(run, tmp_path)["authorisations_settled"]
    assert amount_minor == 500
    assert "acknowledged although 5.00 EUR of it is in no book" in text


def test_a_capture_that_was_made_in_the_end_is_none(tmp_path: Path) -> None:
    failed, made = {"status": 503, "result": "http_error", "key": "c"}, {"key": "c"}
    assert broken(sale(failed, made, more=("captured",)), tmp_path) == {}


def test_a_capture_of_what_the_service_released_or_did_not_sell_is_none(tmp_path: Path) -> None:
    refused = {"status": 400, "result": "rejected"}
    (tmp_path / "released").mkdir()
    released = broken(sale(refused, more=("voided",)), tmp_path / "released")
    assert set(released) == {"no_approval_without_money"}
    unsold = broken(sale(refused, result="declined"), tmp_path)
    assert not {"completed", "authorisations_settled"} & unsold.keys()


def test_a_hold_that_expired_before_its_capture_was_not_collected(tmp_path: Path) -> None:
    run = sale({"status": 400, "result": "rejected"}, more=("expired",))
    assert broken(run, tmp_path)["completed"][0] == 1_000


def captured_in_a_second_attempt(to: str, **more: Any) -> ObservedRun:
    """The first authorisation was released or has expired, and the second one is captured."""
    run: ObservedRun = sale({"status": 400, "result": "rejected"}, **more)
    run.asked("p1", 1.5, to=to, key="k2", attempt=2)
    run.in_books("p1", 1.5, "authorised", to=to, attempt=2)
    run.asked("p1", 1.6, to=to, operation="capture", attempt=2)
    run.in_books("p1", 1.6, "captured", to=to, attempt=2)
    return run


def test_what_was_authorised_and_captured_once_more_is_collected(tmp_path: Path) -> None:
    """After a hold has expired merchants authorise anew; at another provider where one refuses."""
    for to in ("processor-a", "processor-b"):
        (tmp_path / to).mkdir()
        run = captured_in_a_second_attempt(to, more=("expired",))
        assert broken(run, tmp_path / to) == {}
    held_twice = captured_in_a_second_attempt("processor-b")
    assert set(broken(held_twice, tmp_path)) == {"no_double_charge"}


def sale_after_a_decline() -> ObservedRun:
    """The second authorisation at the same link was approved, after it had declined the first."""
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1, key="k", status=402, result="declined")
    run.asked("p1", 1.2, key="k2", attempt=2)
    run.in_books("p1", 1.2, "authorised", attempt=2)
    return run


def test_a_capture_that_reached_no_link_is_of_the_newest_authorisation_there(
    tmp_path: Path,
) -> None:
    run = sale_after_a_decline()
    run.sent(1.5, ended_by="refused", payment="p1", target="/capture")
    text = "never completed: capture of p1-2 to processor-a, abandoned"
    assert broken(run, tmp_path) == {"authorisations_settled": (1_000, text)}


@pytest.mark.parametrize(
    ("second", "rule", "end"),
    [
        ({"status": 400, "result": "rejected"}, "completed", "refused"),
        ({"status": 503, "result": "http_error"}, "authorisations_settled", "abandoned"),
    ],
)
def test_a_part_that_the_link_refused_is_missing_and_no_repeat(
    second: dict[str, Any], rule: str, end: str, tmp_path: Path
) -> None:
    run = sale({"key": "c1"}, {"key": "c2", **second})
    run.in_books("p1", 1.35, "captured", amount=500, item="c1")
    found = broken(run, tmp_path)
    assert set(found) == {rule}
    assert found[rule][0] == 500
    assert found[rule][1].endswith(f"capture of p1-1 to processor-a, {end}")


def test_parts_that_are_the_whole_are_collected(tmp_path: Path) -> None:
    run = sale({"key": "c1"}, {"key": "c2"})
    run.in_books("p1", 1.35, "captured", amount=500, item="c1")
    run.in_books("p1", 1.45, "captured", amount=500, item="c2")
    assert broken(run, tmp_path) == {}


@pytest.mark.parametrize("booked_at_s", [1.35, 1.42])  # the second one may be on its way already
def test_a_second_trigger_for_what_is_captured_is_a_repeat(
    booked_at_s: float, tmp_path: Path
) -> None:
    run = sale({"key": "c1"}, {"key": "c2", "status": 400, "result": "rejected"})
    run.in_books("p1", booked_at_s, "captured", amount=1_000, item="c1")
    assert set(broken(run, tmp_path)) == {"repeats_without_effect"}


def test_a_second_trigger_that_is_refused_while_the_first_one_is_under_way_is_a_repeat(
    tmp_path: Path,
) -> None:
    """A link that works on an authorisation refuses the second capture before it books the first.

    What is under way takes all that is held, or a part: then the second one may be for the rest.
    """
    refused = {"operation": "capture", "key": "c2", "status": 409, "result": "rejected"}
    for captured_minor, rule in ((1_000, "repeats_without_effect"), (400, "completed")):
        run = sale()
        run.asked("p1", 1.3, took_s=0.5, operation="capture", key="c1")
        run.asked("p1", 1.35, took_s=0.05, **refused)
        run.in_books("p1", 1.75, "captured", amount=captured_minor, item="c1")
        (tmp_path / rule).mkdir()
        assert set(broken(run, tmp_path / rule)) == {rule}


@pytest.mark.parametrize("lost", ["c1", "c2"])  # whichever of them it is that has no answer
def test_of_two_captures_at_once_the_one_without_an_answer_says_that_the_end_is_open(
    lost: str, tmp_path: Path
) -> None:
    """The link refuses one because of the other, and makes neither."""
    run = sale()
    for key, took_s in (("c1", 0.1), ("c2", 0.3)):
        refused = {"status": 409, "result": "rejected"}
        answer = {"status": 503, "result": "http_error"} if key == lost else refused
        run.asked("p1", 1.3, took_s=took_s, operation="capture", key=key, **answer)
    text = "never completed: capture of p1-1 to processor-a, abandoned"
    assert broken(run, tmp_path) == {"authorisations_settled": (1_000, text)}


def test_what_was_made_without_an_answer_leaves_no_other_capture_open(tmp_path: Path) -> None:
    """Two halves at once: the first is in the books, so that it is the second that was refused."""
    run = sale()
    run.asked("p1", 1.3, took_s=0.4, operation="capture", key="c1", status=503, result="http_error")
    run.asked("p1", 1.3, operation="capture", key="c2", status=400, result="rejected")
    run.in_books("p1", 1.35, "captured", amount=500, item="c1")
    text = "approved, but capture of p1-1 to processor-a, refused"
    assert broken(run, tmp_path) == {"completed": (500, text)}


def test_a_second_trigger_that_reached_no_link_repeats_the_capture_of_the_newest(
    tmp_path: Path,
) -> None:
    run = sale_after_a_decline()
    run.asked("p1", 1.3, operation="capture", key="c1", attempt=2)
    run.in_books("p1", 1.35, "captured", attempt=2)
    run.sent(1.5, ended_by="refused", payment="p1", key="c2", target="/capture")
    text = "shop sent the capture to processor-a under 2 keys"
    assert broken(run, tmp_path) == {"repeats_without_effect": (0, text)}


def test_a_repeat_that_reached_no_link_is_of_what_its_key_was_used_for(tmp_path: Path) -> None:
    """Although the link was asked for another authorisation since, and declined it."""
    run = sale({"key": "c1", "status": 400, "result": "rejected"})
    run.asked("p1", 1.5, key="k2", attempt=2, status=402, result="declined")
    run.sent(1.6, ended_by="refused", payment="p1", key="c1", target="/capture")
    text = "never completed: capture of p1-1 to processor-a, abandoned"
    assert broken(run, tmp_path) == {"authorisations_settled": (1_000, text)}


def test_a_first_try_that_reached_no_link_is_of_what_its_key_is_used_for_next(
    tmp_path: Path,
) -> None:
    """Two cards at one processor, both captured: the first try for one came after the other."""
    run = ObservedRun()
    run.pay("p1", 1.0)
    for attempt, minor in ((1, 400), (2, 600)):
        run.asked("p1", 1.0 + attempt / 10, key=f"k{attempt}", attempt=attempt)
        run.in_books("p1", 1.0 + attempt / 10, "authorised", attempt=attempt, amount=minor)
    run.asked("p1", 1.3, operation="capture", key="c2", attempt=2)
    run.sent(1.5, ended_by="refused", payment="p1", key="c1", target="/capture")
    run.asked("p1", 1.7, operation="capture", key="c1", attempt=1)
    for attempt, minor, at_s in ((2, 600, 1.35), (1, 400, 1.75)):
        run.in_books("p1", at_s, "captured", attempt=attempt, amount=minor, item="c1")
    assert broken(run, tmp_path) == {}
