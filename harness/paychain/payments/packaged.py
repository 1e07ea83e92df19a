"""Published tables that come with the package: YAML files in the folder of what reads them."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

# The first payments of a process wait for its tables: libyaml reads them ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def packaged_yaml(package: str, path: str) -> Any:
    """What a file of ours holds, such as `data/currencies.yaml` of `paychain.payments`."""
    text = resources.files(package).joinpath(path).read_text("utf-8")
    return yaml.load(text, _LOADER)  # noqa: S506  (a safe loader)
