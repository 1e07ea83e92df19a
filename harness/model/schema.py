"""What every declared thing has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Declared(BaseModel):
    """A part of a user's file: unknown keys are mistakes, and a loaded model never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)
