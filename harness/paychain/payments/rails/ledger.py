"""On-chain transfers: nothing is held, and what is final never comes back.

The way out of an unknown outcome is to send the same bytes again: the sender's sequence number
(nonce) makes a ledger take them once. Source: docs/crypto.md; ethereum.org, "Transactions".
"""

from __future__ import annotations

from paychain.payments.journal import Verb
from paychain.payments.rails.rail import Rail

LEDGER = Rail(name="ledger", makes={"transfer": Verb.MOVE}, on_unknown=("resend", "query"))
