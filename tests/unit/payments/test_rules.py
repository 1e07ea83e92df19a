"""Each planted accounting bug gives exactly its own finding."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
import pytest

from paychain.payments.journal import DELIVERED_AS, Decision, DecisionKind, Movement
from paychain.payments.retry_limits import Presentation
from paychain.payments.rules import (
    RULES,
    Finding,
    Reconciled,
    StoodIn,
    authorisations,
    of_order,
)
from paychain.payments.rules.completion import uncompleted_payments
from paychain.payments.rules.follow_ups import End, FollowUp
from paychain.payments.rules.traces import renamed

PATH = ("gateway", "processor-a", "scheme", "issuer")
Make = Callable[..., Movement]


def findings(
    movements: list[Movement],
    *,
    shown_approved: bool = True,
    is_partial: bool = False,
    **more: object,
) -> dict[str, Finding]:
    found = authorisations(movements)
    for authorised in found:
        authorised.path = frozenset(PATH) if shown_approved else frozenset()
        authorised.is_partial = is_partial
    payment = Reconciled(
        payment="p1",
        amount_minor=1_000,
        currency="EUR",
        shown_approved=shown_approved,
        authorisations=found,
        settling=frozenset({"issuer"}),
        merchants=frozenset({"gateway"}),
        **more,  # type: ignore[arg-type]  # of mixed types
    )
    results = {name: rule(payment) for name, rule in RULES.items()}
    return {name: each for name, each in results.items() if each is not None}


def follow_up(end: End, operation: str = "capture", **more: Any) -> FollowUp:
    values: dict[str, Any] = {"link": "gateway", "target": "processor-a", "attempt": 1}
    values |= {"name": "p1-1 c1", "amount_minor": 900, "is_due": True}
    return FollowUp(operation=operation, end=end, **{**values, **more})


def broken(movements: list[Movement], **more: object) -> list[str]:
    return list(findings(movements, **more))  # type: ignore[arg-type]  # of mixed types


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


def test_a_link_that_releases_half_of_a_hold_is_found(
    sound: list[Movement], movement: Make
) -> None:
    cancelled = {"follow_ups": [follow_up("done", "void", name="p1-1")]}
    undone = [movement(link, "voided") for link in PATH[:-1]]
    half = findings([*sound, *undone, movement("issuer", "voided", amount=500)], **cancelled)
    assert {name: found.amount_minor for name, found in half.items()} == {
        "released_what_is_held": 500
    }


def test_a_link_that_releases_twice_is_found(sound: list[Movement], movement: Make) -> None:
    cancelled = {"follow_ups": [follow_up("done", "void", name="p1-1")]}
    undone = [movement(link, "voided") for link in (*PATH, "issuer")]
    found = findings([*sound, *undone], **cancelled)
    assert {name: each.amount_minor for name, each in found.items()} == {
        "released_what_is_held": 1_000
    }


def test_half_of_a_hold_beside_a_second_one_is_a_double_charge(
    sound: list[Movement], movement: Make
) -> None:
    first = [movement(link, reference="p1-0") for link in PATH[1:]]
    undone = [movement(link, "voided", reference="p1-0") for link in PATH[1:-1]]
    half = movement("issuer", "voided", reference="p1-0", amount=500)
    found = findings([*first, *undone, half, *sound])
    # 10.00 and the half of the first hold for an order of 10.00: 5.00 too much
    assert {name: each.amount_minor for name, each in found.items()} == {"no_double_charge": 500}


def test_holding_twice_is_a_double_charge_although_the_rest_is_released(
    sound: list[Movement], movement: Make
) -> None:
    taken = [movement(link, "captured", amount=900, item="c1") for link in PATH]
    rest = [movement(link, "voided", amount=100) for link in PATH]
    found = findings([*sound, movement("issuer"), *taken, *rest])
    # 20.00 held, 9.00 of it captured and 1.00 released: 19.00 for an order of 10.00
    assert {name: each.amount_minor for name, each in found.items()} == {"no_double_charge": 900}


def test_an_advice_that_is_booked_twice_is_a_double_charge(movement: Make) -> None:
    moves = [*stood_in(movement, advised=True), movement("issuer", "advised", decided_by="scheme")]
    assert broken(moves) == ["no_double_charge"]


@pytest.mark.parametrize("release", ["voided", "expired"])
def test_a_capture_after_the_release_is_found(
    sound: list[Movement], movement: Make, release: str
) -> None:
    released = [movement(link, release) for link in PATH]
    taken = [movement(link, "captured", amount=900, item="c1") for link in PATH]
    found = findings([*sound, *released, *taken])
    assert {name: each.amount_minor for name, each in found.items()} == {
        "captured_within_authorised": 900
    }


def test_a_link_that_books_a_hold_twice_is_found(sound: list[Movement], movement: Make) -> None:
    assert broken([*sound, movement("processor-a")]) == ["booked_once"]


def test_a_link_that_keeps_what_all_others_reversed_is_found(
    sound: list[Movement], movement: Make
) -> None:
    first = [movement(link, reference="p1-0") for link in PATH[1:]]
    undone = [
        movement(link, "voided", reference="p1-0") for link in PATH[1:] if link != "processor-a"
    ]
    assert broken([*first, *undone, *sound]) == ["books_agree"]


def test_a_rest_that_one_link_holds_and_others_have_released_is_found(
    sound: list[Movement], movement: Make
) -> None:
    taken = [movement(link, "captured", amount=400, item="c1") for link in PATH]
    rest = [movement(link, "voided", amount=600) for link in PATH]
    found = findings([*sound, *taken, *rest[1:]])  # the gateway was not told
    assert {name: each.amount_minor for name, each in found.items()} == {"books_agree": 600}
    assert found["books_agree"].text == ("gateway holds 6.00 EUR under p1-1, issuer 0.00 EUR")
    assert broken([*sound, *taken]) == []
    assert broken([*sound, *taken, *rest]) == []
    # A link whose hold has expired differs by right.
    expired = movement("issuer", "expired", amount=600)
    assert broken([*sound, *taken, expired]) == []


def test_books_are_compared_where_more_was_captured_than_held_by_right(
    sound: list[Movement], movement: Make
) -> None:
    taken = [movement(link, "captured", amount=1_100, item="c1") for link in PATH]
    given = [movement(link, "refunded", amount=1_100, item="r1") for link in PATH]
    tips = {"overcapture": dict.fromkeys(PATH, 0.1)}
    assert broken([*sound, *taken, *given], **tips) == []
    found = findings([*sound, *taken[1:], *given[1:]], **tips)
    assert found["books_agree"].text == "gateway holds 10.00 EUR under p1-1, issuer 0.00 EUR"


def test_a_declined_payment_that_the_gateway_books_as_sold_is_found(movement: Make) -> None:
    assert broken([movement("gateway")], shown_approved=False) == ["books_agree"]


def test_money_of_nobodys_payment_is_found(sound: list[Movement]) -> None:
    found = findings(sound, shown_approved=False, is_known=False)
    assert {name: each.amount_minor for name, each in found.items()} == {
        "no_phantom_movement": 1_000
    }


@pytest.mark.parametrize(
    "party", [{"merchant": "another"}, {"instrument": "555555…4444"}], ids=["merchant", "card"]
)
def test_another_merchant_or_card_is_found(sound: list[Movement], party: dict[str, str]) -> None:
    right = {"merchant": "shop", "instrument": "424242…4242"}
    books = [msgspec.structs.replace(move, **{**right, **party}) for move in sound]
    assert broken([msgspec.structs.replace(move, **right) for move in sound], **right) == []
    assert broken(books, **right) == ["parties_kept"]


def test_what_was_stored_and_declined_later_was_never_money(movement: Make) -> None:
    stored = movement("gateway", "stored", decided_by="gateway")
    given_up = movement("gateway", "voided", decided_by="gateway")
    assert broken([stored, given_up]) == ["no_approval_without_money"]


def test_what_was_stored_and_delivered_under_another_reference_is_one_authorisation(
    movement: Make,
) -> None:
    stored = movement("gateway", "stored", decided_by="gateway")
    delivered = [movement(link, reference="p1-1+processor-a.3") for link in PATH[1:]]
    assert broken([stored, *delivered]) != []
    as_delivered = {("p1-1", "gateway"): "p1-1+processor-a.3"}
    (entry,) = authorisations([stored, *delivered], as_delivered)
    assert set(entry.positions) == set(PATH)


def test_a_cancel_is_of_what_was_stored_whatever_payment_it_was_delivered_as(
    movement: Make,
) -> None:
    # The issuer took the delivery, by its trace number, for a repeat of another payment.
    stored = movement("scheme", "stored", reference="p1-1.scheme.1", decided_by="scheme")
    sold = movement("gateway", reference="p1-1.scheme.1", decided_by="scheme")
    entries = authorisations([stored, sold], {("p1-1.scheme.1", "scheme"): "p0-1"})
    assert [entry.reference for entry in entries] == ["p0-1"]
    for name, rules in (("p1-1", []), ("p7-1", ["no_approval_without_money"])):
        payment = Reconciled(
            payment="p1",
            amount_minor=1_000,
            currency="EUR",
            shown_approved=True,
            authorisations=entries,
            settling=frozenset({"issuer"}),
            merchants=frozenset({"gateway"}),
            follow_ups=[follow_up("never sent", "void", name=name)],
        )
        found = [each for each, rule in RULES.items() if rule(payment)]
        assert found == [*rules, "authorisations_settled"]


def queue_delivered(name: str) -> Decision:
    return Decision(
        link="gateway",
        kind=DecisionKind.QUEUE_DELIVERED,
        at_ns=1,
        payment="p1",
        attempt=2,
        operation="authorise",
        target="processor-a",
        detail=f"00 p1-1{DELIVERED_AS}{name}",
    )


@pytest.mark.parametrize(
    ("undone", "is_kept"),
    [
        # A webhook named the first delivery, and the gateway reversed what it knew nothing of.
        ({"p1-1~scheme.2": PATH[1:]}, True),
        # A bank that has not heard of it yet holds both: that is a double charge.
        ({"p1-1~scheme.2": PATH[1:-1]}, False),
        ({"p1-1": PATH[1:]}, False),
        ({"p1-1": PATH[1:], "p1-1~scheme.2": PATH[1:]}, False),
        ({}, False),
    ],
)
def test_what_was_stored_keeps_its_name_where_the_last_delivery_alone_was_undone(
    movement: Make, undone: dict[str, tuple[str, ...]], is_kept: bool
) -> None:
    stored = movement("gateway", "stored", decided_by="gateway")
    names = ("p1-1", "p1-1~scheme.2")
    made = [movement(link, reference=name) for name in names for link in PATH[1:]]
    released = [
        movement(link, "voided", reference=name) for name, links in undone.items() for link in links
    ]
    delivered = queue_delivered("p1-1~scheme.2")
    found = renamed([delivered], [stored, *made, *released])
    assert found == ({} if is_kept else {("p1-1", "gateway"): "p1-1~scheme.2"})


@pytest.mark.parametrize(
    ("undone", "name"),
    [
        # A webhook named the last one, and the gateway reversed what it knew nothing of.
        ({"p1-1~scheme.3"}, "p1-1~scheme.2"),
        ({"p1-1~scheme.2"}, "p1-1~scheme.3"),
        ({"p1-1~scheme.2", "p1-1~scheme.3"}, "p1-1~scheme.3"),
        (set(), "p1-1~scheme.3"),
    ],
)
def test_what_was_stored_is_the_repeat_that_is_left_where_the_last_one_was_undone(
    movement: Make, undone: set[str], name: str
) -> None:
    stored = movement("gateway", "stored", decided_by="gateway")
    made = [movement("issuer", reference="p1-1~scheme.2")]
    made += [movement(link, reference="p1-1~scheme.3") for link in PATH[1:]]
    released = [
        movement(each.link, "voided", reference=each.reference)
        for each in made
        if each.reference in undone
    ]
    found = renamed([queue_delivered("p1-1~scheme.3")], [stored, *made, *released])
    assert found == {("p1-1", "gateway"): name}


def test_what_was_stored_keeps_the_name_that_was_captured(movement: Make) -> None:
    stored = movement("gateway", "stored", decided_by="gateway")
    names = ("p1-1", "p1-1~scheme.2")
    made = [movement(link, reference=name) for name in names for link in PATH[1:]]
    delivered = queue_delivered("p1-1~scheme.2")
    for name in names:
        captures = [movement(link, "captured", reference=name, item="c1") for link in PATH[1:]]
        found = renamed([delivered], [stored, *made, *captures])
        assert found == ({} if name == "p1-1" else {("p1-1", "gateway"): name})


@pytest.mark.parametrize(
    ("end", "operation", "rule"),
    [
        ("never sent", "capture", ["authorisations_settled"]),
        ("abandoned", "refund", ["authorisations_settled"]),
        ("abandoned", "notify", ["authorisations_settled"]),
        ("unanswered", "advise", ["authorisations_settled"]),
        ("refused", "capture", ["completed"]),
        ("refused", "refund", ["completed"]),
        ("refused", "advise", []),
        ("done", "capture", ["authorisations_settled"]),  # and no book has it
        ("done", "advise", []),
    ],
)
def test_what_is_due_and_never_done_is_found(
    sound: list[Movement], end: End, operation: str, rule: list[str]
) -> None:
    name = "p1-1 authorised" if operation == "notify" else "p1-1 c1"
    found = findings(sound, follow_ups=[follow_up(end, operation, name=name)])
    assert list(found) == rule
    assert all(each.amount_minor == 900 for each in found.values())


@pytest.mark.parametrize("is_over", [False, True])
def test_a_refund_is_refused_rightly_where_its_hold_ended_before_any_capture(
    sound: list[Movement], movement: Make, is_over: bool
) -> None:
    ended = [movement("issuer", "expired")] if is_over else []
    refund = follow_up("refused", "refund", name="p1-1 r1", target="issuer")
    assert broken([*sound, *ended], follow_ups=[refund]) == ([] if is_over else ["completed"])


@pytest.mark.parametrize(("given_back", "more", "rules"), [(500, 0, ["completed"]), (500, 500, [])])
def test_a_refund_of_everything_is_refused_rightly_only_where_nothing_is_left(
    captured: list[Movement], movement: Make, given_back: int, more: int, rules: list[str]
) -> None:
    refunds = [
        movement(link, "refunded", amount=minor, item=item)
        for item, minor in (("r1", given_back), ("r2", more))
        for link in PATH
        if minor
    ]
    undo = follow_up("refused", "refund", name="p1-1 undo", amount_minor=1_000)
    assert [*findings([*captured, *refunds], follow_ups=[undo])] == rules


def test_what_is_acknowledged_is_in_some_book(
    sound: list[Movement], captured: list[Movement], movement: Make
) -> None:
    def missing_minor(moves: list[Movement], operation: str, name: str, **more: Any) -> int:
        found = findings(moves, follow_ups=[follow_up("done", operation, name=name, **more)])
        assert list(found) in ([], ["authorisations_settled"])
        return sum(each.amount_minor for each in found.values())

    assert missing_minor(captured, "capture", "p1-1 c1", amount_minor=500) == 0
    assert missing_minor(captured, "capture", "p1-1 c1", amount_minor=600) == 100
    assert missing_minor(captured, "capture", "p1-1 c3", amount_minor=500) == 500
    assert missing_minor(captured, "capture", "p1-1 c3", is_due=False) == 0
    assert missing_minor(captured, "refund", "p1-1 r1", amount_minor=300) == 300
    assert missing_minor(sound, "void", "p1-1") == 1_000
    # A hold that has ended in one book is still to be released in the others.
    assert missing_minor([*sound, movement("scheme", "expired")], "void", "p1-1") == 1_000
    assert missing_minor([*sound, movement("issuer", "expired")], "void", "p1-1") == 0
    given = [*captured, movement("issuer", "charged_back", amount=400, item="d")]
    report = {"link": "issuer", "amount_minor": 1_000}
    assert missing_minor(given, "dispute", "p1-1 d-psp", **report, target="psp") == 600


@pytest.mark.parametrize("is_made", [False, True])
def test_a_merchants_own_book_is_no_proof_of_what_was_acknowledged(
    sound: list[Movement], movement: Make, is_made: bool
) -> None:
    # Its processor says that it has captured and refunded, and did neither: all books are even.
    links = PATH if is_made else PATH[:1]
    moves = [
        movement(link, kind, item=item)
        for kind, item in (("captured", "c1"), ("refunded", "r1"))
        for link in links
    ]
    done = [
        follow_up("done", operation, name=f"p1-1 {item}", amount_minor=1_000)
        for operation, item in (("capture", "c1"), ("refund", "r1"))
    ]
    found = findings([*sound, *moves], follow_ups=done)
    assert {name: each.amount_minor for name, each in found.items()} == (
        {} if is_made else {"books_agree": 1_000, "authorisations_settled": 1_000}
    )


def test_a_webhook_about_an_attempt_that_was_undone_is_nobodys_loss(
    sound: list[Movement],
) -> None:
    about_another = follow_up("abandoned", "notify", attempt=7, name="p1-7 authorised")
    confirmation = follow_up("abandoned", "notify", name="p1-1 captured")
    assert broken(sound, follow_ups=[about_another, confirmation]) == []


def test_a_fallback_beyond_its_limit_is_found(sound: list[Movement]) -> None:
    beyond = "gateway used skip on screen above its limit of 5.00 EUR"
    assert broken(sound, beyond_limits=[beyond]) == ["fallbacks_within_limits"]


def whole_order(
    *payments: list[Movement],
    shown: tuple[bool, ...],
    follow_ups: tuple[list[FollowUp], ...] = (),
    merchants: Collection[str] = (),
) -> Reconciled:
    """An order of 10.00 EUR, paid with these payments, each with what followed it."""
    followed = [*follow_ups, *[[]] * len(payments)]
    parts = [
        Reconciled(
            payment=f"p{number}",
            amount_minor=1_000,
            currency="EUR",
            shown_approved=approved,
            shown_minor=1_000 if approved else 0,
            authorisations=authorisations(moves),
            settling=frozenset({"issuer"}),
            merchants=frozenset(merchants),
            order="o1",
            follow_ups=followed[number - 1],
        )
        for number, (moves, approved) in enumerate(zip(payments, shown, strict=True), start=1)
    ]
    return of_order(parts)


def order_of(*payments: list[Movement], shown: tuple[bool, ...]) -> list[str]:
    """The rules that an order of 10.00 EUR breaks, paid with these payments."""
    whole = whole_order(*payments, shown=shown)
    return [name for name, rule in RULES.items() if rule.per == "order" and rule(whole)]


@pytest.mark.parametrize("is_seen", [False, True])
def test_what_nobody_saw_and_its_merchant_gave_back_is_no_sale_of_a_cancelled_order(
    movement: Make, is_seen: bool
) -> None:
    cancelled = [movement("gateway"), movement("gateway", "voided")]
    given_back = [
        movement("gateway", kind, reference="p2-1")
        for kind in ("authorised", "captured", "refunded")
    ]
    void = follow_up("done", "void", name="p1-1")
    whole = whole_order(
        cancelled, given_back, shown=(True, is_seen), follow_ups=([void],), merchants={"gateway"}
    )
    finding = RULES["no_approval_without_money"](whole)
    assert (finding is not None) is is_seen


def test_an_order_that_two_payments_took_is_a_double_charge(
    sound: list[Movement], movement: Make
) -> None:
    again = [movement(link, reference="p2-1") for link in PATH]
    assert order_of(sound, again, shown=(False, True)) == ["no_double_charge"]
    assert order_of(sound, again, shown=(True, True)) == ["no_double_charge"]


def test_an_order_whose_first_payment_was_undone_is_paid_once(
    sound: list[Movement], movement: Make
) -> None:
    first = [movement(link, reference="p2-1") for link in PATH]
    undone = [movement(link, "voided", reference="p2-1") for link in PATH]
    assert order_of([*first, *undone], sound, shown=(False, True)) == []
    assert order_of(sound, [], shown=(False, False)) == ["no_orphaned_authorisation"]


def test_a_payment_is_completed_whose_refused_capture_another_sale_of_its_order_has_brought(
    sound: list[Movement], movement: Make
) -> None:
    """Its order is not: of the other payment a refund was refused."""
    released = [movement(link, "voided") for link in PATH]
    again = [
        movement(link, kind, reference="p2-1", item=item)
        for kind, item in (("authorised", ""), ("captured", "c1"))
        for link in PATH
    ]
    refused = [follow_up("refused", amount_minor=1_000)]
    refund = follow_up("refused", "refund", name="p2-1 r1", amount_minor=300)
    order = whole_order(
        [*sound, *released], again, shown=(True, True), follow_ups=(refused, [refund])
    )
    found = RULES["completed"](order)
    assert found is not None
    assert (found.amount_minor, found.text) == (300, f"approved, but {refund}")
    assert uncompleted_payments(order, set()) == {"p2"}


def test_of_refused_captures_that_came_in_each_others_place_only_the_last_is_owed(
    sound: list[Movement], movement: Make
) -> None:
    failed = [
        movement("gateway", kind, item=item)
        for item in ("c1", "c2")
        for kind in ("captured", "uncaptured")
    ]
    ended = [movement(link, "expired") for link in PATH]
    first, last = (
        follow_up("refused", name=f"p1-1 {item}", amount_minor=1_000) for item in ("c1", "c2")
    )
    found = findings([*sound, *failed, *ended], follow_ups=[first, last])
    assert {name: (each.amount_minor, each.text) for name, each in found.items()} == {
        "completed": (1_000, f"approved, but {last}")
    }


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
    undone = [*sound, *[movement(link, "voided") for link in PATH]]
    assert broken(undone, follow_ups=[follow_up("done", "void", name="p1-1")]) == []


def test_an_approval_that_every_book_undid_has_no_money_behind_it(
    sound: list[Movement], movement: Make
) -> None:
    assert broken([*sound, *[movement(link, "voided") for link in PATH]]) == [
        "no_approval_without_money"
    ]


def test_a_rest_voided_after_a_partial_capture_breaks_no_rule(
    sound: list[Movement], movement: Make
) -> None:
    part = [movement(link, "captured", amount=400, item="c1") for link in PATH]
    rest = [movement(link, "voided", amount=600) for link in PATH]
    assert broken([*sound, *part, *rest]) == []


def test_an_expired_authorisation_breaks_no_rule(sound: list[Movement], movement: Make) -> None:
    assert broken([*sound, movement("issuer", "expired")]) == []


def test_what_a_merchant_has_is_missing_in_between_although_it_expired_behind(
    movement: Make,
) -> None:
    # A processor approved it wrongly, and its bank made that true until the hold expired.
    issuers = [movement("issuer"), movement("issuer", "expired")]
    found = findings([movement("gateway"), movement("scheme"), *issuers])["books_agree"]
    assert (found.amount_minor, found.text) == (1_000, "p1-1 is missing in the book of processor-a")
    assert broken(issuers) == []  # nobody relies on it


def test_a_partial_approval_breaks_no_rule(movement: Make) -> None:
    less = [movement(link, amount=600) for link in PATH]
    accepts = {"shown_minor": 600, "accepts_partial": True}
    assert broken(less, is_partial=True, **accepts) == []
    assert broken(less, **accepts) == ["amounts_equal"]


def test_a_partial_approval_that_the_merchant_does_not_accept_is_found(movement: Make) -> None:
    less = [movement(link, amount=600) for link in PATH]
    found = findings(less, is_partial=True, shown_minor=600)
    assert list(found) == ["amounts_equal"]
    assert found["amounts_equal"].amount_minor == 400


def test_a_smaller_amount_that_no_issuer_has_booked_is_the_part_that_one_gives(
    movement: Make,
) -> None:
    elsewhere = [movement(link, amount=600) for link in PATH if link != "issuer"]
    accepts: dict[str, Any] = {"shown_minor": 600, "accepts_partial": True, "is_partial": True}
    for of, is_given in ((0.6, True), (None, True), (0.5, False)):
        found = broken(elsewhere, gives_parts={"issuer": of, "other": 0.1}, **accepts)
        assert ("amounts_equal" not in found) == is_given


def test_a_partial_approval_that_nobody_heard_of_breaks_no_rule(movement: Make) -> None:
    # The answer was lost and the approval reversed: only the issuer ever knew of the 6.00.
    unheard = [movement("issuer", amount=600), movement("issuer", "voided", amount=600)]
    accepts: dict[str, Any] = {"shown_approved": False, "accepts_partial": True}
    assert broken(unheard, gives_parts={"issuer": 0.6}, **accepts) == []
    assert broken(unheard, gives_parts={"issuer": None}, **accepts) == []
    # It gives another part, or was asked for another amount.
    assert broken(unheard, gives_parts={"issuer": 0.5}, **accepts) == ["amounts_equal"]
    # An issuer that gives no parts was asked for another amount.
    assert broken(unheard, **accepts) == ["amounts_equal"]
    more = [movement("issuer", amount=1_600), movement("issuer", "voided", amount=1_600)]
    assert broken(more, shown_approved=False) == ["amounts_equal"]


def test_a_store_that_was_asked_for_another_amount_is_found_though_all_was_undone(
    movement: Make,
) -> None:
    # The link in front of the store divided the amount by ten, and nobody asked an issuer.
    lines = [
        movement(link, kind, amount=minor, decided_by="scheme")
        for link, hold, minor in (("scheme", "stored", 100), ("processor-a", "authorised", 1_000))
        for kind in (hold, "voided")
    ]
    for givers in ({}, {"issuer": None}):
        found = findings(lines, shown_approved=False, accepts_partial=True, gives_parts=givers)
        assert {name: each.amount_minor for name, each in found.items()} == {"amounts_equal": 900}


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


def test_money_held_for_a_customer_who_never_learned_of_it_is_orphaned(movement: Make) -> None:
    moves = [movement(link) for link in PATH[1:]]
    assert broken(moves, shown_approved=False) == ["no_orphaned_authorisation"]


@pytest.mark.parametrize("shown_approved", [True, False])
def test_nothing_held_and_nothing_reported_breaks_no_rule(shown_approved: bool) -> None:
    assert broken([], shown_approved=shown_approved) == (
        ["no_approval_without_money"] if shown_approved else []
    )


def test_a_customer_who_was_shown_another_amount_is_found(sound: list[Movement]) -> None:
    assert broken(sound, shown_minor=999) == ["customer_saw_the_amount"]


def test_capturing_more_than_authorised_is_found(sound: list[Movement], movement: Make) -> None:
    more = [movement(link, "captured", amount=1_200, item="c1") for link in PATH]
    found = findings([*sound, *more])
    assert list(found) == ["captured_within_authorised"]
    assert found["captured_within_authorised"].amount_minor == 200
    other = [movement(link, reference="p1-2") for link in PATH]
    other += [
        movement(link, "captured", reference="p1-2", amount=1_100, item="c1") for link in PATH
    ]
    both = findings([*sound, *more, *other])["captured_within_authorised"]
    assert both.amount_minor == 300
    assert both.text.count("captured 1") == 2


def test_what_a_merchants_book_alone_captured_beyond_its_hold_is_no_money(
    captured: list[Movement], movement: Make
) -> None:
    assert broken([*captured, movement("gateway", "captured", amount=300, item="c3")]) == [
        "money_conserved"
    ]


def test_a_merchant_that_captures_what_it_has_cancelled_is_found(
    captured: list[Movement], movement: Make
) -> None:
    (authorised,) = (each for each in captured if each.link == "gateway" and not each.item)
    at = captured.index(authorised) + 1
    cancelled = [*captured[:at], movement("gateway", "voided"), *captured[at:]]
    assert "captured_within_authorised" in broken(cancelled)


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


@pytest.mark.parametrize(("amount", "beyond"), [(500, 0), (600, 200)])
def test_a_repeated_refund_that_was_booked_again_counts_as_given_back(
    captured: list[Movement], movement: Make, amount: int, beyond: int
) -> None:
    refunded = [movement(link, "refunded", amount=amount, item="r1") for link in PATH]
    again = movement("issuer", "refunded", amount=amount, item="r1~issuer.2")
    found = findings([*captured, *refunded, again])
    # 1,000 were captured: two times 500 may be given back, two times 600 may not.
    over = found.pop("refunded_within_captured", None)
    assert (over.amount_minor if over else 0) == beyond
    assert list(found) == ["repeats_without_effect"]


def test_an_orphan_is_what_is_left_after_all_refunds(
    captured: list[Movement], movement: Make
) -> None:
    refunded = [movement(link, "refunded", amount=500, item="r1") for link in PATH]
    again = movement("issuer", "refunded", amount=500, item="r1~issuer.2")
    orphan = findings([*captured, *refunded], shown_approved=False)["no_orphaned_authorisation"]
    assert orphan.amount_minor == 500
    assert "no_orphaned_authorisation" not in broken(
        [*captured, *refunded, again], shown_approved=False
    )


def test_what_was_charged_back_is_wrong_no_more_but_was_charged(
    captured: list[Movement], movement: Make
) -> None:
    disputed = [*captured, movement("issuer", "charged_back", item="d1")]
    orphan = findings(disputed, shown_approved=False)["no_orphaned_authorisation"]
    assert (orphan.amount_minor, "10.00 EUR charged back since" in orphan.text) == (0, True)
    again = [movement(link, reference="p1-2") for link in PATH]
    double = findings([*disputed, *again])["no_double_charge"]
    assert (double.amount_minor, "10.00 EUR charged back since" in double.text) == (0, True)
    assert findings([*captured, *again])["no_double_charge"].amount_minor == 1_000


def test_who_is_refused_as_a_repeat_knows_what_the_merchant_sold(sound: list[Movement]) -> None:
    asked = {"shown_approved": False, "knows_original": True}
    assert "no_orphaned_authorisation" not in broken(sound, **asked)
    unsold = [move for move in sound if move.link != "gateway"]
    assert "no_orphaned_authorisation" in broken(unsold, **asked)


def test_what_stays_unknown_or_undone_is_found(sound: list[Movement]) -> None:
    assert broken(sound, unresolved=["gateway → processor-a"]) == ["unknowns_resolved"]
    assert broken(sound, follow_ups=[follow_up("never sent")]) == ["authorisations_settled"]
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
    for each in (found := authorisations(moves)):
        each.path = frozenset(PATH[:3])
    payment = Reconciled(
        payment="p1",
        amount_minor=1_000,
        currency="EUR",
        shown_approved=True,
        authorisations=found,
        settling=frozenset({"issuer"}),
    )
    assert [name for name, rule in RULES.items() if rule(payment)] == ["stand_in_advised"]


@pytest.mark.parametrize(
    ("amount", "nth", "of_card", "message"),
    [
        (1_000, 5, 2, ""),
        (1_001, 5, 2, "for 10.01 EUR, over its limit of 10.00 EUR"),
        (1_000, 6, 2, "6 times, over its limit of 5"),
        (1_000, 5, 3, "3 times for one card, over its limit of 2"),
    ],
)
def test_stand_in_beyond_a_limit_is_found(
    movement: Make, amount: int, nth: int, of_card: int, message: str
) -> None:
    act = StoodIn(
        link="scheme",
        reference="p1-1",
        amount_minor=amount,
        nth=nth,
        nth_of_card=of_card,
        up_to_minor=1_000,
        most=5,
        per_card=2,
    )
    found = findings(stood_in(movement, advised=True), stood_in=[act])
    assert list(found) == (["stand_in_within_limits"] if message else [])
    assert not message or found["stand_in_within_limits"].text == f"scheme stood in {message}"


def test_what_the_gateway_sold_alone_is_credited_without_a_debit(movement: Make) -> None:
    # The scheme stored it and the issuer declined the delivery; the customer saw no answer.
    front = ("gateway", "processor-a", "scheme")
    kinds = {"scheme": "stored"}
    sold = [movement(link, kinds.get(link, "authorised"), decided_by="scheme") for link in front]
    taken = [movement(link, "captured", item="c1", decided_by="scheme") for link in front]
    creditors = {"creditors": frozenset({"processor-a"})}
    found = findings([*sold, *taken], shown_approved=False, **creditors)
    assert {name: each.amount_minor for name, each in found.items()} == {"money_conserved": 1_000}
    # A customer who saw it approved is the finding; what follows of it is no second one.
    assert broken([*sold, *taken], **creditors) == ["no_approval_without_money"]
    # But an order may have its money by another payment: then nobody else says so.
    part = findings([*sold, *taken], is_part=True, **creditors)
    assert "money_conserved" in part


def test_a_link_in_front_that_released_what_another_stored_is_missing(movement: Make) -> None:
    sold = [movement(link, decided_by="scheme") for link in ("gateway", "processor-a")]
    stored = movement("scheme", "stored", decided_by="scheme")
    undone = [movement(link, "voided", decided_by="scheme") for link in ("processor-a", "scheme")]
    assert broken([*sold, stored, *undone], shown_approved=False) == ["books_agree"]
    assert broken([*sold, stored], shown_approved=False) == []


def test_a_hold_that_no_merchants_book_has_is_orphaned_once_all_else_is_undone(
    movement: Make,
) -> None:
    # The first attempt's answer was lost; the second one was stored, never delivered and undone.
    held = [movement(link) for link in ("scheme", "issuer")]
    stored = movement("gateway", "stored", reference="p1-1.1", decided_by="gateway")
    undone = movement("gateway", "voided", reference="p1-1.1", decided_by="gateway")
    found = authorisations([*held, stored, undone])
    payment = Reconciled(
        payment="p1",
        amount_minor=1_000,
        currency="EUR",
        shown_approved=True,
        shown_minor=1_000,
        authorisations=found,
        settling=frozenset({"issuer"}),
        merchants=frozenset({"gateway", "gateway-b"}),
    )
    finding = RULES["no_orphaned_authorisation"](payment)
    assert finding is not None
    assert finding.text == (
        "10.00 EUR held, but its order was undone, and no merchant's book has it"
    )
    assert RULES["books_agree"](payment) is None  # one finding about whose money is held


def paid_by_two_means(movement: Make, card: list[Movement]) -> Reconciled:
    """10.00 EUR, of which a gift card holds 2.00. `card`: what books have of the other 8.00."""
    gift = [movement(link, amount=200, reference="p1-1/1") for link in ("gateway", "gift-cards")]
    return Reconciled(
        payment="p1",
        amount_minor=1_000,
        currency="EUR",
        shown_approved=True,
        shown_minor=1_000,
        authorisations=authorisations([*gift, *card]),
        settling=frozenset({"issuer", "gift-cards"}),
        merchants=frozenset({"gateway"}),
        tenders={("gateway", "gift-cards"): 200, ("gateway", "processor-a"): 800},
    )


def test_each_of_several_means_needs_money_of_its_own(movement: Make) -> None:
    stored = [
        movement("gateway", amount=800, reference="p1-1/2", decided_by="processor-a"),
        movement("processor-a", "stored", amount=800, reference="p1-1/2", decided_by="processor-a"),
    ]
    payment = paid_by_two_means(movement, stored)
    finding = RULES["no_approval_without_money"](payment)
    assert finding is not None
    assert finding.amount_minor == 800  # of 10.00, 2.00 are on the gift card


def test_of_a_tender_without_money_no_books_are_compared_as_well(movement: Make) -> None:
    card = [movement("gateway", amount=800, reference="p1-1/2")]
    payment = paid_by_two_means(movement, card)
    assert RULES["no_approval_without_money"](payment) is not None
    assert RULES["books_agree"](payment) is None


@pytest.mark.parametrize("is_again", [False, True])
def test_a_tender_of_a_wrong_amount_is_no_double_charge(movement: Make, is_again: bool) -> None:
    # The card's part, 8.00, is multiplied by 100 on its way to the issuer.
    asked = [movement(link, amount=800, reference="p1-1/2") for link in ("gateway", "processor-a")]
    wrong = [movement("issuer", amount=80_000, reference="p1-1/2")]
    again = [movement("issuer", amount=800, reference="p1-1/2.1")] if is_again else []
    payment = paid_by_two_means(movement, [*asked, *wrong, *again])
    assert RULES["amounts_equal"](payment) is not None
    assert (RULES["no_double_charge"](payment) is not None) is is_again


def test_names_of_attempts_that_look_like_tenders_are_no_tenders(movement: Make) -> None:
    # An own service names its attempts as it likes.
    moves = [
        movement(link, reference=f"inv/{number}")
        for number in (1, 2)
        for link in ("processor-a", "issuer")
    ]
    assert "no_double_charge" in broken(moves)
    assert "no_double_charge" in order_of(moves[:2], moves[2:], shown=(True, True))


@pytest.mark.parametrize(("booked", "is_found"), [(300, False), (400, False), (500, True)])
@pytest.mark.parametrize("links", [("processor-a", "issuer"), ("issuer",)])
def test_a_part_of_any_tender_may_be_approved_where_no_gateway_knows_which_it_was(
    movement: Make, links: tuple[str, ...], booked: int, is_found: bool
) -> None:
    # Both answers were lost. The first gateway asked for 8.00, the second one for 6.00.
    tenders = {("gateway", "processor-a"): 800, ("gateway-b", "processor-a"): 600}
    unheard = [
        movement(link, kind, amount=booked, reference="p1-1/2")
        for kind in ("authorised", "voided")
        for link in links
    ]
    found = findings(
        unheard,
        shown_approved=False,
        is_partial=True,
        accepts_partial=True,
        gives_parts={"issuer": 0.5},
        tenders=tenders,
    )
    assert ("amounts_equal" in found) is is_found


def test_a_refused_capture_is_not_done_by_the_same_item_of_another_authorisation(
    movement: Make,
) -> None:
    first = [movement(link) for link in PATH]
    other = [
        movement(link, kind, reference="p1.edge.1-1", **more)
        for kind, more in (("authorised", {}), ("captured", {"item": "c1", "amount": 300}))
        for link in PATH
    ]
    refused = {"follow_ups": [follow_up("refused")]}
    assert "completed" in broken([*first, *other], **refused)
    # What a relay made of the gateway's reference is the same authorisation.
    relayed = [msgspec.structs.replace(move, reference="p1-1.scheme.1") for move in other]
    assert "completed" not in broken([*first, *relayed], **refused)


def test_what_is_not_collected_of_one_of_two_means_is_its_own_part(movement: Make) -> None:
    """Means of 200 and 800, each captured in halves: the second half of the first is refused."""
    first = [movement(link, amount=200, reference="p1-1/1") for link in PATH]
    second = [movement(link, amount=800, reference="p1-1/2") for link in PATH]
    parts = [
        follow_up("refused" if name == "p1-1/1 c2" else "done", name=name, amount_minor=amount)
        for name, amount in (
            ("p1-1/1 c1", 100),
            ("p1-1/1 c2", 100),
            ("p1-1/2 c1", 400),
            ("p1-1/2 c2", 400),
        )
    ]
    # The processor passes it on under the bank's own name, and nobody there knows how much is due.
    passed_on = follow_up("refused", link="processor-a", name="p1-1/1~scheme c2", amount_minor=0)
    found = findings([*first, *second], follow_ups=[*parts, passed_on])
    assert found["completed"].amount_minor == 100


def test_what_is_not_collected_of_two_means_is_their_sum(movement: Make) -> None:
    moved = [movement(link, reference=f"p1-1/{part}") for link in PATH for part in (1, 2)]
    refused = [
        follow_up("refused", name=f"p1-1/{part} c1", amount_minor=amount)
        for part, amount in ((1, 200), (2, 800))
    ]
    assert findings(moved, follow_ups=refused)["completed"].amount_minor == 1_000


def test_of_two_tries_at_one_means_neither_of_which_was_collected_one_is_due(
    movement: Make,
) -> None:
    moved = [movement(link, reference=name) for link in PATH for name in ("p1-1/1", "p1-1/1.1")]
    refused = [
        follow_up("refused", name=f"{name} c1", amount_minor=200) for name in ("p1-1/1", "p1-1/1.1")
    ]
    assert findings(moved, follow_ups=refused)["completed"].amount_minor == 200
