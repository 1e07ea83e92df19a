"""What the tutorial lists for tests is what there is, with the same parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from paychain.testing import ChainUnderTest, broken_by, explore_chain, fault_schedules
from tests.support.paths import ROOT

LISTED = (ROOT / "docs/tutorial.md").read_text("utf-8")
LISTED = LISTED.partition("## What a test can call")[2].partition("\n## ")[0]
CALLS = dict(re.findall(r"`(?:chain\.)?(\w+)(\([^`]*\))`", LISTED))
PUBLIC = [name for name in vars(ChainUnderTest) if not name.startswith("_") and name != "chain"]


def parameters(call: Callable[..., Any]) -> str:
    """Names and defaults, as the page writes them."""
    signature = inspect.signature(call)
    kept = [
        each.replace(annotation=inspect.Parameter.empty)
        for name, each in signature.parameters.items()
        if name != "self"
    ]
    text = str(signature.replace(parameters=kept, return_annotation=inspect.Signature.empty))
    return text.replace("'", '"')


@pytest.mark.parametrize("call", [broken_by, explore_chain, fault_schedules])
def test_a_listed_function_has_the_parameters_that_the_page_shows(call: Callable[..., Any]) -> None:
    assert CALLS[call.__name__] == parameters(call)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_call_of_a_chain_is_listed(name: str) -> None:
    assert CALLS[name] == parameters(getattr(ChainUnderTest, name))
