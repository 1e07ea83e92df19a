"""Mutants at links, and of kinds of lines, that the other lists leave honest."""

from __future__ import annotations

import msgspec

from paychain.payments.journal import MovementKind
from paychain.protocol.message import PaymentRequest
from tests.oracle.mutants import HALF, LESS, MORE, TIMES_100, Mutant, named
from tests.oracle.planting import (
    Plant,
    another_card,
    another_merchant,
    everywhere,
    forgotten,
    in_dollars,
    lines_of,
    then,
    together,
    twice,
)
from tests.support.planted_services import stand_in_within_limits

K = MovementKind


def _another_item(request: PaymentRequest) -> list[PaymentRequest]:
    return [msgspec.structs.replace(request, item=f"{request.item}x")]


def _nothing(request: PaymentRequest) -> list[PaymentRequest]:
    return [msgspec.structs.replace(request, amount_minor=0)]


# Name, what is wrong, the rule, how it is planted, the chain.
_ALL: tuple[tuple[str, str, str, Plant, str], ...] = (
    (
        "scheme_refunds_nothing",
        "acknowledges a refund and passes on no money",
        "money_conserved",
        lines_of("scheme", K.REFUNDED, forgotten),
        "shop",
    ),
    (
        "scheme_releases_half",
        "releases half of what was cancelled",
        "released_what_is_held",
        lines_of("scheme", K.VOIDED, HALF),
        "cancels",
    ),
    (
        "gateway_releases_half",
        "releases half of what its merchant cancelled",
        "released_what_is_held",
        lines_of("gateway", K.VOIDED, HALF),
        "cancels",
    ),
    (
        "scheme_books_hundredfold",
        "takes cents for euros",
        "amounts_equal",
        lines_of("scheme", K.AUTHORISED, TIMES_100),
        "plain",
    ),
    (
        "processor_takes_dollars",
        "captures in another currency",
        "amounts_equal",
        lines_of("processor", K.CAPTURED, in_dollars),
        "captures",
    ),
    (
        "processor_holds_on_another_card",
        "books the hold of another cardholder",
        "parties_kept",
        lines_of("processor", K.AUTHORISED, another_card),
        "plain",
    ),
    (
        "gateway_books_another_merchant",
        "sells in the name of another merchant",
        "parties_kept",
        lines_of("gateway", K.AUTHORISED, another_merchant),
        "plain",
    ),
    (
        "all_refund_another_card",
        "give the money to another cardholder",
        "parties_kept",
        everywhere(K.REFUNDED, another_card),
        "shop",
    ),
    (
        "all_capture_one_cent_more",
        "capture one cent more than is held",
        "captured_within_authorised",
        everywhere(K.CAPTURED, MORE),
        "captures",
    ),
    (
        "all_release_twice",
        "release a hold two times",
        "released_what_is_held",
        everywhere(K.VOIDED, twice),
        "cancels",
    ),
    (
        "all_refund_twice",
        "give back two times under one item",
        "repeats_without_effect",
        everywhere(K.REFUNDED, twice),
        "shop",
    ),
    (
        "all_hold_twice",
        "hold two times under one reference",
        "no_double_charge",
        everywhere(K.AUTHORISED, twice),
        "plain",
    ),
    (
        "all_hold_one_cent_less",
        "hold one cent less than was ordered",
        "amounts_equal",
        everywhere(K.AUTHORISED, LESS),
        "plain",
    ),
    (
        "all_hold_zero",
        "approve and hold an amount of 0",
        "no_approval_without_money",
        everywhere(K.AUTHORISED, _nothing),
        "plain",
    ),
    (
        "all_capture_another_item",
        "book a capture that was not asked for in place of the one that was",
        "authorisations_settled",
        everywhere(K.CAPTURED, _another_item),
        "captures",
    ),
    (
        "all_charge_back_twice",
        "charge back two times",
        "repeats_without_effect",
        everywhere(K.CHARGED_BACK, twice),
        "disputes",
    ),
    (
        "all_undo_captures",
        "undo a capture that they have acknowledged",
        "authorisations_settled",
        then("", K.CAPTURED, K.UNCAPTURED, "c1"),
        "captures",
    ),
    (
        "all_release_what_was_sold",
        "release the hold of an approved order",
        "no_approval_without_money",
        then("", K.AUTHORISED, K.VOIDED),
        "plain",
    ),
    (
        "all_holds_end_at_once",
        "end a hold at once, and take its money later",
        "captured_within_authorised",
        then("", K.AUTHORISED, K.EXPIRED),
        "captures",
    ),
    (
        "issuer_holds_after_the_release",
        "holds once more what it has released",
        "booked_once",
        then("issuer", K.VOIDED, K.AUTHORISED),
        "cancels",
    ),
    (
        "advice_of_half",
        "books half of an advice",
        "amounts_equal",
        together(stand_in_within_limits, lines_of("issuer", K.ADVISED, HALF)),
        "stand-in",
    ),
)
FURTHER: list[Mutant] = [
    *(named(*each) for each in _ALL),
    Mutant(
        name="captured_although_nobody_asked",
        role="all",
        wrong="capture what the merchant did not want to capture",
        rule="",
        plant=then("", K.AUTHORISED, K.CAPTURED, "c1"),
        chain="plain",
        because="a merchant may capture by hand what is held, and only the merchant knows",
    ),
]
