"""What one link's book says of one authorisation."""

from __future__ import annotations

from collections.abc import Sequence

from paychain.payments.journal import Movement, MovementKind
from paychain.payments.rules.position import Position


def booked(*lines: tuple[MovementKind, str], amounts: Sequence[int] = ()) -> Position:
    """A book in which each line is about 10.00 EUR, or the first ones about other amounts."""
    position = Position()
    for number, (kind, item) in enumerate(lines):
        position.book(
            Movement(
                link="psp",
                payment="p1",
                attempt=1,
                kind=kind,
                amount_minor=amounts[number] if number < len(amounts) else 1000,
                currency="EUR",
                reference="p1-1",
                at_ns=0,
                decided_by="issuer",
                item=item,
            )
        )
    return position


FAILED = (
    (MovementKind.AUTHORISED, ""),
    (MovementKind.CAPTURED, "c1"),
    (MovementKind.UNCAPTURED, "c1"),
)


def test_what_was_captured_and_undone_is_held_again() -> None:
    position = booked(*FAILED)
    assert (position.held_minor, position.captured_minor, position.captured) == (1000, 0, {})
    assert position.exposure_minor == 1000
    position = booked(*FAILED, (MovementKind.VOIDED, ""))
    assert (position.exposure_minor, position.over_released_minor) == (0, 0)


def test_what_was_stored_and_approved_in_part_was_never_more_than_that_part() -> None:
    reduced = ((MovementKind.STORED, ""), (MovementKind.REDUCED, ""))
    position = booked(*reduced, (MovementKind.VOIDED, ""), amounts=(1000, 700, 300))
    assert (position.first_minor, position.authorised_minor) == (300, 300)
    assert position.exposure_minor == 0
    assert position.is_sound(0.0)
    position = booked(*reduced, (MovementKind.CAPTURED, "c1"), amounts=(1000, 700, 400))
    assert position.over_captured_minor == 100


def test_what_is_captured_again_after_it_was_undone_is_no_repeat() -> None:
    for item in ("c1", "c2"):
        position = booked(*FAILED, (MovementKind.CAPTURED, item))
        assert position.is_sound(0.0)
        assert (position.held_minor, position.captured_minor) == (0, 1000)


def test_a_repeat_that_is_undone_leaves_the_capture_that_it_repeats() -> None:
    position = booked(
        *FAILED[:2], (MovementKind.CAPTURED, "c1~2"), (MovementKind.UNCAPTURED, "c1~2")
    )
    assert (position.captured, position.recaptured_minor) == ({"c1": 1000}, 0)
    assert position.rebooked_minor == 1000  # it was booked all the same


def test_of_captures_that_failed_the_last_one_counts_unless_another_one_stands() -> None:
    again = ((MovementKind.CAPTURED, "c2"), (MovementKind.UNCAPTURED, "c2"))
    position = booked(*FAILED)
    assert not position.is_replaced("c1")
    assert booked(*FAILED, again[0]).is_replaced("c1")
    position = booked(*FAILED, *again, (MovementKind.VOIDED, ""))
    assert (position.is_replaced("c1"), position.is_replaced("c2")) == (True, False)


def test_a_part_that_was_captured_before_is_no_replacement_of_one_that_failed() -> None:
    parts = (
        (MovementKind.AUTHORISED, ""),
        (MovementKind.CAPTURED, "c1"),
        (MovementKind.CAPTURED, "c2"),
        (MovementKind.UNCAPTURED, "c2"),
    )
    released = booked(*parts, (MovementKind.VOIDED, ""), amounts=(1000, 400, 600, 600, 600))
    assert not released.is_replaced("c2")
    again = booked(*parts, (MovementKind.CAPTURED, "c3"), amounts=(1000, 400, 600, 600, 600))
    assert again.is_replaced("c2")


def test_what_was_captured_beyond_the_hold_and_undone_is_not_beyond_it() -> None:
    amounts = (1000, 1100, 1100, 1100)
    assert booked(*FAILED, amounts=amounts).over_captured(0.0) == 0
    again = booked(*FAILED, (MovementKind.CAPTURED, "c2"), amounts=amounts)
    assert (again.over_captured(0.1), again.over_captured(0.0)) == (0, 100)
