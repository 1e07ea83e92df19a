"""Two payment providers behind one interface that tells *no* from *not known*."""

import os

import Adyen
import requests
import stripe
from Adyen.exceptions import AdyenAPIResponseError, AdyenError

TIMEOUT_S = 2


class Declined(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotExecuted(Exception):
    """The provider has done nothing: another one may be asked."""


class Unknown(Exception):
    """The provider may have done it."""


class NotHeld(Exception):
    """Nothing is held any more, or never was, whatever was answered before."""


def was_refused(error: BaseException | None) -> bool:
    """Whether no connection was made at all: then nothing can have been done."""
    while error is not None:
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return True
        if "NewConnectionError" in repr(error):
            return True
        error = error.__cause__ or error.__context__
    return False


class Stripes:
    name = "stripe"

    def __init__(self) -> None:
        client = stripe.StripeClient(
            "sk_test_shop",
            base_addresses={"api": os.environ["STRIPE_API_BASE"]},
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
            max_network_retries=0,  # repeats are ours to decide
        )
        self._intents, self._refunds = client.v1.payment_intents, client.v1.refunds

    def prepare(self, order) -> str:
        """An intent that holds nothing yet: whatever follows, its id is known."""
        params = {
            "amount": order["amount"],
            "currency": order["currency"].lower(),
            "payment_method": order["card"],
            "capture_method": "manual",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"order": order["id"]},
        }
        options = {"idempotency_key": f"{order['id']}-create"}
        try:
            intent = self._asked(self._intents.create, params, options)
        except Unknown as error:
            raise NotExecuted from error  # an intent that was never confirmed takes no money
        if intent.metadata["order"] != order["id"]:
            raise NotExecuted  # another order's: not ours to confirm
        return intent.id

    def authorise(self, order, reference: str) -> None:
        options = {"idempotency_key": f"{order['id']}-confirm"}
        if self._status_after(self._intents.confirm, reference, {}, options) != "requires_capture":
            raise Unknown

    def capture(self, order, reference: str) -> None:
        # A stored error is repeated for its key, so the intent itself is asked first.
        status = self._status_after(self._intents.retrieve, reference)
        if status == "requires_capture":
            part = {"amount_to_capture": order["amount"]}
            status = self._status_after(self._intents.capture, reference, part)
        if status != "succeeded":
            raise Unknown if status == "processing" else NotHeld

    def cancel(self, order, reference: str) -> str:
        """Whatever became of it: an intent that is cancelled holds nothing, and one that was
        captured although Stripe had denied it gives all of it back.
        """
        status = self._status_after(self._intents.retrieve, reference)
        if status == "succeeded":
            return self.give_back(order, reference)
        if status != "canceled":
            status = self._status_after(self._intents.cancel, reference)
        if status != "canceled":
            raise Unknown
        return "cancelled"

    def give_back(self, _order, reference: str) -> str:
        """All of it. The same key would repeat a stored error; a second one Stripe refuses."""
        try:
            refund = self._asked(self._refunds.create, {"payment_intent": reference})
        except NotExecuted as error:
            if getattr(error.__cause__, "code", "") == "charge_already_refunded":
                return "refunded"
            raise
        if refund.payment_intent != reference or refund.status not in ("succeeded", "pending"):
            raise Unknown
        return "refunded"

    def _status_after(self, do, reference: str, *arguments) -> str:
        """An answer about another intent, as from a cache, says nothing about this one."""
        intent = self._asked(do, reference, *arguments)
        if intent.id != reference:
            raise Unknown
        return intent.status

    def _asked(self, do, *arguments):
        try:
            return do(*arguments)
        except stripe.CardError as error:
            raise Declined(error.code or "card_declined") from error
        except (stripe.RateLimitError, stripe.InvalidRequestError) as error:
            raise NotExecuted from error
        except stripe.APIConnectionError as error:
            raise (NotExecuted if was_refused(error) else Unknown) from error
        except stripe.StripeError as error:
            raise Unknown from error


class Adyens:
    name = "adyen"

    def __init__(self) -> None:
        self._adyen = Adyen.Adyen(xapikey="test", platform="test", http_timeout=TIMEOUT_S)
        for api in (self._adyen.checkout.payments_api, self._adyen.checkout.modifications_api):
            api.baseUrl = os.environ["ADYEN_BASE"]

    def prepare(self, order) -> str:
        return order["id"]  # Adyen cancels by the merchant's own reference

    def authorise(self, order, reference: str) -> str:
        request = {
            "merchantAccount": "ShopEU",
            "amount": {"value": order["amount"], "currency": order["currency"]},
            "reference": reference,
            "paymentMethod": {"type": "scheme", "encryptedCardNumber": order["card"]},
            "returnUrl": "https://shop.example/return",
            "additionalData": {"manualCapture": "true"},
        }
        payments = self._adyen.checkout.payments_api.payments
        answer = self._asked(payments, request, idempotency_key=f"{order['id']}-authorise")
        if answer.get("merchantReference") != reference:
            raise Unknown  # it is about another payment
        if answer["resultCode"] == "Authorised":
            return answer["pspReference"]
        if answer["resultCode"] in ("Error", "Pending", "Received"):
            raise Unknown
        raise Declined(answer.get("refusalReasonCode", "refused"))

    def capture(self, order, reference: str) -> None:
        # The answer to a capture that failed later, or of another payment, is repeated for its key.
        key = f"{order['id']}-{reference}-{order['failures']}"
        request = {
            "merchantAccount": "ShopEU",
            "amount": {"value": order["amount"], "currency": order["currency"]},
            "reference": key,
        }
        capture = self._adyen.checkout.modifications_api.capture_authorised_payment
        answer = self._asked(capture, request, reference, idempotency_key=key)
        if answer.get("reference") != key:
            raise Unknown  # it is about another capture: no webhook would say that this one failed

    def cancel(self, order, reference: str) -> str:
        """By the order's id, until a webhook has brought Adyen's own reference.

        Adyen only accepts it here: whether it was done comes by webhook, for the order's id as the
        cancel has none of its own.
        """
        modifications = self._adyen.checkout.modifications_api
        request = {"merchantAccount": "ShopEU"}
        if reference == order["id"]:
            request["paymentReference"] = reference
            answer = self._asked(modifications.cancel_authorised_payment, request)
            about = answer.get("paymentReference")
        else:
            answer = self._asked(modifications.refund_or_cancel_payment, request, reference)
            about = answer.get("paymentPspReference")
        if about != reference:
            raise Unknown  # it is about another payment
        return "cancelling"

    def give_back(self, order, reference: str) -> str:
        return self.cancel(order, reference)  # Adyen knows which of both it has to be

    def _asked(self, do, *arguments, **options):
        try:
            return do(*arguments, **options).message
        except AdyenAPIResponseError as error:
            if error.status_code in (400, 401, 403, 422):
                raise NotExecuted from error
            raise Unknown from error
        except requests.exceptions.RequestException as error:
            raise (NotExecuted if was_refused(error) else Unknown) from error
        except (AdyenError, ValueError) as error:
            raise Unknown from error
