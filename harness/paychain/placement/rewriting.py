"""Changes single values of a YAML file, so that every other line stays where it was.

Reports name lines of the file that was run: those of the written one are those of the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from paychain.payments.errors import UserError

_ALIAS = re.compile(r"\s*:\s*(\*[^\s,\]}]+)")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+\s+")
Keys = tuple[str, ...]
Pair = tuple[yaml.Node, yaml.Node]


class Rewriting:
    """The text of one mapping in YAML, and what changes in it. Values are written as JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        root = yaml.compose(text, Loader=yaml.SafeLoader)  # its marks have indexes
        assert isinstance(root, yaml.MappingNode), "the file was loaded before"
        self._root = root
        self._edits: list[tuple[int, int, str]] = []  # from, to, what stands there then
        self._added: list[str] = []

    def set(self, keys: Keys, value: Any) -> None:
        """Let a key have another value. Raises UserError when the file has it in no one place."""
        key, old = self._find(keys)
        alias = _ALIAS.match(self._text, key.end_mark.index)
        if alias is not None:
            self._edits.append((*alias.span(1), _flow(value)))
            return
        start, end = old.start_mark.index, self._end(old)
        kept = _ANCHOR.match(self._text, start)
        replaced = self._text[start:end]
        lines = "\n" * replaced.count("\n")
        new = f"{kept[0].rstrip()} " if kept else ""
        # A block below its key begins on a line of its own; so does what replaces it.
        self._edits.append((start, end, f"{new}{_flow(value)}{lines}"))

    def put(self, key: str, value: Any) -> None:
        """Let a key of the whole file have a value, in its place, or at the end without one."""
        if any(known.value == key for known, _ in self._root.value):
            self.set((key,), value)
        else:
            self._added.append(f"{json.dumps(key)}: {_flow(value)}")

    def text(self) -> str:
        """The text with all changes."""
        edits = list(self._edits)
        if self._added:
            edits.append(self._addition(self._added))
        text = self._text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _addition(self, added: Sequence[str]) -> tuple[int, int, str]:
        if self._root.flow_style:
            end = self._root.end_mark.index - 1
            comma = "" if self._text[:end].rstrip().endswith((",", "{")) else ", "
            return end, end, comma + ", ".join(added)
        line_end = self._text.find("\n", self._end(self._root))
        at = len(self._text) if line_end < 0 else line_end + 1
        is_open = bool(self._text[:at]) and not self._text[:at].endswith("\n")
        return at, at, ("\n" if is_open else "") + "".join(f"{line}\n" for line in added)

    def _end(self, node: yaml.Node, after: int = 0) -> int:
        """Where a node's own text ends: a block's mark comes after the comments that follow it.

        `after`: where the key of a value ends; a value that begins before it is an alias.
        """
        alias = _ALIAS.match(self._text, after) if node.start_mark.index < after else None
        if alias is not None:
            return alias.end(1)
        if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
            return len(self._text[: node.end_mark.index].rstrip())
        last = node.value[-1]
        if isinstance(last, tuple):
            return self._end(last[1], last[0].end_mark.index)
        return self._end(last)

    def _find(self, keys: Keys) -> Pair:
        node: yaml.Node = self._root
        found: Pair | None = None
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next((pair for pair in pairs if pair[0].value == key), None)
            if found is None:
                raise UserError(
                    f"{'.'.join(keys)} is merged from another part of the file",
                    hint=f"write {keys[-1]}: where it is used",
                )
            node = found[1]
        assert found is not None
        return found


def _flow(value: Any) -> str:
    # JSON is YAML, and stands in any place of it.
    return json.dumps(value, ensure_ascii=False)
