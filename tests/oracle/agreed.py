"""Mutants that no comparison of books shows: all books agree, or the wrong line is the only one.

What was due, the amounts themselves, and whose they are show them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from paychain.payments.codes import NOT_FOUND
from paychain.payments.journal import MovementKind
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.processor import Processor
from paychain.services.roles.role import Role
from paychain.services.state.webhooks import WebhookSender
from tests.oracle.behaviour import busy_at_first
from tests.oracle.mutants import HALF, MORE, TIMES_100, Mutant, named
from tests.oracle.planting import (
    Decide,
    Plant,
    another_card,
    another_merchant,
    decides,
    everywhere,
    forgotten,
    in_dollars,
    instead,
    lines_of,
    of_another_payment,
    then,
    together,
    twice,
)
from tests.support.planted_services import stand_in_within_limits

K = MovementKind


def _in_two_of_60_percent(request: PaymentRequest) -> list[PaymentRequest]:
    part = request.amount_minor * 6 // 10
    first = msgspec.structs.replace(request, amount_minor=part)
    return [first, msgspec.structs.replace(first, item=f"{request.item}x")]


def _under_another_reference(request: PaymentRequest) -> list[PaymentRequest]:
    return [request, msgspec.structs.replace(request, reference=f"{request.reference}x")]


def _fails_afterwards(honest: Decide) -> Decide:
    async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
        await honest(self, request, *rest)
        raise RuntimeError("planted")

    return decide


async def _knows_nothing(honest: Any, self: Any, request: PaymentRequest, parent: str) -> Answer:
    if self.name != "processor":
        return await honest(self, request, parent)  # type: ignore[no-any-return]  # of the real one
    return self.decline(NOT_FOUND, request.reference)  # type: ignore[no-any-return]  # of the real one


def _of_the_payment_before(honest: Any, self: Any, kind: str, request: PaymentRequest) -> None:
    honest(self, kind, of_another_payment(request)[0])


_STORES = decides(Processor, busy_at_first)
# Name, what is wrong, the rule, how it is planted, the chain.
_ALL: tuple[tuple[str, str, str, Plant, str], ...] = (
    (
        "nobody_captures",
        "acknowledge a capture that no book has",
        "authorisations_settled",
        everywhere(K.CAPTURED, forgotten),
        "captures",
    ),
    (
        "all_capture_half",
        "acknowledge a capture and book half of it",
        "authorisations_settled",
        everywhere(K.CAPTURED, HALF),
        "captures",
    ),
    (
        "nobody_refunds",
        "acknowledge a refund that no book has",
        "authorisations_settled",
        everywhere(K.REFUNDED, forgotten),
        "shop",
    ),
    (
        "all_refund_half",
        "acknowledge a refund and book half of it",
        "authorisations_settled",
        everywhere(K.REFUNDED, HALF),
        "shop",
    ),
    (
        "nobody_releases",
        "acknowledge a cancel that no book has",
        "authorisations_settled",
        everywhere(K.VOIDED, forgotten),
        "cancels",
    ),
    (
        "all_release_half",
        "release half of what was cancelled",
        "released_what_is_held",
        everywhere(K.VOIDED, HALF),
        "cancels",
    ),
    (
        "all_hold_dollars",
        "hold in another currency",
        "amounts_equal",
        everywhere(K.AUTHORISED, in_dollars),
        "plain",
    ),
    (
        "all_hold_hundredfold",
        "take cents for euros",
        "amounts_equal",
        everywhere(K.AUTHORISED, TIMES_100),
        "plain",
    ),
    (
        "all_hold_again",
        "hold once more under another reference",
        "no_double_charge",
        everywhere(K.AUTHORISED, _under_another_reference),
        "plain",
    ),
    (
        "all_capture_120_percent",
        "capture twice, each time a part of what is held",
        "captured_within_authorised",
        everywhere(K.CAPTURED, _in_two_of_60_percent),
        "captures",
    ),
    (
        "all_capture_after_the_refund",
        "capture again what was given back",
        "captured_within_authorised",
        then("", K.REFUNDED, K.CAPTURED, "c2"),
        "shop",
    ),
    (
        "all_refund_more",
        "give back one cent more than was taken",
        "refunded_within_captured",
        everywhere(K.REFUNDED, MORE),
        "shop",
    ),
    (
        "issuer_refunds_hundredfold",
        "gives back a hundred times as much",
        "refunded_within_captured",
        lines_of("issuer", K.REFUNDED, TIMES_100),
        "shop",
    ),
    (
        "issuer_refunds_another_card",
        "gives the money to another cardholder",
        "parties_kept",
        lines_of("issuer", K.REFUNDED, another_card),
        "shop",
    ),
    (
        "issuer_takes_from_another_card",
        "takes the money from another cardholder",
        "parties_kept",
        lines_of("issuer", K.CAPTURED, another_card),
        "captures",
    ),
    (
        "processor_debits_another_merchant",
        "takes a refund from another merchant",
        "parties_kept",
        lines_of("processor", K.REFUNDED, another_merchant),
        "shop",
    ),
    (
        "issuer_releases_dollars",
        "releases another currency than it holds",
        "amounts_equal",
        lines_of("issuer", K.VOIDED, in_dollars),
        "cancels",
    ),
    (
        "issuer_releases_what_was_captured",
        "releases what has been taken",
        "released_what_is_held",
        then("issuer", K.CAPTURED, K.VOIDED),
        "captures",
    ),
    (
        "processor_releases_what_was_captured",
        "releases what has been taken",
        "released_what_is_held",
        then("processor", K.CAPTURED, K.VOIDED),
        "captures",
    ),
    (
        "issuer_hold_ends_at_once",
        "ends a hold at once, and takes its money later",
        "captured_within_authorised",
        then("issuer", K.AUTHORISED, K.EXPIRED),
        "captures",
    ),
    (
        "issuer_charges_back_nothing",
        "reports a chargeback and gives nothing back",
        "authorisations_settled",
        lines_of("issuer", K.CHARGED_BACK, forgotten),
        "disputes",
    ),
    (
        "issuer_charges_back_half",
        "gives back half of what it reports as charged back",
        "authorisations_settled",
        lines_of("issuer", K.CHARGED_BACK, HALF),
        "disputes",
    ),
    (
        "issuer_charges_back_more",
        "charges back one cent more than was taken",
        "refunded_within_captured",
        lines_of("issuer", K.CHARGED_BACK, MORE),
        "disputes",
    ),
    (
        "advice_in_dollars",
        "books an advice in another currency",
        "amounts_equal",
        together(stand_in_within_limits, lines_of("issuer", K.ADVISED, in_dollars)),
        "stand-in",
    ),
    (
        "advice_on_another_card",
        "books an advice on another card",
        "parties_kept",
        together(stand_in_within_limits, lines_of("issuer", K.ADVISED, another_card)),
        "stand-in",
    ),
    (
        "advice_not_booked",
        "acknowledges an advice and books nothing",
        "stand_in_advised",
        together(stand_in_within_limits, lines_of("issuer", K.ADVISED, forgotten)),
        "stand-in",
    ),
    (
        "queue_stores_twice",
        "books what it stores two times",
        "booked_once",
        together(_STORES, lines_of("gateway", K.STORED, twice)),
        "stores",
    ),
    (
        "processor_knows_nothing_when_asked",
        "answers a query with what it knew before",
        "no_orphaned_authorisation",
        together(
            decides(Processor, _fails_afterwards),
            instead(Role, "query", _knows_nothing),
        ),
        "queries",
    ),
    (
        "webhook_of_the_payment_before",
        "reports an approval under another payment's reference",
        "authorisations_settled",
        instead(WebhookSender, "send", _of_the_payment_before),
        "on-webhook",
    ),
)
AGREED: list[Mutant] = [
    *(named(*each) for each in _ALL),
    Mutant(
        name="refunded_although_nobody_asked",
        role="all",
        wrong="give back what the merchant did not want to refund",
        rule="",
        plant=then("", K.CAPTURED, K.REFUNDED, "r1"),
        chain="captures",
        because="a merchant may refund by hand at any time, and only the merchant knows",
    ),
    Mutant(
        name="charged_back_although_nobody_disputed",
        role="issuer",
        wrong="charges back what no cardholder disputed",
        rule="",
        plant=then("issuer", K.CAPTURED, K.CHARGED_BACK, "d1"),
        chain="captures",
        because="a cardholder may dispute at any time, and only the issuer knows",
    ),
    Mutant(
        name="hold_ends_at_once",
        role="issuer",
        wrong="ends a hold at once that nobody captures",
        rule="",
        plant=then("issuer", K.AUTHORISED, K.EXPIRED),
        chain="plain",
        because="an issuer may end a hold at any time; only a capture that comes later shows it",
    ),
]
