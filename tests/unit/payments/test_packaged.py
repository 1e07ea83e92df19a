"""Tables of the package are read by the fast reader of YAML, and say the same."""

from __future__ import annotations

from importlib import resources

import yaml

import paychain.payments
from paychain.payments.codes import table
from paychain.payments.packaged import packaged_yaml


def test_a_table_is_what_its_file_says() -> None:
    package, path = paychain.payments.__name__, "data/response_codes.yaml"
    text = resources.files(package).joinpath(path).read_text("utf-8")
    found = packaged_yaml(package, path)
    assert found == yaml.safe_load(text)
    assert {row["code"] for row in found["codes"]} == set(table())
