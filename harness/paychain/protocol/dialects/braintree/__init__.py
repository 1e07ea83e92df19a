"""Braintree's server API: the paths that its server SDKs call, in front of a mock link.

Sources: the Python SDK 4.48.0 and the Node SDK 3.40.0; developer.paypal.com/braintree/docs, and the
GraphQL reference for idempotency keys, which the server SDKs do not document. GraphQL itself is
not served.
"""

from __future__ import annotations

from paychain.protocol.dialects.braintree.api import Braintree as Braintree
