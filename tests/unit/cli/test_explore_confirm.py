"""What `paychain explore --on` says of a twin and the service that it was learned from."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from paychain.cli.explore_confirm import Confirmed, answer_of, differences_line
from paychain.cli.main import app

SAME, OTHER = Confirmed(True, "reproduced: 2 payments"), Confirmed(False, "not reproduced")
UNCLEAR = Confirmed(None, "inconclusive: a host stalled")


def test_where_twin_and_service_differ_is_counted() -> None:
    assert differences_line("twin", "shop", [SAME, SAME]) == "twin and shop agree in 2 findings"
    differ = differences_line("twin", "shop", [SAME, OTHER, UNCLEAR])
    assert differ.startswith("twin and shop differ in 1 of 3 findings; 1 could not be compared: ")
    assert differences_line("twin", "shop", [UNCLEAR]) == (
        "twin and shop agree in 0 findings; 1 could not be compared"
    )


@pytest.mark.parametrize(
    ("verdict", "broken", "answer"),
    [
        ("fail", {"no_double_charge": 2}, SAME),
        ("pass", {}, OTHER),
        ("inconclusive", {}, UNCLEAR),
        # The fault was on for too long: the money is gone all the same.
        ("inconclusive", {"no_double_charge": 2}, SAME),
    ],
)
def test_a_broken_money_rule_counts_in_a_run_that_proves_nothing_else(
    verdict: str, broken: dict[str, int], answer: Confirmed
) -> None:
    rules = [Mock(rule=rule, findings=number) for rule, number in broken.items()]
    result = Mock(
        verdict=verdict, reasons=["a host stalled"], tolerances=[], money=Mock(rules=rules)
    )
    assert answer_of(result, "no_double_charge", 0) == answer


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["card-gives-up", "--on", "card-gives-up"], "--on has no effect without --confirm"),
        (
            ["card-gives-up", "--confirm", "--on", "examples/shop-python/chain-naive.yaml"],
            "--on: chain shop-python-naive has no link edge, gateway, ",
        ),
    ],
)
def test_a_chain_that_findings_cannot_be_replayed_on_is_refused(
    words: list[str], what: str
) -> None:
    refused = CliRunner().invoke(app, ["explore", *words])
    assert str(refused.exception).startswith(what)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--for", "5s"], "--for without --live has no effect"),
        (["--scripts", "9", "--batch", "64"], "--scripts, --batch without --live has no effect"),
        (["--live", "--budget", "5s"], "--live cannot be combined with --budget"),
        (
            ["--live", "--kind", "down", "--works-again", "1s", "--jobs", "2"],
            "--live cannot be combined with --works-again, --kind, --jobs",
        ),
        (["--actions", "--live"], "--actions cannot be combined with --live"),
        (["--actions", "--part", "1/2"], "--actions cannot be combined with --part"),
    ],
)
def test_an_option_without_effect_is_refused(words: list[str], what: str) -> None:
    refused = CliRunner().invoke(app, ["explore", "card-gives-up", *words])
    assert str(refused.exception).startswith(what)
