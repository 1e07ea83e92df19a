"""What the page about measures quotes is what reports say."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.fallbacks import IN_USE
from paychain.analysis.measures.recovery import NOT_HEALED, STILL_FAULTY
from tests.support.paths import ROOT


@pytest.mark.parametrize("text", [NOT_HEALED, STILL_FAULTY, IN_USE])
def test_why_something_could_not_be_observed_is_quoted_as_it_is_written(text: str) -> None:
    page = " ".join((ROOT / "docs" / "measures.md").read_text("utf-8").split())
    assert f'"{text}"' in page
