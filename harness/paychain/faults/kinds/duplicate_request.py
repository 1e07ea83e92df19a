"""`duplicate_request`: the link receives a request several times that was sent once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Duration
from paychain.faults.kind import Facts, RequestFaultKind


class DuplicateRequest(RequestFaultKind):
    """The link receives each request several times, although its caller sent it once.

    A client library, a proxy or keep-alive logic repeats it below the policy: the caller gets the
    answer to the first copy and never learns of the others.
    """

    facts = Facts(
        meaning="receives each request several times",
        switch=({"copies": "2", "share": "100%"},),
        search=None,
    )

    copies: Annotated[
        int, Field(ge=2, le=10, description="How many times each request arrives in total.")
    ] = 2
    after: Annotated[
        Duration, Field(description="Pause between copies; 0s: they arrive together.")
    ] = 0.0

    @property
    def arrivals(self) -> tuple[float, ...]:
        """The copies behind the first, one pause apart."""
        return tuple(number * self.after for number in range(1, self.copies))
