"""3-D Secure at Adyen: the action a payment begins with, and what `/payments/details` brings.

    native:    IdentifyShopper ── fingerprint ──▶ ChallengeShopper ── challenge ──▶ authorise
    redirect:  RedirectShopper ── redirectResult ──▶ authorise

There is no shopper: whatever the front end sends counts as a success, unless it reports a failure
(transStatus N, U or R). Source: CheckoutService-v72.json, its examples.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from paychain.payments.web_hosts import is_vendors
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.account import HOSTS
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.references import authorisation_of
from paychain.protocol.dialects.adyen.tables import Authentication
from paychain.protocol.json_text import decoded

IDENTIFY: Final = "IdentifyShopper"
CHALLENGE: Final = "ChallengeShopper"
REDIRECT: Final = "RedirectShopper"
_SUBTYPES = {IDENTIFY: "fingerprint", CHALLENGE: "challenge"}
_TOKEN = "Ab02b4c0!"  # noqa: S105  (the beginning of Adyen's payment data)
BANK_PAGE = "/checkoutshopper/threeDS/redirect"
_PAGES = "https://checkoutshopper-test.adyen.com"  # the host of Adyen's pages, not of its API
_NOT_AUTHENTICATED = frozenset({"N", "U", "R"})  # transStatus: docs/domain.md §1.2
# The fields in which details name their payment; what a redirect brings back comes first.
_NAMING = (
    "redirectResult",
    "threeDSResult",
    "threeds2.challengeResult",
    "threeds2.fingerprint",
    "payload",
    "MD",
)


def begins_with(body: dict[str, Any], of_card: Authentication) -> str:
    """The stage a payment begins with, "" when it is authorised at once. Raises Invalid."""
    if bodies.part(body, "mpiData"):
        return ""  # the merchant authenticated the cardholder elsewhere
    asked = bodies.part(body, "authenticationData")
    attempt = asked.get("attemptAuthentication")
    executes = bodies.is_true(bodies.part(body, "additionalData").get("executeThreeD"))
    if attempt == "never" or executes is False:
        return ""
    is_native = bodies.part(asked, "threeDSRequestData").get("nativeThreeDS") == "preferred"
    if attempt == "always" or executes:
        return IDENTIFY if is_native else REDIRECT
    if of_card == "none":
        return ""
    return IDENTIFY if is_native or of_card == "native" else REDIRECT


def action(stage: str, psp: str, asked_at: str) -> dict[str, Any]:
    """What the front end has to do in this stage. `asked_at`: the address of the API."""
    token = f"{_TOKEN}{psp}"
    is_real = is_vendors(asked_at.partition("://")[2], HOSTS)
    bank = f"{_PAGES if is_real else asked_at}{BANK_PAGE}"
    if stage == REDIRECT:
        return {
            "paymentMethodType": "scheme",
            "url": f"{bank}?redirectResult={token}",
            "method": "GET",
            "type": "redirect",
        }
    about = {"threeDSServerTransID": psp, "threeDSNotificationURL": bank}
    return {
        "paymentData": token,
        "paymentMethodType": "scheme",
        "authorisationToken": token,
        "subtype": _SUBTYPES[stage],
        "token": base64.b64encode(msgspec.json.encode(about)).decode(),
        "type": "threeDS2",
    }


def named(body: dict[str, Any]) -> str:
    """Our reference of the payment that details are about. Raises Invalid when they name none."""
    details = bodies.part(body, "details")
    if not details:
        raise Invalid("no_details")
    given = [details.get(name) for name in _NAMING] + [body.get("paymentData")]
    for value in given:
        if isinstance(value, str):
            found = _reference_in(value)
            if found is not None:
                return found
    raise Invalid("details")


def is_authenticated(body: dict[str, Any]) -> bool:
    """Whether the details say that the cardholder was authenticated."""
    details = bodies.part(body, "details")
    results = [_decoded(str(details[name])) for name in _NAMING if name in details]
    return not any(result.get("transStatus") in _NOT_AUTHENTICATED for result in results)


def _reference_in(value: str) -> str | None:
    """The reference in our own payment data, or in the token of a front end's base64 JSON."""
    value = unquote(value)
    if value.startswith(_TOKEN):
        return authorisation_of(value.removeprefix(_TOKEN))
    for token in _decoded(value).values():
        if isinstance(token, str) and token.startswith(_TOKEN):
            return authorisation_of(token.removeprefix(_TOKEN))
    return None


def _decoded(value: str) -> dict[str, Any]:
    """The JSON object that a base64 text holds; empty for any other text."""
    try:
        found = decoded(base64.b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, msgspec.MsgspecError):
        return {}
    return found if isinstance(found, dict) else {}
