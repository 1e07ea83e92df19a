"""A payment provider with three paths, as small as an API can be that uses the whole frame."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Attributed, Backend, Evidence, VendorCall
from paychain.protocol.vendor_ids import encode
from paychain.wire.http import HttpRequest, HttpResponse, json_response

KEY = "toy-key"


class Body(msgspec.Struct):
    """What a request to pay says."""

    amount: int = 0
    currency: str = "EUR"
    order: str = ""
    capture: bool = True


class Toy:
    """`POST /payments`, `POST /payments/{id}/refunds`, `GET /payments/{id}`."""

    idempotency: ClassVar[str] = "stripe-v1"
    settings: ClassVar[tuple[str, ...]] = ("merchant",)
    signs_time: ClassVar[bool] = True
    hosts: ClassVar[tuple[str, ...]] = ("api.toy.example",)

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._backend = backend
        self._paid: dict[str, PaymentRequest] = {}

    async def handle(self, call: VendorCall) -> HttpResponse:
        match call.http.method, call.http.target.strip("/").split("/"):
            case "POST", ["payments"]:
                return await self._pay(call)
            case "POST", ["payments", name, "refunds"]:
                request = msgspec.structs.replace(self._paid[name], item="r1")
                call.attribute(Evidence(headers=call.http.headers, object_id=name))
                return self._shown(name, await call.execute("refund", request))
            case "GET", ["payments", name]:
                request = self._paid[name]
                call.attribute(Evidence(headers=call.http.headers, object_id=name))
                return self._shown(name, await call.execute("query", request))
            case _:
                return HttpResponse(404)

    async def _pay(self, call: VendorCall) -> HttpResponse:
        body = msgspec.json.decode(call.http.body, type=Body)
        found = call.attribute(
            Evidence(headers=call.http.headers, texts=(body.order,), key=self.key(call.http))
        )
        request = PaymentRequest(
            found.payment,
            body.amount,
            body.currency,
            TEST_CARDS[0],
            attempt=found.attempt,
            reference=found.reference,
            is_sale=body.capture,
        )
        self._paid[_id(found.reference)] = request
        answer = await call.execute("authorise", request)
        return self._shown(_id(answer.reference or found.reference), answer)

    def _shown(self, name: str, answer: Answer) -> HttpResponse:
        entry = self._backend.entry(self._paid[name].reference)
        status = 200 if answer.outcome is Outcome.APPROVED else 402
        captured = entry.captured_minor if entry is not None else 0
        return json_response(status, {"id": name, "code": answer.code, "captured": captured})

    def key(self, http: HttpRequest) -> str:
        return http.headers.get(KEY, "")

    def error(self, error: Error) -> HttpResponse:
        return json_response(error.status or 500, {"error": error.kind})

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        response.headers["replayed"] = "true"
        return response

    def reports(self, kind: str, request: PaymentRequest) -> bool:
        return kind in ("captured", "refunded")

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        body = msgspec.json.encode(
            {
                "about": event.payment,
                "what": event.event,
                "id": event.key,
                "amount": event.amount_minor,
            }
        )
        headers = {
            "content-type": "application/json",
            "toy-signature": f"t={sent_s},s={signature(secret, sent_s, body)}",
        }
        return HttpRequest("POST", path, headers, body)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        if response.status == 402:
            return Reply(HopResult.DECLINED, "402")
        if response.status >= 400:
            return Reply(HopResult.HTTP_ERROR, str(response.status))
        return Reply(HopResult.APPROVED)

    @staticmethod
    def secret(seed: str) -> str:
        return f"toy_{seed}"


def signature(secret: str, sent_s: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{sent_s}.".encode() + body, hashlib.sha256).hexdigest()


def _id(reference: str) -> str:
    return f"toy_{encode(reference)}"


__all__ = ["Attributed", "Toy"]
