"""`adyen`: Adyen's Checkout API v72 and its classic webhooks.

Sources: Adyen/adyen-openapi (CheckoutService-v72.json, Webhooks-v1.json), docs/domain.md §2.2 and
§2.3, and the source that each line of `data/` names.
"""

from __future__ import annotations

from paychain.protocol.dialects.adyen.api import Adyen

__all__ = ["Adyen"]
