"""The docs site: every page is in its navigation, and what is generated from that is up to date."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def named(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for below in entry.values():
            yield from [below] if isinstance(below, str) else named(below)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(named(PROJECT["nav"])) == sorted(pages)


def test_the_sections_are_those_of_a_reader() -> None:
    sections = [title for entry in PROJECT["nav"] for title in entry]
    assert sections == ["paychain", "Tutorial", "How-to guides", "Reference", "Explanation"]


def test_llms_txt_lists_every_page_with_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / ".ci/llms.py"), run_name="__main__")
    text = (ROOT / "docs/llms.txt").read_text("utf-8")
    assert capsys.readouterr().out == text, "renew it: python .ci/llms.py > docs/llms.txt"
    lines = [line for line in text.splitlines() if line.startswith("- [")]
    assert [line.partition("](")[2].partition(")")[0] for line in lines] == list(
        named(PROJECT["nav"])
    )
    assert all(len(line.partition("): ")[2]) > 20 for line in lines)
