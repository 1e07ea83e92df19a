"""Writes docs/llms.txt (llmstxt.org): every page of the site with its first sentence.

`python .ci/llms.py > docs/llms.txt`
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def pages(nav: list[dict[str, Any]], depth: int = 2) -> Iterator[str]:
    """A line for each page, below the heading of its section."""
    for entry in nav:
        for title, below in entry.items():
            if isinstance(below, str):
                yield f"- [{title}]({below}): {first_sentence(ROOT / 'docs' / below)}"
            else:
                yield f"\n{'#' * depth} {title}\n"
                yield from pages(below, depth + 1)


def first_sentence(page: Path) -> str:
    """Of the first paragraph of prose below the title, without links."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    prose = (
        each for each in text.split("\n\n") if each.strip()[:1] not in ("", "#", "|", "-", "!")
    )
    paragraph = " ".join(_LINK.sub(r"\1", next(prose)).split())
    found = re.match(r"(.+?[.?:])(?= [A-Z`]|$)", paragraph)
    return found[1] if found else paragraph


def main() -> None:
    """Print the page."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    print(f"# {project['site_name']}\n\n> {project['site_description']}\n")
    print("\n".join(pages(project["nav"])))


if __name__ == "__main__":
    main()
