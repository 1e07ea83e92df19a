"""`paychain`: our own JSON over HTTP, one path an operation, the idempotency key in the body."""

from __future__ import annotations

import hashlib
import hmac
from email.utils import parsedate_to_datetime
from math import ceil
from sys import intern

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.json_text import decoded_by
from paychain.protocol.message import Answer, Error, ErrorKind, Event, PaymentRequest
from paychain.protocol.reply import Reply, reply_of
from paychain.wire.http import HttpRequest, HttpResponse

JSON = {"content-type": "application/json"}
NOTIFY = "notify"
PAYMENT_REQUIRED = 402
RETRY_AFTER = "retry-after"
MAX_RETRY_AFTER_S = 86_400 * 365  # a year; the caller decides what is too long for a payment
NOT_EXECUTED_HEADER = "paychain-not-executed"  # of a 503 from a link whose queue is full
# Statuses by which a link says that it did not execute the request: every error of the client (RFC
# 9110 §15.5), since it is refused before any work. Two prove nothing: 402 is a decline, whose body
# may be lost, and 408 may come from whatever stopped waiting on the way.
NOT_EXECUTED = frozenset(range(400, 500)) - {PAYMENT_REQUIRED, 408}
_STATUS = {
    ErrorKind.MALFORMED: 400,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.KEY_MISSING: 400,
    ErrorKind.KEY_TOO_LONG: 422,
    ErrorKind.KEY_MISMATCH: 422,
    ErrorKind.KEY_IN_FLIGHT: 409,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.BAD_GATEWAY: 502,
    ErrorKind.GATEWAY_TIMEOUT: 504,
    ErrorKind.FORWARDED: 502,
    ErrorKind.INTERNAL: 500,
    ErrorKind.INJECTED: 500,
    ErrorKind.GARBLED: 200,
}
_GARBAGE = b'{"outcome": "appro'
_encoder = msgspec.json.Encoder()
_request_decoder = msgspec.json.Decoder(PaymentRequest)
_event_decoder = msgspec.json.Decoder(Event)
_answer_decoder = msgspec.json.Decoder(Answer)
_cards = {card.number: card for card in TEST_CARDS}


def encode(message: PaymentRequest | Answer) -> bytes:
    """JSON bytes."""
    return _encoder.encode(message)


def decode_request(body: bytes) -> PaymentRequest:
    """Raises msgspec.ValidationError or msgspec.DecodeError when it is not a request.

    What many requests have in common is kept once: links remember every authorisation.
    """
    return _shared(decoded_by(_request_decoder, body))


def decode_answer(body: bytes) -> Answer:
    """Raises msgspec.ValidationError or msgspec.DecodeError when it is not an answer."""
    answer = decoded_by(_answer_decoder, body)
    answer.code, answer.decided_by = intern(answer.code), intern(answer.decided_by)
    answer.three_ds = intern(answer.three_ds)
    return answer


def _shared(request: PaymentRequest) -> PaymentRequest:
    request.instrument = _cards.get(request.instrument.number, request.instrument)
    request.currency, request.merchant = intern(request.currency), intern(request.merchant)
    request.three_ds = intern(request.three_ds)
    # Nearly every attempt has its reference as its key.
    if request.key == request.reference:
        request.key = request.reference
    return request


class Native:
    """The dialect `paychain`."""

    def read(self, http: HttpRequest) -> tuple[str, PaymentRequest] | HttpResponse:
        """`POST /operation` with a request as JSON."""
        if http.method != "POST":
            return self.error(Error(ErrorKind.NOT_FOUND, f"no {http.method} {http.target}"))
        operation = http.target.removeprefix("/")
        try:
            if operation == NOTIFY:
                return operation, _shared(decoded_by(_event_decoder, http.body))
            return operation, decode_request(http.body)
        except msgspec.MsgspecError as error:
            return self.error(Error(ErrorKind.MALFORMED, str(error)))

    def write(
        self,
        request: PaymentRequest,  # noqa: ARG002  (a parameter of every Dialect's)
        answer: Answer,
    ) -> HttpResponse:
        """An answer is always 200: its outcome is in the body."""
        return HttpResponse(200, _encoder.encode(answer), JSON)

    def error(self, error: Error) -> HttpResponse:
        """The kind's status with its message as JSON; a proxy's errors have no body."""
        status = error.status or _STATUS[error.kind]
        if error.kind is ErrorKind.GARBLED:
            return HttpResponse(status, _GARBAGE, JSON)
        headers = dict(JSON) if error.message else {}
        if error.retry_after_s:
            # Whole seconds, rounded up: the caller must not come earlier than it was asked to.
            headers[RETRY_AFTER] = str(ceil(error.retry_after_s))
        if error.replayed_as:
            headers[error.replayed_as] = "true"
        if error.kind is ErrorKind.OVERLOADED:
            headers[NOT_EXECUTED_HEADER] = "true"
        body = msgspec.json.encode({"error": error.message}) if error.message else b""
        return HttpResponse(status, body, headers)

    def ask(self, operation: str, request: PaymentRequest) -> HttpRequest:
        """`POST /operation`."""
        return HttpRequest("POST", f"/{operation}", {}, _encoder.encode(request))

    def classify(self, response: HttpResponse) -> Reply:
        """Read the outcome from the body: a status of 200 alone says nothing about money.

        402 is a decline when its body says so. A refusal (NOT_EXECUTED) proves that nothing was
        done, and so does an error of a link that says so; any other error status proves nothing.
        """
        if response.status >= 400:
            return self._failure(response)
        try:
            return reply_of(decode_answer(response.body))
        except msgspec.MsgspecError:
            return Reply(HopResult.MALFORMED)

    def _failure(self, response: HttpResponse) -> Reply:
        status = response.status
        if status == PAYMENT_REQUIRED:
            try:
                answer = decode_answer(response.body)
            except msgspec.MsgspecError:
                return Reply(HopResult.HTTP_ERROR, str(status))
            # An approval under 402 contradicts itself: like any other error, it proves nothing.
            if answer.outcome is Outcome.DECLINED:
                return reply_of(answer)
        is_refusal = status in NOT_EXECUTED or NOT_EXECUTED_HEADER in response.headers
        result = HopResult.REJECTED if is_refusal else HopResult.HTTP_ERROR
        return Reply(result, str(status), retry_after_s=_retry_after_s(response))

    def sign(self, event: Event, secret: str) -> Event:
        """Signed over what the receiver acts on."""
        return msgspec.structs.replace(event, signature=_signature(event, secret))

    def is_signed(self, event: Event, secret: str) -> bool:
        """Compared in constant time, as a receiver must."""
        return hmac.compare_digest(_signature(event, secret), event.signature)


def _signature(event: Event, secret: str) -> str:
    """HMAC-SHA256 in hex digits."""
    signed = ":".join(
        (
            event.key,
            event.event,
            event.reference,
            str(event.amount_minor),
            event.currency,
            str(event.at_ns),
        )
    )
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()


def _retry_after_s(response: HttpResponse) -> float:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3), 0 when there is none.

    A date is as far away as the callee's own clock says (Date): ours may be simulated. Numbers in
    it may be larger than a date can be.
    """
    text = response.headers.get(RETRY_AFTER, "")
    if text.isascii() and text.isdigit():
        is_longest = len(text) > len(str(MAX_RETRY_AFTER_S))
        return float(MAX_RETRY_AFTER_S if is_longest else min(int(text), MAX_RETRY_AFTER_S))
    try:
        until = parsedate_to_datetime(text)
        left_s = (until - parsedate_to_datetime(response.headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(left_s, 0.0), float(MAX_RETRY_AFTER_S))
