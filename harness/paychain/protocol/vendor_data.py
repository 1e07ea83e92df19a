"""The published tables that a vendor's package ships: response codes, errors, cards."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def data_of(package: str, name: str) -> Any:
    """What `data/NAME.yaml` of a package holds."""
    return yaml.safe_load(resources.files(package).joinpath(f"data/{name}.yaml").read_text("utf-8"))
