"""What links say to each other: one request and one answer, as JSON over HTTP."""

from __future__ import annotations

from sys import intern

import msgspec

from harness.payments.cards import TEST_CARDS, Card
from harness.payments.outcome import Outcome


class PaymentRequest(msgspec.Struct, omit_defaults=True, gc=False):
    """One request for one operation. `reference` names the authorisation on every link it passes.

    `key` is the idempotency key: the same for every repeat of the same attempt.
    """

    payment: str
    amount_minor: int
    currency: str
    card: Card
    merchant: str = ""
    attempt: int = 1
    reference: str = ""
    key: str = ""
    authenticated: bool = False
    exempt: bool = False
    three_ds: str = ""  # how authentication ended: frictionless, challenge, attempted
    wants_challenge: bool = False  # the issuer declined softly: frictionless will not do
    accepts_partial: bool = False  # the merchant takes an approval for less
    item: str = ""  # which capture or refund this is: "c1", "r1"
    is_final: bool = False  # the last capture: the rest is released
    decided_by: str = ""  # of an advice: who stood in
    event: str = ""  # of a notification: authorised, declined, captured, refunded, voided
    at_ns: int = 0  # of a notification: when it was signed
    signature: str = ""


class Answer(msgspec.Struct, omit_defaults=True, gc=False):
    """A link's answer. An HTTP status alone says nothing about money: the outcome is here."""

    outcome: Outcome
    code: str = ""
    decided_by: str = ""
    reference: str = ""
    amount_minor: int = 0
    three_ds: str = ""
    replayed: bool = False  # the stored answer to an earlier request with the same key


def as_approved(request: PaymentRequest, answer: Answer) -> PaymentRequest:
    """What was approved: maybe over another route, which has its reference, maybe for less."""
    approved = (answer.reference, answer.amount_minor)
    if approved == (request.reference, request.amount_minor):
        return request
    return msgspec.structs.replace(
        request, reference=answer.reference, amount_minor=answer.amount_minor
    )


_encoder = msgspec.json.Encoder()
_request_decoder = msgspec.json.Decoder(PaymentRequest)
_cards = {card.number: card for card in TEST_CARDS}
_answer_decoder = msgspec.json.Decoder(Answer)


def encode(message: PaymentRequest | Answer) -> bytes:
    """JSON bytes."""
    return _encoder.encode(message)


def decode_request(body: bytes) -> PaymentRequest:
    """Raises msgspec.ValidationError or DecodeError when it is not a request.

    What many requests have in common is kept once: links remember every authorisation.
    """
    request = _request_decoder.decode(body)
    request.card = _cards.get(request.card.number, request.card)
    request.currency, request.merchant = intern(request.currency), intern(request.merchant)
    return request


def decode_answer(body: bytes) -> Answer:
    """Raises msgspec.ValidationError or DecodeError when it is not an answer."""
    answer = _answer_decoder.decode(body)
    answer.code, answer.decided_by = intern(answer.code), intern(answer.decided_by)
    return answer


TRACE_HEADER = "traceparent"
SPAN_DIGITS = 16


def traceparent(trace: str, span: str) -> str:
    """W3C trace context: `trace` is any text naming the payment, `span` 16 hex digits."""
    return f"00-{trace_id(trace)}-{span}-01"


def trace_id(payment: str) -> str:
    """32 hex digits of a payment's id."""
    return payment.encode().hex()[-32:].rjust(32, "0")


def span_of(header: str) -> str:
    """The parent span in a traceparent header, "" when there is none."""
    parts = header.split("-")
    return parts[2] if len(parts) == 4 and len(parts[2]) == SPAN_DIGITS else ""
