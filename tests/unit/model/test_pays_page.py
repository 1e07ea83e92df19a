"""What docs/own-services-pays.md shows can be written like that."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from textwrap import dedent

import pytest

from paychain.model.loading import load_chain
from paychain.model.paid_at import template_at
from paychain.protocol.pays.placeholders import MEANINGS

PAGE = (Path(__file__).parents[3] / "docs" / "own-services-pays.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
AROUND = """\
  processor-a: {role: processor, calls: {authorise: {to: issuer}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
SHOP = """\
links:
  shop-api:
    role: gateway
    service: {command: "true"}
    calls: {authorise: {to: processor-a, fallback: [{to: processor-b}]}}
"""


@pytest.mark.parametrize("block", BLOCKS)
def test_its_declarations_are_right(tmp_path: Path, block: str) -> None:
    links = block if block.startswith("links:") else SHOP + block
    (tmp_path / "own.yaml").write_text(f"chain: own\nentry: shop-api\n{links}{AROUND}")
    template = template_at(load_chain(str(tmp_path / "own.yaml")).model, "shop-api")
    assert template is not None
    assert template.steps


def test_it_describes_every_placeholder() -> None:
    assert len(BLOCKS) == 3
    missing = [name for name in MEANINGS if f"`{{{name}}}`" not in PAGE]
    assert missing == []


def test_its_class_pays(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    ast.parse(dedent(source))
    (tmp_path / "adapters.py").write_text(source)
    text = f'chain: own\nentry: shop-api\n{SHOP}    pays: {{by: "adapters.py:Shop"}}\n{AROUND}'
    (tmp_path / "own.yaml").write_text(text)
    assert load_chain(str(tmp_path / "own.yaml")).model.links["shop-api"].pays is not None
