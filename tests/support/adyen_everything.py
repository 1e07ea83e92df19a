"""What brings each kind of answer and of webhook of the dialect `adyen` about, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Protocol

from tests.support.adyen_links import (
    MERCHANT,
    AdyenLinks,
    Answered,
    on_adyen,
    payment,
    payment_id,
)

# The libraries' name of the answer at the end of a path.
_MODELS = {
    "payments": "PaymentResponse",
    "details": "PaymentDetailsResponse",
    "captures": "PaymentCaptureResponse",
    "refunds": "PaymentRefundResponse",
    "reversals": "PaymentReversalResponse",
    "amountUpdates": "PaymentAmountUpdateResponse",
    "cancels": "PaymentCancelResponse",
    "paymentMethods": "PaymentMethodsResponse",
    "cardDetails": "CardDetailsResponse",
    "sessions": "CreateCheckoutSessionResponse",
}


async def everything(links: AdyenLinks) -> None:
    """What brings each kind of answer and of webhook about."""
    account = {"merchantAccount": MERCHANT}

    async def pay(number: int, **more: Any) -> Answered:
        return await links.post("/payments", payment(payment_id(number), **more), f"k{number}")

    psp = (await pay(1)).body["pspReference"]
    await links.modify(psp, "amountUpdates", 1000, industryUsage="delayedCharge")
    await links.modify(psp, "amountUpdates", 1200)
    await links.modify(psp, "captures", 400, reference="part 1")
    await links.modify(psp, "captures", 601)
    await links.modify(psp, "refunds", 100, merchantRefundReason="RETURN")
    await links.modify(psp, "refunds", 1000)
    await links.modify(psp, "reversals")
    await links.modify(psp, "cancels")
    await links.modify((await pay(2)).body["pspReference"], "cancels", reference="undo")
    await links.modify((await pay(3)).body["pspReference"], "reversals")
    for number, holder in enumerate(("DECLINED", "ERROR", "FRAUD_CANCELLED", "PENDING"), start=4):
        method = {**payment("x")["paymentMethod"], "holderName": holder}
        await pay(number, paymentMethod=method)
    await pay(8)
    await links.post("/cancels", {**account, "paymentReference": payment_id(8)})
    await links.post("/cancels", {**account, "paymentReference": "nothing"})
    keeping = {"shopperReference": "ada", "recurringProcessingModel": "CardOnFile"}
    await pay(40, storePaymentMethod=True, **keeping)
    await links.post("/paymentMethods", {**account, "shopperReference": "ada"})
    native = {
        "attemptAuthentication": "always",
        "threeDSRequestData": {"nativeThreeDS": "preferred"},
    }
    first = (await pay(9, authenticationData=native)).body
    for name in ("threeds2.fingerprint", "threeds2.challengeResult"):
        details = {"details": {name: "e30="}, "paymentData": first["action"]["paymentData"]}
        await links.post("/payments/details", details)
    await links.post("/payments/details", details)
    await pay(10, additionalData={"executeThreeD": "true"})
    await pay(11, additionalData={"RequestedTestErrorResponseCode": "NO_CONNECTION_AVAILABLE"})
    await links.post("/paymentMethods", account)
    await links.post("/cardDetails", {**account, "cardNumber": "411111"})
    session = payment("session")
    del session["paymentMethod"]
    await links.post("/sessions", {**session, "mode": "hosted"})
    link = (await links.post("/paymentLinks", session)).body["id"]
    await links.ask("GET", f"/paymentLinks/{link}")
    await links.ask("PATCH", f"/paymentLinks/{link}", {"status": "expired"})
    await links.post("/sessions", session)
    await links.post("/payments", {})
    await links.post("/payments", b"{")
    await links.post("/payments", payment("x", merchantAccount="Other"))
    await links.post("/payments", payment("x"), headers={})
    await links.modify("unknown", "captures", 1)
    for status in (400, 401, 403, 422, 429, 500):
        links.inject("http_error", status=status)
        await pay(20 + status)
        links.host.faults.heal("http_error")
    links.inject("stuck_pending")
    await pay(12)
    links.host.faults.heal("stuck_pending")


async def what_the_network_lets_fall(links: AdyenLinks) -> None:
    """A capture that comes too late for the issuer, and a hold that nobody captures."""
    late = await links.post("/payments", payment(payment_id(1)))
    await links.post("/payments", payment(payment_id(2)))
    await asyncio.sleep(2.0)
    await links.modify(late.body["pspReference"], "captures", 1000)
    await asyncio.sleep(10.0)


class Models(Protocol):
    """A library's typed models."""

    def parsed(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a model makes of an answer, written as JSON again."""


def model_of(path: str, answer: Answered) -> str:
    """The model that reads an answer."""
    if answer.status >= 400:
        return "ServiceError"
    if path == "/cancels":
        return "StandalonePaymentCancelResponse"
    if path.startswith("/paymentLinks"):
        return "PaymentLinkResponse"
    return _MODELS[path.rpartition("/")[2]]


def assert_every_answer_is_kept(models: Models) -> None:
    """No field of any answer is unknown to its model, or of another type."""
    answers = [each for each in on_adyen(everything).answers if each[1].body]
    assert len(answers) > 30
    for path, answer in answers:
        kept = models.parsed(model_of(path, answer), answer.body)
        assert _dated(kept) == _dated(answer.body)


def _dated(body: dict[str, Any]) -> dict[str, Any]:
    """Dates as such: a library may write the same one in another form."""
    return {
        name: datetime.fromisoformat(value) if name == "expiresAt" else value
        for name, value in body.items()
    }
