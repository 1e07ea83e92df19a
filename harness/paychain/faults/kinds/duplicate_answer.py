"""`duplicate_answer`: the link answers several times."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field

from paychain.faults.kind import Facts, RequestFaultKind, Search
from paychain.protocol.message import Delivery


class DuplicateAnswer(RequestFaultKind):
    """The link does the work once and sends its answer several times."""

    facts = Facts(
        meaning="answers several times",
        switch=({"copies": "2", "share": "100%"},),
        search=Search(rank=10),
    )

    copies: Annotated[int, Field(ge=2, le=10)] = 2

    def delivery(self, delivery: Delivery) -> Delivery:
        """The answer in several copies."""
        return msgspec.structs.replace(delivery, copies=self.copies)
