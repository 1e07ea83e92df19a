"""The page where a customer authenticates a payment; Stripe's own shows the bank's challenge.

`GET /3d_secure_2/authenticate/{intent}` succeeds; with `?result=failed` the customer fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.confirming import confirmed
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import CARD, Invalid, shaped
from paychain.protocol.dialects.stripe.intents import found_intent, request_of, unexpected
from paychain.protocol.dialects.stripe.records import REQUIRES_ACTION, Intent
from paychain.protocol.vendor_pages import sent_to
from paychain.wire.http import HttpResponse

PAGE = "/3d_secure_2/authenticate/"
_AUTHENTICATION_FAILED = shaped(
    CARD,
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
    "a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
    code="payment_intent_authentication_failure",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Where the customer goes after authenticating, or failing to.

    `kind`: `payment_intent` or `setup_intent`, whichever was to be authenticated.
    """

    url: str
    kind: str
    id: str
    client_secret: str
    has_failed: bool = False  # to authenticate

    def response(self, shown: HttpResponse) -> HttpResponse:
        """A redirection to the shop, or the intent itself where the shop gave no address."""
        if not self.url:
            return shown
        is_failed = self.has_failed or shown.status >= 400
        brings = {
            self.kind: self.id,
            f"{self.kind}_client_secret": self.client_secret,
            "redirect_status": "failed" if is_failed else "succeeded",
        }
        return sent_to(self.url, brings)


def authenticate(account: Account, asked: RoutedRequest) -> tuple[Plan, Returned]:
    """Charge a payment whose customer has authenticated it.

    Raises Invalid for one that does not wait for that.
    """
    intent = found_intent(account, asked)
    status = intent.status(account.objects.entry(intent))
    returned = Returned(
        url=intent.return_url,
        kind="payment_intent",
        id=intent.id,
        client_secret=account.objects.intent(intent)["client_secret"],
        has_failed=asked.given.get("result") == "failed",
    )
    if status != REQUIRES_ACTION:
        raise unexpected(intent, f"This PaymentIntent has a status of {status}.")
    before = account.intents.before(intent)
    if returned.has_failed:
        plan = _failed(account, intent, _AUTHENTICATION_FAILED)
    else:
        try:
            plan = confirmed(account, asked, intent, is_customer_back=True)
        except Invalid as refusal:
            # The customer is at the bank's page: the shop learns of it when they are back.
            plan = _failed(account, intent, refusal.error)
            returned = replace(returned, has_failed=True)
    plan.undo = before()
    return plan, returned


def _failed(account: Account, intent: Intent, error: Shown) -> Plan:
    """The card cannot be charged, for which `error` is the reason: the intent no longer has it."""
    method = intent.method
    intent.waits, intent.method = False, None
    intent.error = dict(error)
    if method is not None:
        intent.error["payment_method"] = account.objects.method(method)

    return account.looked_up(
        lambda: account.objects.intent(intent),
        request_of(intent),
        change=lambda: account.backend.notify("payment_intent.payment_failed", request_of(intent)),
    )
