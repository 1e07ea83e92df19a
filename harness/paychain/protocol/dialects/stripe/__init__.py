"""`stripe`: Stripe's API for payments (PaymentIntents), as its own SDKs meet it."""

from __future__ import annotations

from paychain.protocol.dialects.stripe.api import Stripe

__all__ = ["Stripe"]
