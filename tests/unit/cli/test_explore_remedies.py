"""An outage that a search found is shown with what to change in the chain, as in a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.chains import shop
from tests.support.cli import invoked

GIVES_UP = shop(on_unknown="give_up", processor_authorise={"on_unknown": "reverse"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rule", "remedy"),
    [
        (
            "lost_answer",
            "no_double_charge",
            "set links.gateway.calls.authorise.on_unknown: reverse",
        ),
        ("crash", "unknowns_resolved", "set links.gateway.outbox: disk"),
    ],
)
def test_an_outage_is_shown_with_what_to_change(
    tmp_path: Path, kind: str, rule: str, remedy: str
) -> None:
    text = GIVES_UP if kind == "lost_answer" else GIVES_UP.replace("give_up", "reverse")
    (tmp_path / "shop.yaml").write_text(text)
    words = ("--budget", "60", "--kind", kind, "--payments", "2", "--rule", rule)
    done = invoked(tmp_path, "explore", "shop.yaml", *words)
    assert done.exit_code == 1, done.stdout
    remedies = re.findall(r"^    remedy: shop\.yaml:\d+: (.+)$", done.stdout, re.MULTILINE)
    assert remedy in remedies
