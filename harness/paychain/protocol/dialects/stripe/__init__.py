"""`stripe`: Stripe's API for payments (PaymentIntents), as its own SDKs meet it.

Sources: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia),
docs.stripe.com/api, docs/domain.md §2.1 and §2.3, and what each line of its data files names.
"""

from __future__ import annotations

from paychain.protocol.dialects.stripe.api import Stripe

__all__ = ["Stripe"]
