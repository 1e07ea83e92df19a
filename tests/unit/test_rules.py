"""Each planted accounting bug gives exactly its own finding."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.payments.journal import Movement
from harness.payments.retry_limits import Presentation
from harness.payments.rules import RULES, Finding, Reconciled, StoodIn, authorisations

PATH = ("gateway", "processor-a", "scheme", "issuer")
Make = Callable[..., Movement]


def findings(
    movements: list[Movement],
    *,
    told_approved: bool = True,
    is_partial: bool = False,
    **more: object,
) -> dict[str, Finding]:
    found = authorisations(movements)
    for one in found:
        one.path = frozenset(PATH) if told_approved else frozenset()
        one.is_partial = is_partial
    payment = Reconciled(
        "p1", 1_000, "EUR", told_approved, found, frozenset({"issuer"}), frozenset({"gateway"}),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
    told = {name: rule(payment) for name, (_, rule) in RULES.items()}
    return {name: one for name, one in told.items() if one is not None}


def broken(movements: list[Movement], **more: object) -> list[str]:
    return list(findings(movements, **more))  # type: ignore[arg-type]


@pytest.fixture
def sound(movement: Make) -> list[Movement]:
    """Authorised on every link."""
    return [movement(link) for link in PATH]


@pytest.fixture
def captured(sound: list[Movement], movement: Make) -> list[Movement]:
    """Authorised, and captured in two parts, on every link."""
    parts = [
        movement(link, "captured", amount=500, item=item) for item in ("c1", "c2") for link in PATH
    ]
    return [*sound, *parts]


def test_a_sound_payment_breaks_no_rule(sound: list[Movement]) -> None:
    assert broken(sound) == []


def test_a_captured_and_refunded_payment_breaks_no_rule(
    captured: list[Movement], movement: Make
) -> None:
    assert broken(captured) == []
    back = [movement(link, "refunded", amount=300, item="r1") for link in PATH]
    assert broken([*captured, *back]) == []


def test_a_reversed_first_attempt_breaks_no_rule(sound: list[Movement], movement: Make) -> None:
    first = [movement(link, reference="p1-0") for link in PATH[1:]]
    undone = [movement(link, "voided", reference="p1-0") for link in PATH[1:]]
    assert broken([*first, *undone, *sound]) == []


def test_a_cancelled_payment_breaks_no_rule(sound: list[Movement], movement: Make) -> None:
    assert broken([*sound, *[movement(link, "voided") for link in PATH]]) == []


def test_a_rest_voided_after_a_partial_capture_breaks_no_rule(
    sound: list[Movement], movement: Make
) -> None:
    part = [movement(link, "captured", amount=400, item="c1") for link in PATH]
    rest = [movement(link, "voided", amount=600) for link in PATH]
    assert broken([*sound, *part, *rest]) == []


def test_an_expired_authorisation_breaks_no_rule(sound: list[Movement], movement: Make) -> None:
    assert broken([*sound, movement("issuer", "expired")]) == []


def test_a_partial_approval_breaks_no_rule(movement: Make) -> None:
    less = [movement(link, amount=600) for link in PATH]
    assert broken(less, is_partial=True, told_minor=600) == []
    assert broken(less, told_minor=600) == ["amounts_equal"]


def test_a_partial_approval_that_nobody_heard_of_breaks_no_rule(movement: Make) -> None:
    # The answer was lost and the approval reversed: only the issuer ever knew of the 6.00.
    unheard = [movement("issuer", amount=600), movement("issuer", "voided", amount=600)]
    assert broken(unheard, told_approved=False) == []
    more = [movement("issuer", amount=1_600), movement("issuer", "voided", amount=1_600)]
    assert broken(more, told_approved=False) == ["amounts_equal"]


def test_a_dropped_journal_entry_is_a_disagreement_of_the_books(sound: list[Movement]) -> None:
    assert broken([move for move in sound if move.link != "scheme"]) == ["books_agree"]


def test_charging_twice_under_one_reference_is_a_double_charge(
    sound: list[Movement], movement: Make
) -> None:
    found = findings([*sound, movement("issuer")])
    assert list(found) == ["no_double_charge"]
    # 2 x 10.00 held for an order of 10.00: 10.00 too much
    assert found["no_double_charge"].amount_minor == 1_000
    assert found["no_double_charge"].text == "20.00 EUR held for an order of 10.00 EUR"


def test_a_second_authorisation_elsewhere_is_a_double_charge(
    sound: list[Movement], movement: Make
) -> None:
    left = [movement(link, reference="p1-0") for link in PATH[1:]]
    assert broken([*left, *sound]) == ["no_double_charge"]


def test_two_captured_authorisations_are_a_double_charge(
    captured: list[Movement], movement: Make
) -> None:
    left = [movement(link, reference="p1-0") for link in PATH[1:]]
    taken = [movement(link, "captured", reference="p1-0", item="c1") for link in PATH[1:]]
    assert broken([*left, *taken, *captured]) == ["no_double_charge"]


def test_a_changed_amount_is_found(movement: Make) -> None:
    moves = [movement(link, amount=990 if link == "issuer" else 1_000) for link in PATH]
    found = findings(moves)
    assert list(found) == ["amounts_equal"]
    assert found["amounts_equal"].amount_minor == 10


def test_another_currency_is_found(captured: list[Movement], movement: Make) -> None:
    dollars = [movement(link, "refunded", amount=1, item="r1", currency="USD") for link in PATH]
    assert broken([*captured, *dollars]) == ["amounts_equal"]


def test_an_approval_without_the_issuer_has_no_money_behind_it(movement: Make) -> None:
    moves = [movement(link, decided_by="processor-a") for link in ("gateway", "processor-a")]
    assert broken(moves) == ["no_approval_without_money"]


def test_money_held_for_a_customer_who_was_not_told_is_orphaned(movement: Make) -> None:
    moves = [movement(link) for link in PATH[1:]]
    assert broken(moves, told_approved=False) == ["no_orphaned_authorisation"]


@pytest.mark.parametrize("told_approved", [True, False])
def test_nothing_held_and_nothing_told_is_nobodys_money(told_approved: bool) -> None:
    assert broken([], told_approved=told_approved) == (
        ["no_approval_without_money"] if told_approved else []
    )


def test_a_customer_who_was_told_another_amount_is_found(sound: list[Movement]) -> None:
    assert broken(sound, told_minor=999) == ["customer_told_the_amount"]


def test_capturing_more_than_authorised_is_found(sound: list[Movement], movement: Make) -> None:
    more = [movement(link, "captured", amount=1_200, item="c1") for link in PATH]
    found = findings([*sound, *more])
    assert list(found) == ["captured_within_authorised"]
    assert found["captured_within_authorised"].amount_minor == 200


def test_refunding_more_than_captured_is_found(captured: list[Movement], movement: Make) -> None:
    more = [movement(link, "refunded", amount=1_100, item="r1") for link in PATH]
    assert broken([*captured, *more]) == ["refunded_within_captured"]


@pytest.mark.parametrize("kind", ["captured", "refunded"])
def test_a_capture_or_refund_that_one_book_does_not_have_is_not_conserved(
    captured: list[Movement], movement: Make, kind: str
) -> None:
    some = [movement(link, kind, amount=200, item="x1") for link in PATH[:-1]]
    base = captured if kind == "refunded" else captured[: len(PATH)]
    found = findings([*base, *some])
    assert list(found) == ["money_conserved"]
    assert found["money_conserved"].amount_minor == 200


@pytest.mark.parametrize("item", ["c1", "c1~2"])
def test_a_repeated_capture_that_was_booked_again_is_found(
    captured: list[Movement], movement: Make, item: str
) -> None:
    again = movement("processor-a", "captured", amount=500, item=item)
    assert broken([*captured, again]) == ["repeats_without_effect"]


def test_what_stays_unknown_or_undone_is_found(sound: list[Movement]) -> None:
    assert broken(sound, unresolved=["gateway → processor-a"]) == ["unknowns_resolved"]
    assert broken(sound, unsettled=["capture of p1-1 c1"]) == ["authorisations_settled"]
    assert broken(sound, unauthenticated=["gateway → processor-a"]) == [
        "no_authorisation_after_failed_authentication"
    ]


def test_presenting_a_stolen_card_again_is_against_the_schemes_limits(
    sound: list[Movement],
) -> None:
    def presented(code: str, times: int) -> list[tuple[Presentation, bool]]:
        declines = [(Presentation(code, at, "shop", 1_000), True) for at in range(times)]
        return [*declines, (Presentation("00", times, "shop", 1_000), False)]

    stolen = findings(sound, scheme="visa", presentations=presented("43", 1))
    assert list(stolen) == ["retry_limits_kept"]
    # one presentation and 15 more are allowed: the 16th more is not
    assert broken(sound, scheme="visa", presentations=presented("51", 15)) == []
    assert broken(sound, scheme="visa", presentations=presented("51", 16)) == ["retry_limits_kept"]


def stood_in(movement: Make, *, advised: bool) -> list[Movement]:
    moves = [movement(link, decided_by="scheme") for link in ("gateway", "processor-a")]
    moves.append(movement("scheme", "stood_in", decided_by="scheme"))
    return [*moves, movement("issuer", "advised", decided_by="scheme")] if advised else moves


def test_stand_in_that_was_advised_breaks_no_rule(movement: Make) -> None:
    assert broken(stood_in(movement, advised=True)) == []


def test_stand_in_that_nobody_heard_of_is_found(movement: Make) -> None:
    moves = stood_in(movement, advised=False)
    for one in (found := authorisations(moves)):
        one.path = frozenset(PATH[:3])
    payment = Reconciled("p1", 1_000, "EUR", True, found, frozenset({"issuer"}))
    assert [name for name, (_, rule) in RULES.items() if rule(payment)] == ["stand_in_advised"]


@pytest.mark.parametrize(
    ("amount", "nth", "of_card", "said"),
    [
        (1_000, 5, 2, ""),
        (1_001, 5, 2, "for 10.01 EUR, over its limit of 10.00 EUR"),
        (1_000, 6, 2, "6 times, its limit is 5"),
        (1_000, 5, 3, "3 times for one card, its limit is 2"),
    ],
)
def test_stand_in_beyond_a_limit_is_found(
    movement: Make, amount: int, nth: int, of_card: int, said: str
) -> None:
    one = StoodIn("scheme", "p1-1", amount, nth, of_card, 1_000, 5, 2)
    found = findings(stood_in(movement, advised=True), stood_in=[one])
    assert list(found) == (["stand_in_within_limits"] if said else [])
    assert not said or found["stand_in_within_limits"].text == f"scheme stood in {said}"
