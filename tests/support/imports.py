"""What a file of Python imports, without parsing all of it: for all files that takes seconds."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from textwrap import dedent

# Ruff refuses other forms: two statements in a line (E701, E702).
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+[\w.]+[ \t]+import[ \t]*(?:\([^)]*\)|[^\n(]+)|import[ \t][^\n]+)",
    re.MULTILINE,
)


@cache
def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """What a file imports, in functions and for types, too; at no line of the file."""
    text = path.read_text("utf-8")
    found: list[ast.Import | ast.ImportFrom] = []
    for match in _IMPORT.finditer(text):
        try:
            (statement,) = ast.parse(dedent(match[0])).body
        except (SyntaxError, ValueError):  # text that looks like one, or one that looks otherwise
            return [
                node
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        found.append(statement)
    return found
