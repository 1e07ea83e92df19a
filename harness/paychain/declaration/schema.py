"""What all declared models have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    TypeAdapter,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from paychain.payments.errors import one_line


def _in_one_line(text: str) -> str:
    return one_line(" ".join(text.split()))


# A title and the like: however it is written, one line that nothing obeys where it is shown.
Line = Annotated[str, AfterValidator(_in_one_line)]


class Declared(BaseModel):
    """Base of every part of a user's file: unknown keys are mistakes, a loaded model is frozen.

    Text may be written as a number: `code: 51`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=False,
        coerce_numbers_to_str=True,
        # Built when first needed: alone, none of the parts of a file is ever validated.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, value: Any) -> Any:
        """Python and pydantic count with `true`, as 1; in a file it is no number."""
        if not isinstance(value, dict) or not any(
            isinstance(each, bool | list) for each in value.values()
        ):
            return value
        numbers = _numbers(cls)
        return {key: _in_words(each) if key in numbers else each for key, each in value.items()}

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """The JSON Schema of this part, which names the defaults of all parts in it."""
        # Pydantic before 2.14 cannot write a default whose model was not built yet.
        for part in _parts(Declared):
            for field in part.model_fields.values():
                if isinstance(field.default, Declared):
                    type(field.default).model_rebuild()
        return super().model_json_schema(*arguments, **options)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed or not. A changed one derives anew what its original has cached."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            for derived in copied.__dict__.keys() - type(copied).model_fields.keys():
                del copied.__dict__[derived]
        return copied


def _in_words(value: Any) -> Any:
    """True and false as words, also in a list; anything else as it is."""
    if isinstance(value, list):
        return [_in_words(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else value


@cache
def _numbers(model: type[Declared]) -> frozenset[str]:
    """The keys whose values are numbers, quantities included, and neither true nor false."""
    fields = model.model_fields.items()
    kinds = {field.alias or name: set(_kinds(field.annotation)) for name, field in fields}
    return frozenset(
        key for key, found in kinds.items() if found & {int, float, Decimal} and bool not in found
    )


def _kinds(annotation: Any) -> list[Any]:
    """The types of a choice, without what else is written beside them."""
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]


def _parts(of: type[Declared]) -> Iterator[type[Declared]]:
    for part in of.__subclasses__():
        yield part
        yield from _parts(part)


@dataclass(frozen=True)
class Short:
    """Adds to the JSON Schema that a value may also be written in a short form, as `kind`."""

    kind: Any

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of either form."""
        return {"anyOf": [TypeAdapter(self.kind).json_schema(), handler(core)]}


def several(value: Any) -> Any:
    """A single item may be written without a list."""
    return value if isinstance(value, list | tuple) else [value]


class OneOrSeveral:
    """Adds to the JSON Schema of a list that a single item may stand without a list."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of an item, or of a list of them."""
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]}
