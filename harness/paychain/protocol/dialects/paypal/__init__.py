"""PayPal's Orders v2 and Payments v2 in front of a mock link, with the token that they require.

Sources: paypal-server-sdk 2.4.0; developer.paypal.com (orders, payments, idempotency, card testing,
negative testing, webhooks).
"""

from __future__ import annotations

from paychain.protocol.dialects.paypal.api import PayPal as PayPal
