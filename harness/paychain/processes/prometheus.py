"""The text format of Prometheus, as far as two writers share it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations


def escaped(value: str) -> str:
    """A label's value as it stands between its double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
