"""What links have not finished yet, as a drain waits for it and as the verdict has to know it."""

from __future__ import annotations

from typing import NamedTuple


class PendingWork(NamedTuple):
    """What is not done yet, and the payment that it is for; "" when it is for none.

    `gives_back`: it, or what follows it, may give money back. A capture collects; what the last one
    may release, the verdict knows from the chain.
    """

    payment: str
    gives_back: bool = True
