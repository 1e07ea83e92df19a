"""What customers do without an answer, as a chain declares it."""

from __future__ import annotations

from typing import Literal

from paychain.declaration.quantity import Duration, Share, Span
from paychain.declaration.schema import Declared


class CustomerRetry(Declared):
    """The customer tries again `after` so long without an answer, until the deadline.

    With the `same` idempotency key the same payment is sent again. With a `new` one it is another
    payment of the same order, which is also made after a technical failure: the shop said "failed",
    and the customer orders again.
    """

    after: Duration
    key: Literal["same", "new"] = "same"


class CustomerLeaves(Declared):
    """Some customers leave without an answer, and may come back to look up the payment.

    Who leaves closes the connection. Who comes back looks where the entry's `pays` says, and waits
    there as long as the chain's deadline for a payment that is still in progress.
    """

    share: Share
    after: Span
    returns_after: Span | None = None


class Customer(Declared):
    """What customers do without an answer: wait, send the payment again, or leave."""

    retry: CustomerRetry | None = None
    leaves: CustomerLeaves | None = None
