"""The published tables that a vendor's package ships: response codes, errors, cards."""

from __future__ import annotations

from functools import cache
from typing import Any

from paychain.payments.packaged import packaged_yaml


@cache
def data_of(package: str, name: str) -> Any:
    """What `data/NAME.yaml` of a package holds."""
    return packaged_yaml(package, f"data/{name}.yaml")
