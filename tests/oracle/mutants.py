"""Wrong behaviours of mocks, as data: where, what, and which rule must find it.

Every mutant affects each third payment of a short load on a fixed chain without a fault. It is
found when its rule names exactly these payments and no rule names any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paychain.payments.journal import MovementKind
from tests.oracle.planting import (
    Plant,
    again,
    forgotten,
    in_dollars,
    lines_of,
    of_another_payment,
    twice,
    with_amount,
)

K = MovementKind
PHANTOM = "x"  # before the id of a customer's payment: a payment that nobody has


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One wrong behaviour. `rule`: the money rule that must find it; "" when none can.

    `because`: why none can. `chain`: the name of a chain in `mutant_chains`.
    """

    name: str
    role: str
    wrong: str
    rule: str
    plant: Plant
    chain: str = "shop"
    because: str = ""
    spreads: bool = False  # another payment is wronged as well


def named(name: str, wrong: str, rule: str, plant: Plant, chain: str) -> Mutant:
    """A mutant whose name begins with its role."""
    role = name.partition("_")[0]
    return Mutant(name=name, role=role, wrong=wrong, rule=rule, plant=plant, chain=chain)


# A capture of what is not held would be what is wrong with these.
_PLAIN = ("holds_twice", "holds_nothing", "holds_for_another", "books_nothing")


def _books(
    role: str,
    kind: MovementKind,
    variants: Sequence[tuple[str, str, str, object]],
    chain: str = "",
) -> list[Mutant]:
    """Mutants of one link's lines of one kind; each with its name, its words, its rule."""
    return [
        Mutant(
            name=f"{role}_{name}",
            role=role,
            wrong=wrong,
            rule=rule,
            plant=lines_of(role, kind, change),  # type: ignore[arg-type]  # one role of many
            chain=chain
            or ("cancels" if kind is K.VOIDED else "plain" if name in _PLAIN else "shop"),
            spreads=name.endswith("another"),
        )
        for name, wrong, rule, change in variants
    ]


MORE, LESS, HALF, TIMES_100 = (
    with_amount(lambda amount: amount + 1),
    with_amount(lambda amount: amount - 1),
    with_amount(lambda amount: amount // 2),
    with_amount(lambda amount: amount * 100),
)
IN_BOOKS: list[Mutant] = [
    *_books(
        "issuer",
        K.AUTHORISED,
        [
            ("holds_twice", "holds every approval two times", "no_double_charge", twice),
            ("holds_more", "holds one cent more", "amounts_equal", MORE),
            ("holds_less", "holds one cent less", "amounts_equal", LESS),
            ("holds_hundredfold", "takes cents for euros", "amounts_equal", TIMES_100),
            ("holds_dollars", "holds in another currency", "amounts_equal", in_dollars),
            ("holds_nothing", "approves and holds nothing", "no_approval_without_money", forgotten),
            (
                "holds_for_another",
                "holds under another payment's id",
                "no_approval_without_money",
                of_another_payment,
            ),
        ],
    ),
    *_books(
        "issuer",
        K.CAPTURED,
        [
            ("takes_twice", "takes a capture two times", "repeats_without_effect", twice),
            ("takes_again", "takes once more as a new item", "captured_within_authorised", again),
            ("takes_more", "takes one cent more", "captured_within_authorised", MORE),
            ("takes_less", "takes one cent less", "money_conserved", LESS),
            ("takes_nothing", "acknowledges and takes nothing", "money_conserved", forgotten),
            ("takes_dollars", "takes in another currency", "amounts_equal", in_dollars),
        ],
    ),
    *_books(
        "issuer",
        K.REFUNDED,
        [
            ("refunds_twice", "books a refund two times", "repeats_without_effect", twice),
            ("refunds_again", "refunds as a new item", "refunded_within_captured", again),
            ("refunds_more", "gives back one cent more", "refunded_within_captured", MORE),
            ("refunds_less", "gives back one cent less", "money_conserved", LESS),
            ("refunds_nothing", "acknowledges and gives nothing", "money_conserved", forgotten),
            ("refunds_dollars", "gives back another currency", "amounts_equal", in_dollars),
            (
                "refunds_another",
                "gives the money to another payment",
                "money_conserved",
                of_another_payment,
            ),
        ],
    ),
    *_books(
        "issuer",
        K.VOIDED,
        [
            ("releases_half", "releases half of a hold", "released_what_is_held", HALF),
            ("releases_twice", "releases a hold two times", "released_what_is_held", twice),
            ("releases_nothing", "acknowledges and releases nothing", "books_agree", forgotten),
            ("releases_more", "releases one cent more", "released_what_is_held", MORE),
        ],
    ),
    *_books(
        "processor",
        K.AUTHORISED,
        [
            ("books_twice", "books an authorisation two times", "booked_once", twice),
            ("books_more", "books one cent more", "amounts_equal", MORE),
            ("books_dollars", "books in another currency", "amounts_equal", in_dollars),
            ("books_nothing", "forgets to write its book", "books_agree", forgotten),
        ],
    ),
    *_books(
        "processor",
        K.CAPTURED,
        [
            ("credits_twice", "books a capture two times", "repeats_without_effect", twice),
            ("credits_again", "credits as a new item", "captured_within_authorised", again),
            ("credits_less", "credits one cent less", "money_conserved", LESS),
            ("credits_nothing", "credits the merchant nothing", "money_conserved", forgotten),
        ],
    ),
    *_books(
        "processor",
        K.REFUNDED,
        [
            ("debits_twice", "books a refund two times", "repeats_without_effect", twice),
            ("debits_nothing", "does not debit the merchant", "money_conserved", forgotten),
        ],
    ),
    *_books(
        "processor",
        K.VOIDED,
        [
            ("keeps_a_void", "keeps what all others reversed", "books_agree", forgotten),
            ("releases_half", "releases half in its book", "released_what_is_held", HALF),
        ],
    ),
    *_books(
        "scheme",
        K.AUTHORISED,
        [
            ("books_twice", "books an authorisation two times", "booked_once", twice),
            ("books_nothing", "forgets to write its book", "books_agree", forgotten),
            ("books_less", "books one cent less", "amounts_equal", LESS),
        ],
    ),
    *_books(
        "scheme",
        K.CAPTURED,
        [("clears_nothing", "does not clear a capture", "money_conserved", forgotten)],
    ),
    *_books(
        "gateway",
        K.AUTHORISED,
        [
            ("books_nothing", "forgets the sale", "books_agree", forgotten),
            ("books_twice", "books a sale two times", "booked_once", twice),
            ("books_more", "books one cent more", "amounts_equal", MORE),
        ],
    ),
    *_books(
        "gateway",
        K.CAPTURED,
        [
            ("delivers_unpaid", "forgets that it captured", "money_conserved", forgotten),
            ("captures_twice", "books a capture two times", "repeats_without_effect", twice),
        ],
    ),
    *_books(
        "gateway",
        K.REFUNDED,
        [("refunds_unseen", "forgets that it refunded", "money_conserved", forgotten)],
    ),
    *_books(
        "gateway",
        K.VOIDED,
        [("keeps_a_void", "forgets that it cancelled", "books_agree", forgotten)],
    ),
    # After a capture of one half, which was the last one.
    *_books(
        "issuer",
        K.VOIDED,
        [
            ("keeps_the_rest", "holds the rest", "no_orphaned_authorisation", forgotten),
            ("keeps_half_the_rest", "releases half of it", "released_what_is_held", HALF),
        ],
        chain="rest",
    ),
    *[
        mutant
        for role in ("scheme", "processor", "gateway")
        for mutant in _books(
            role,
            K.VOIDED,
            [("keeps_the_rest", "holds a rest that is released", "books_agree", forgotten)],
            chain="rest",
        )
    ],
]
