"""The chain that `paychain init` writes: sound, and each guard of it is there for a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from tests.support.cli import invoked
from tests.support.laws import rounds
from tests.support.tiers import thorough

STARTERS = resources.files("paychain.cli") / "starter"
CHAIN, EXPERIMENT = "chains/shop.yaml", "chaos/processor-outage.yaml"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with what `init` writes."""
    done = invoked(tmp_path, "init", "--ci", "none")
    assert done.exit_code == 0, done.stderr
    return tmp_path


def test_its_review_has_no_finding_that_is_not_accepted_with_a_reason(written: Path) -> None:
    done = invoked(written, "check", "--strict", CHAIN, EXPERIMENT)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "no findings, 2 accepted" in done.stdout


def test_starters_name_nothing_that_a_wheel_does_not_contain() -> None:
    for starter in STARTERS.iterdir():
        if starter.is_file():
            assert "docs/" not in starter.read_text("utf-8"), starter.name


@pytest.mark.slow
@pytest.mark.law
def test_a_search_finds_nothing_in_it(written: Path) -> None:
    schedules = rounds(480)
    done = invoked(written, "explore", CHAIN, "--budget", str(schedules))
    assert done.exit_code == 0, done.stdout
    assert f"nothing found in {schedules} schedules" in done.stdout


def no_retry(text: str) -> str:
    return re.sub(r"^customer: .*\n", "", text, flags=re.MULTILINE)


def no_reversal(text: str) -> str:
    return text.replace("on_unknown: reverse       #", "on_unknown: give_up       #")


def no_outbox(text: str) -> str:
    return re.sub(r"^ *outbox: disk .*\n| outbox: disk,", "", text, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "rule", "words"),
    [
        (no_retry, "no_orphaned_authorisation", "--budget 40"),
        thorough((no_reversal, "no_double_charge", "--budget 40")),
        thorough(
            (
                no_outbox,
                "unknowns_resolved",
                "--budget 100 --payments 3 --kind crash --kind http_error",
            )
        ),
    ],
)
def test_without_a_guard_a_search_finds_what_it_guards_against(
    written: Path, without: Callable[[str], str], rule: str, words: str
) -> None:
    path = written / CHAIN
    guarded = path.read_text("utf-8")
    assert "guards against" in guarded
    path.write_text(without(guarded), "utf-8")
    assert path.read_text("utf-8") != guarded
    done = invoked(written, "explore", CHAIN, "--rule", rule, *words.split())
    assert done.exit_code == 1, done.stdout
