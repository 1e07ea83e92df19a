"""What every declared thing has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Declared(BaseModel):
    """A part of a user's file: unknown keys are mistakes, and a loaded model never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


@dataclass(frozen=True)
class Short:
    """Says in the JSON Schema that a thing may also be written short, as `kind`."""

    kind: Any

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Either form."""
        return {"anyOf": [TypeAdapter(self.kind).json_schema(), handler(core)]}
