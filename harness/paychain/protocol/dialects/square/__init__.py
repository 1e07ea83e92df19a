"""`square`: the Payments and Refunds API of Square and its webhooks.

Sources: the Python and Node SDKs of version 46, docs/domain.md §2.3, and what each line of `data/`
names.
"""

from __future__ import annotations

from paychain.protocol.dialects.square.api import Square

__all__ = ["Square"]
