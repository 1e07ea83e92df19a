"""A finding of the review that a chain lives with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.schema import Declared
from paychain.model.finding_kinds import Kind


class Accepted(Declared):
    """A finding of the review that somebody has decided to live with, and why."""

    finding: Kind
    at: Annotated[str, Field(min_length=1, max_length=200)]
    because: Annotated[str, Field(min_length=1, max_length=1_000)]
