"""Every key of a file has a description, in its schema and on the reference page."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.kinds import KINDS
from paychain.model.descriptions import DESCRIPTIONS
from paychain.model.files import available
from paychain.model.reference import reference
from paychain.model.schemas import MODELS, parts, schema_of
from tests.support.cli import python

PAGE = Path(__file__).parents[3] / "docs" / "reference.md"


@pytest.mark.parametrize("kind", MODELS)
def test_every_key_is_described(kind: str) -> None:
    bare = [
        f"{name}.{key}"
        for name, part in parts(schema_of(kind), MODELS[kind].__name__)
        for key, value in part.get("properties", {}).items()
        if not value["description"].endswith(".")
    ]
    assert bare == [], "describe them in paychain/model/descriptions, or with Field(description=…)"


def test_no_description_is_left_over() -> None:
    keys = {
        (name, key)
        for kind in MODELS
        for name, part in parts(schema_of(kind), MODELS[kind].__name__)
        for key in part.get("properties", {})
    }
    described = {(name, key) for name, keys in DESCRIPTIONS.items() for key in keys}
    assert described - keys == set()


def test_the_reference_page_is_up_to_date() -> None:
    renew = "python -m paychain.model.reference > docs/reference.md"
    assert PAGE.read_text("utf-8") == reference(), f"renew it with: {renew}"


def test_the_reference_page_has_every_fault_and_its_links_lead_somewhere() -> None:
    page = reference()
    assert all(f"| `{kind}` |" in page for kind in KINDS)
    titles = {
        line.lstrip("# ").lower().replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("##")
    }
    named = {link.split(")")[0] for link in page.split("](#")[1:]}
    assert named <= titles


@pytest.mark.parametrize("kind", ["chain", "experiment"])
def test_shipped_files_fit_the_printed_schema(kind: str) -> None:
    validator = jsonschema.Draft202012Validator(schema_of(kind))
    for path in available(kind).values():
        validator.validate(parse(path.read_text("utf-8")).value)


def test_a_users_own_keys_fit_the_printed_schema() -> None:
    document = {"experiment": "calm", "load": {"arrivals": "1/s", "before": "1s", "after": "1s"}}
    jsonschema.Draft202012Validator(schema_of("experiment")).validate(document | {"x-base": [1]})


# Pydantic before 2.14 cannot write a default whose model was not built, and `make lowest` is the
# only one that has it.
BUILT = """
from paychain.declaration.schema import Declared
from paychain.model.KIND import NAME
NAME.model_json_schema()
parts = [Declared]
for part in parts:
    parts += part.__subclasses__()
for default in [field.default for part in parts for field in part.model_fields.values()]:
    if isinstance(default, Declared) and not type(default).__pydantic_complete__:
        print(type(default).__name__)
print("all")
"""


@pytest.mark.parametrize(("kind", "name"), [("chain", "Chain"), ("experiment", "Experiment")])
def test_every_default_can_be_written_by_every_version(
    tmp_path: Path, kind: str, name: str
) -> None:
    done = python(tmp_path, "-c", BUILT.replace("KIND", kind).replace("NAME", name))
    assert done.stdout == "all\n", done.stderr
