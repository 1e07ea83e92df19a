"""The columns of a record's table, as SQL names and reads them."""

from __future__ import annotations

from typing import Any


def as_json(kind: type[Any]) -> str:
    """SQL for a record as the JSON that msgspec reads it from."""
    fields = (
        "json(targets)" if name == "targets" else quoted(name) for name in kind.__struct_fields__
    )
    return f"json_array('{kind.__struct_config__.tag}', {', '.join(fields)})"


def quoted(name: str) -> str:
    """A field as the name of a column: `order` is a word of SQL, too."""
    return f"[{name}]"
