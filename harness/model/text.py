"""A user's YAML as text with places: plain values, and where each key and value stands.

Nothing is constructed from tags and no alias is followed, so a file can neither run code nor grow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

LARGEST_BYTES = 1_000_000
DEEPEST = 30
_INT = re.compile(r"-?\d{1,15}")
_NEEDS_QUOTES = (">", "%", "@", "`", "|")  # text begins with these only in quotes
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing that is wrong in a file."""

    line: int
    column: int
    what: str
    mend: str = ""


@dataclass
class Document:
    """The plain value of a file and the place of every key path."""

    value: Any = None
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of the nearest known part of a path."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read_text(path: Path) -> tuple[str, Mistake | None]:
    """The file's text, or why it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", Mistake(1, 1, f"cannot be read: {error.strerror}")
    if len(data) > LARGEST_BYTES:
        return "", Mistake(1, 1, f"larger than {LARGEST_BYTES // 1000} kB", "split it")
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return "", Mistake(line, 1, "not UTF-8 text", "save the file as UTF-8")


def parse(text: str) -> Document:
    """Read YAML into plain values; everything wrong is in `mistakes`."""
    document = Document()
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            mistake = Mistake(number, indent.index("\t") + 1, "a tab in the indentation",
                              "indent with spaces")  # fmt: skip
            document.mistakes.append(mistake)
            return document
    try:
        events = list(yaml.parse(text, Loader=_LOADER))
        for event in events:
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                mark = event.start_mark
                assert mark is not None  # a parser's events have one
                document.mistakes.append(
                    Mistake(
                        mark.line + 1,
                        mark.column + 1,
                        "anchors and aliases are not allowed",
                        "write the value out",
                    )
                )
                return document
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"not YAML: {error.problem or error.context}"
        document.mistakes.append(Mistake(*at, what, _mend(error, text)))
        return document
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        document.mistakes.append(Mistake(1, 1, f"not YAML: {reason}"))
        return document
    if node is None:
        document.mistakes.append(Mistake(1, 1, "the file is empty"))
    elif not isinstance(node, yaml.MappingNode):
        document.mistakes.append(Mistake(1, 1, "not a mapping", "start with chain: or experiment:"))
    else:
        document.value = _value(node, (), document)
    return document


def _mend(error: yaml.MarkedYAMLError, text: str) -> str:
    """What to do about text that is not YAML, by what stands where reading it failed."""
    mark, opened = error.problem_mark, error.context_mark
    said = f"{error.context} {error.problem}"
    at = (
        text.splitlines()[mark.line][mark.column :] if mark and mark.line < text.count("\n") else ""
    )
    if at[:1] in _NEEDS_QUOTES or "block scalar" in said:
        return "put the value in quotes"
    if opened and "flow" in said:
        return f"close what line {opened.line + 1} opens, and put commas between"
    if opened and "quoted scalar" in said:
        return f"close the quotes of line {opened.line + 1}"
    if opened and "block" in said:
        return f"what belongs with line {opened.line + 1} begins in column {opened.column + 1}"
    is_key = "mapping values" in said
    return "keys of one thing begin in one column; text with a colon is in quotes" if is_key else ""


def _value(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    mark = (node.start_mark.line + 1, node.start_mark.column + 1)
    document.places.setdefault(path, mark)
    if len(path) > DEEPEST:
        document.mistakes.append(Mistake(*mark, "nested too deeply"))
        return None
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.endswith((":binary", ":set")):
        document.mistakes.append(Mistake(*mark, f"tag {node.tag} is not allowed", "remove it"))
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), document) for i, child in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            document.mistakes.append(Mistake(*mark, "a key must be plain text"))
            continue
        key = str(key_node.value)
        if key in found:
            document.mistakes.append(Mistake(*mark, f"'{key}' is given twice", "keep one"))
            continue
        document.places[(*path, key)] = mark
        found[key] = _value(value_node, (*path, key), document)
        # A wrong value is shown where the value stands, a wrong key where the key stands.
        start = value_node.start_mark
        document.places[(*path, key, "")] = (start.line + 1, start.column + 1)
    return found


def _scalar(node: Any) -> Any:
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    return int(text) if _INT.fullmatch(text) else text
