"""How Stripe signs a webhook.

Source: docs.stripe.com/webhooks, "verify manually": HMAC-SHA256 over the time and the body.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.wire.http import HttpRequest

SIGNATURE = "stripe-signature"
SECRET_DIGITS = 32


def signed(event: Shown, path: str, secret: str, sent_s: int) -> HttpRequest:
    """The request that delivers an event to its receiver."""
    # Formatted as Stripe does: a receiver that parses and reformats the body before it checks the
    # signature must fail here, too.
    body = msgspec.json.format(msgspec.json.encode(event), indent=2)
    mark = hmac.new(secret.encode(), f"{sent_s}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        SIGNATURE: f"t={sent_s},v1={mark}",
    }
    return HttpRequest("POST", path, headers, body)


def secret_of(seed: str) -> str:
    """A webhook's secret in Stripe's form."""
    return opaque("whsec", seed, SECRET_DIGITS)
