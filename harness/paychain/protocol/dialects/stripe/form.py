"""Form bodies with brackets, as Stripe's API reads them: `metadata[order]=p1`, `expand[]=charge`.

Source: docs.stripe.com/api, "form-encoded request bodies"; the brackets are those of Rack and PHP.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

MAX_FIELDS = 1_000
MAX_DEPTH = 8  # of brackets in one name
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


class BadForm(ValueError):
    """A body or query that is not a form."""


def parse(text: str) -> dict[str, Any]:
    """The fields of a form: text, and dicts and lists where names have brackets.

    Raises BadForm for what cannot be read.
    """
    try:
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=False, max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise BadForm(str(error)) from error
    tree: dict[str, Any] = {}
    for name, value in fields:
        matched = _NAME.fullmatch(name)
        if matched is None:
            raise BadForm(f"Invalid parameter name: {name}")
        path = [matched[1], *_PART.findall(matched[2])]
        if len(path) > MAX_DEPTH:
            raise BadForm(f"Invalid parameter name: {name}")
        _place(tree, path, value)
    return {name: _listed(value) for name, value in tree.items()}


def _place(tree: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        below = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(below, dict):
            raise BadForm(f"Invalid hash: {part}")
        tree = below
    tree[path[-1] or str(len(tree))] = value


def _listed(value: Any) -> Any:
    """A dict whose keys are 0, 1, 2 … is the list that its sender wrote."""
    if not isinstance(value, dict):
        return value
    below = {name: _listed(each) for name, each in value.items()}
    if below and list(below) == [str(number) for number in range(len(below))]:
        return list(below.values())
    return below
