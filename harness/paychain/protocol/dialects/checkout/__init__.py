"""`checkout`: the payments API of Checkout.com (NAS) and its webhooks.

Sources: checkout-sdk-python 4.8.1, the idempotency page of checkout.com/docs, docs/domain.md §2.3,
and what each line of `data/` names.
"""

from __future__ import annotations

from paychain.protocol.dialects.checkout.api import Checkout

__all__ = ["Checkout"]
