"""The JSON Schemas of users' files, with a description of every key."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from paychain.declaration.schema import Declared
from paychain.model.assurance import Assurance
from paychain.model.chain import Chain
from paychain.model.descriptions import description_of
from paychain.model.experiment import Experiment
from paychain.model.pages import schema_for_readers

MODELS: dict[str, type[Declared]] = {
    "chain": Chain,
    "experiment": Experiment,
    "assurance": Assurance,
}
OWN_KEYS = "^x-"  # the user's own, at the top of a file


def schema_id(kind: str) -> str:
    """The name of a schema. It is not an address: nobody has to serve it."""
    return f"urn:paychain:schema:{kind}"


@cache
def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file: chain, experiment or assurance. Shared: only read it."""
    model = MODELS[kind]
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(kind),
        **model.model_json_schema(),
    }
    for name, part in parts(schema, model.__name__):
        for key, value in part.get("properties", {}).items():
            value.setdefault("description", description_of(name, key))
    schema["patternProperties"] = {OWN_KEYS: {}}
    return schema_for_readers(schema)


def parts(schema: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema that may have keys, by the name of its model; `name`: the whole's."""
    yield name, schema
    yield from schema.get("$defs", {}).items()
