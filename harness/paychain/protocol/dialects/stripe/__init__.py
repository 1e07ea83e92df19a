"""`stripe`: Stripe's API for payments (PaymentIntents), as its own SDKs meet it.

Sources: stripe/openapi, docs.stripe.com/api, docs/domain.md §2.3, and what each line of `data/`
names.
"""

from __future__ import annotations

from paychain.protocol.dialects.stripe.api import Stripe

__all__ = ["Stripe"]
