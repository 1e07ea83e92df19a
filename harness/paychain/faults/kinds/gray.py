"""`gray`: traffic fails, the health check passes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.faults.effects import injected
from paychain.faults.kind import Facts, RequestFaultKind
from paychain.protocol.message import AnswerOrError


class Gray(RequestFaultKind):
    """Traffic fails while the link's health check passes."""

    facts = Facts(
        meaning="fails, health check passes",
        switch=({"status": "500", "share": "50%"},),
        search=None,
    )
    fails_calls = True
    whole_link = True

    status: Annotated[int, Field(ge=500, le=599)] = 500

    def instead_of_work(self, link: str) -> AnswerOrError | None:
        """The error; the health check never passes here."""
        return injected(self.status)
