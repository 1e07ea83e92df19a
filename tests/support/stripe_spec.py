"""Stripe's public description of its API, as the Go module of its own mock server carries it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

MODULE = "github.com/stripe/stripe-mock@v0.203.0"
_DROPPED = {"nullable", "x-expansionResources", "x-expandableFields", "description", "title"}


@cache
def module() -> Path:
    """Where the module is on this machine; skips without Go or without the module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Stripe's description comes as a Go module: Go is not installed")
    done = subprocess.run(
        [go, "mod", "download", "-json", MODULE],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parent,
    )
    if done.returncode != 0:
        pytest.skip(f"Stripe's description cannot be fetched: {done.stdout[-200:]}")
    return Path(json.loads(done.stdout)["Dir"])


class Spec:
    """The description, and what its schemas say about answers."""

    def __init__(self) -> None:
        path = module() / "embedded" / "openapi" / "spec3.json"
        self._spec = json.loads(path.read_bytes())
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations)
            for path, operations in self._spec["paths"].items()
        ]
        schemas = self._spec["components"]["schemas"]
        self._document = {
            "components": {
                "schemas": {name: as_json_schema(schema) for name, schema in schemas.items()}
            }
        }

    def problems(self, method: str, path: str, status: int, body: bytes) -> list[str]:
        """What is wrong with an answer to a request, a line each."""
        shown = json.loads(body)
        if status >= 400:
            return self._problems({"$ref": "#/components/schemas/error"}, shown)
        # Literal paths come before those with placeholders, and the most literal one wins.
        found = [each for pattern, each in self._paths if pattern.fullmatch(path)]
        responses = next(each[method.lower()] for each in found if method.lower() in each)
        schema = responses["responses"]["200"]["content"]["application/json"]["schema"]
        return self._problems(as_json_schema(schema), shown) + self.unknown(shown)

    def problems_of_event(self, body: bytes) -> list[str]:
        """What is wrong with an event, and with the object in it."""
        event = json.loads(body)
        shown = event["data"]["object"]
        return [
            *self._problems({"$ref": "#/components/schemas/event"}, event),
            *self._problems({"$ref": f"#/components/schemas/{shown['object']}"}, shown),
            *self.unknown(event),
        ]

    def required_by_sdks(self) -> dict[str, set[str]]:
        """The fields that the description for typed SDKs requires of each kind of object."""
        path = module() / "embedded" / "openapi" / "spec3.beta.sdk.json"
        schemas = json.loads(path.read_bytes())["components"]["schemas"]
        return {name: set(schema.get("required", [])) for name, schema in schemas.items()}

    def _problems(self, schema: dict[str, Any], shown: Any) -> list[str]:
        validator = jsonschema.Draft202012Validator({**self._document, **schema})
        return [
            f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(shown)
        ]

    def unknown(self, shown: Any, allowed: frozenset[str] = frozenset({"source"})) -> list[str]:
        """Fields that the description of their object does not have.

        Stripe's fixtures show `source`, which its description left behind.
        """
        if isinstance(shown, list):
            return [line for each in shown for line in self.unknown(each)]
        if not isinstance(shown, dict):
            return []
        lines = [line for each in shown.values() for line in self.unknown(each)]
        schema = self._spec["components"]["schemas"].get(kind_of(shown))
        if schema is not None:
            extra = shown.keys() - schema["properties"].keys() - allowed
            lines += [f"{shown['object']} has no {name}" for name in sorted(extra)]
        return lines


def kind_of(shown: dict[str, Any]) -> str:
    """The name of an object's schema."""
    return f"{'deleted_' if shown.get('deleted') else ''}{shown.get('object')}"


def as_json_schema(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` is the difference that matters here."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        name: {key: as_json_schema(each) for key, each in value.items()}
        if name == "properties"
        else as_json_schema(value)
        for name, value in schema.items()
        if name not in _DROPPED
    }
    if not schema.get("nullable"):
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


@cache
def spec() -> Spec:
    """Read once."""
    return Spec()
