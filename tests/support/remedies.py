"""Follow a remedy as a user would: change the file it names, at the key it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from paychain.declaration.yaml_text import parse
from paychain.model.review.remedy import Remedy

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def follow(remedy: Remedy, file: Path) -> None:
    """Write the file again with the remedy's change in it."""
    declared = parse(file.read_text()).value
    *parents, last = [
        int(step[1:-1]) if step.startswith("[") else step for step in _STEP.findall(remedy.key)
    ]
    inside: Any = declared
    for step in parents:
        inside = inside[step] if isinstance(inside, list) else inside.setdefault(step, {})
    value = parse(f"value: {remedy.value}").value["value"] if remedy.value else None
    match remedy.action:
        case "remove":
            del inside[last]
        case "add":
            inside.setdefault(last, []).append(value)
        case "set":
            # A call in its short form, such as `idempotency: none`, is replaced as a whole.
            inside[last] = value
    file.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True))
