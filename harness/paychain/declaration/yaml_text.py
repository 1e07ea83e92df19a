"""A user's YAML as text with places: plain values, and where each key and value stands.

Nothing is constructed from tags, so a file cannot run code. Aliases (`*base`) and merges
(`<<: *base`) are followed up to a number of values, so a file cannot grow without bound either.
Keys of the whole file that begin with `x-` are the user's own, a place for anchors, and are left
out.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from paychain.declaration.text import Document, KeyPath, Mistake

MAX_DEPTH = 30  # keys in a path, far beyond any declared one
MAX_VALUES = 200_000  # of a file, aliases followed: four for each line of the longest file
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")  # with a leading zero it is text: the code 05
_OWN_PREFIX = "x-"
_MERGE = "<<"
_SECOND_DOCUMENT = "but found another document"  # as the parser says it
_NEEDS_QUOTES = (">", "%", "@", "`", "|")  # plain YAML text cannot begin with these
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Not allowed in text: control characters other than a tab and the end of a line, and what turns the
# direction of the text around it (Unicode UAX #9).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def parse(text: str) -> Document:
    """YAML as plain values with their places; never raises, mistakes are in `mistakes`."""
    document = Document()
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            mistake = Mistake(
                number, indent.index("\t") + 1, "a tab in the indentation", "indent with spaces"
            )
            document.mistakes.append(mistake)
            return document
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"not YAML: {error.problem or error.context}"
        if error.problem == _SECOND_DOCUMENT:
            what = "a second YAML document begins here"
        document.mistakes.append(Mistake(*at, what, _hint(error, text)))
        return document
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        document.mistakes.append(Mistake(1, 1, f"not YAML: {reason}"))
        return document
    if node is None:
        document.mistakes.append(Mistake(1, 1, "the file is empty"))
    elif not isinstance(node, yaml.MappingNode):
        document.mistakes.append(Mistake(1, 1, "not a mapping", "begin with chain: or experiment:"))
    else:
        found = _NodeReader(document).value(node, ())
        document.value = {
            key: value for key, value in found.items() if not key.startswith(_OWN_PREFIX)
        }
    return document


def _hint(error: yaml.MarkedYAMLError, text: str) -> str:
    """How to fix text that is not YAML, by what the parser met and where."""
    mark, opened = error.problem_mark, error.context_mark
    problem = f"{error.context} {error.problem}"
    if error.problem == _SECOND_DOCUMENT:
        return "write one chain or experiment in each file"
    at = (
        text.splitlines()[mark.line][mark.column :] if mark and mark.line < text.count("\n") else ""
    )
    if at[:1] in _NEEDS_QUOTES or "block scalar" in problem:
        return "put the value in quotes"
    if opened and "flow" in problem:
        return f"close the bracket of line {opened.line + 1} and separate the items with commas"
    if opened and "quoted scalar" in problem:
        return f"close the quotes of line {opened.line + 1}"
    if opened and "block" in problem:
        return f"indent it like line {opened.line + 1}: column {opened.column + 1}"
    is_key = "mapping values" in problem
    return "align sibling keys in one column, and put text with a colon in quotes" if is_key else ""


class _NodeReader:
    """Reads nodes into the plain values and places of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._merging: list[yaml.Node] = []  # outermost first
        self._refused: set[str] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """A node's plain value; None for one that is not allowed."""
        mark = _mark(node)
        self._document.places.setdefault(path, mark)
        self._values += 1
        if len(path) > MAX_DEPTH or self._values > MAX_VALUES:
            self._refuse_size(mark, "nested too deeply" if len(path) > MAX_DEPTH else "too large")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.endswith((":binary", ":set")):
            self._mistake(mark, f"tag {node.tag} is not allowed", "remove it")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        self._refuse_unseen(mark, str(node.value))
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            mark = _mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                hint = "write it as text, without brackets"
                self._mistake(mark, "a key must be plain text", hint)
                continue
            key = str(key_node.value)
            self._refuse_unseen(mark, key)
            if key == _MERGE and not key_node.style:
                is_list = isinstance(value_node, yaml.SequenceNode)
                merged += value_node.value if is_list else [value_node]
                continue
            if key in found:
                self._mistake(mark, f"'{key}' is given twice", "remove one")
                continue
            self._document.places[(*path, key)] = mark
            found[key] = self.value(value_node, (*path, key))
            # The place of the value has the path of the key plus "": a mistake in a value points
            # there, a mistake in a key points at the key.
            self._document.places[(*path, key, "")] = _mark(value_node)
        for source in merged:
            self._merge(source, path, found)
        return found

    def _merge(self, source: yaml.Node, path: KeyPath, found: dict[str, Any]) -> None:
        """Add what a merged mapping has and `found` does not, with the places where it stands."""
        if not isinstance(source, yaml.MappingNode):
            self._mistake(_mark(source), "only a mapping can be merged", "write <<: *name")
            return
        if len(self._merging) > MAX_DEPTH:
            self._refuse_size(_mark(source), "nested too deeply")
            return
        # A key that is not taken is looked at, too, each time that its mapping is merged.
        self._values += 1 + len(source.value)
        # A mapping that is merged into itself would never end.
        if source in self._merging or self._values > MAX_VALUES:
            self._refuse_size(_mark(source), "too large")
            return
        missing = [
            (key_node, value_node)
            for key_node, value_node in source.value
            if str(key_node.value) not in found
        ]
        inherited = yaml.MappingNode(source.tag, missing, source.start_mark, source.end_mark)
        self._merging.append(source)
        found.update(self._mapping(inherited, path))
        self._merging.pop()

    def _refuse_unseen(self, mark: tuple[int, int], text: str) -> None:
        """Text that a reader of the file, or of a report, would not see as it is."""
        found = _CONTROL.search(text)
        if found is not None:
            what = f"text with the control character U+{ord(found[0]):04X}"
            self._mistake(mark, what, "remove it")

    def _refuse_size(self, mark: tuple[int, int], what: str) -> None:
        """One mistake for the whole file, wherever else it is too large."""
        if what not in self._refused:
            self._refused.add(what)
            self._mistake(mark, what, "write fewer values, or follow fewer aliases")

    def _mistake(self, mark: tuple[int, int], what: str, hint: str) -> None:
        self._document.mistakes.append(Mistake(*mark, what, hint))


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: Any) -> Any:
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    return int(text) if _INT.fullmatch(text) else text
