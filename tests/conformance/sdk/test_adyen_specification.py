"""Every answer and every webhook is what Adyen's public OpenAPI says, and has nothing beside it.

The two files are not ours to carry: `PAYCHAIN_SPECIFICATIONS` names the folder that has
`adyen/CheckoutService-v72.json` and `adyen/Webhooks-v1.json` (Adyen/adyen-openapi, folder json).
"""

from __future__ import annotations

import copy
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.adyen_everything import everything, what_the_network_lets_fall
from tests.support.adyen_links import MERCHANT, AdyenLinks, on_adyen, payment, payment_id

VARIABLE = "PAYCHAIN_SPECIFICATIONS"
PAGES = {"sessions": "{sessionId}", "paymentLinks": "{linkId}"}
# Whose own example has more than the schema.
_OF_EXAMPLE = ("RecurringContractNotificationAdditionalData",)
BESIDE = Path(__file__).parents[4] / "shared" / "data"


@cache
def specification(name: str) -> dict[str, Any]:
    path = Path(os.environ.get(VARIABLE, BESIDE)) / "adyen" / name
    if not path.exists():
        pytest.skip(f"{VARIABLE} names no folder with adyen/{name}")
    whole: dict[str, Any] = json.loads(path.read_text("utf-8"))
    closed = copy.deepcopy(whole["components"]["schemas"])
    for schema in closed.values():
        # What the specification does not have must not be in an answer.
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for name in _OF_EXAMPLE:
        for field in ("hmacSignature", "recurring.shopperReference"):
            closed.get(name, {}).get("properties", {}).setdefault(field, {"type": "string"})
    return {**whole, "components": {"schemas": closed}}


def problems(whole: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    rooted = {**schema, "components": whole["components"]}
    found = jsonschema.Draft202012Validator(rooted).iter_errors(value)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def schema_of(whole: dict[str, Any], path: str, status: int) -> dict[str, Any]:
    """The schema of an answer at `path`, which may name a payment."""
    parts = path.strip("/").split("/")
    method = "post"
    if len(parts) == 3:
        parts[1] = "{paymentPspReference}"
    if len(parts) == 2 and parts[0] in PAGES:
        parts[1], method = PAGES[parts[0]], "get"
    responses = whole["paths"][f"/{'/'.join(parts)}"][method]["responses"]
    # Adyen's edge and limits answer with statuses that no operation lists: as its own errors.
    response = responses.get(str(status), responses.get("422"))
    if response is None:
        return {"$ref": "#/components/schemas/ServiceError"}
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def test_every_answer_is_as_the_specification_of_checkout_says() -> None:
    whole = specification("CheckoutService-v72.json")
    found = []
    links = on_adyen(everything)
    for path, answer in links.answers:
        schema = schema_of(whole, path, answer.status)
        found += [
            f"{path} {answer.status}: {problem}" for problem in problems(whole, schema, answer.body)
        ]
    assert found == []
    results = {answer.body.get("resultCode") for _, answer in links.answers}
    assert results >= {
        "Authorised",
        "Refused",
        "Error",
        "Cancelled",
        "Received",
        "Pending",
        "IdentifyShopper",
        "ChallengeShopper",
        "RedirectShopper",
    }
    assert {answer.status for _, answer in links.answers} >= {200, 201, 400, 401, 403, 422, 500}


def test_every_webhook_is_as_the_specification_of_webhooks_says() -> None:
    whole = specification("Webhooks-v1.json")
    expiring = {"psp": "expires_after: 9s", "issuer": "expires_after: 1s"}
    late = on_adyen(what_the_network_lets_fall, **expiring)
    codes = set()
    for http in on_adyen(everything).posted + late.posted:
        body = json.loads(http.body)
        code = body["notificationItems"][0]["NotificationRequestItem"]["eventCode"]
        codes.add(code)
        content = whole["webhooks"][f"/{code}"]["post"]["requestBody"]["content"]
        assert problems(whole, content["application/json"]["schema"], body) == [], code
    assert codes >= {
        "AUTHORISATION",
        "AUTHORISATION_ADJUSTMENT",
        "CAPTURE",
        "REFUND",
        "CANCELLATION",
        "CANCEL_OR_REFUND",
        "TECHNICAL_CANCEL",
        "EXPIRE",
        "CAPTURE_FAILED",
    }


@pytest.mark.parametrize(
    "broken", [{"resultCode": "Approved"}, {"pspReference": 7}, {"colour": "red"}]
)
def test_what_is_not_as_the_specification_says_is_seen(broken: dict[str, Any]) -> None:
    whole = specification("CheckoutService-v72.json")
    schema = schema_of(whole, "/payments", 200)
    assert problems(whole, schema, {"resultCode": "Authorised", **broken})


def test_the_list_of_stored_cards_is_as_the_specification_says() -> None:
    whole = specification("CheckoutService-v72.json")
    path = "/storedPaymentMethods"
    query = f"merchantAccount={MERCHANT}&shopperReference=ada"
    shown: list[Any] = []

    async def scenario(links: AdyenLinks) -> None:
        await links.post(
            "/payments",
            payment(payment_id(1), shopperReference="ada", storePaymentMethod=True),
        )
        shown.append((await links.ask("GET", f"{path}?{query}")).body)

    on_adyen(scenario)
    response = whole["paths"][path]["get"]["responses"]["200"]
    assert problems(whole, response["content"]["application/json"]["schema"], shown[0]) == []
    assert len(shown[0]["storedPaymentMethods"]) == 1
