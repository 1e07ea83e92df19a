"""Arrangements of nodes under one schedule of zones, side by side, all in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from paychain.analysis.nodes.arrangement import Arrangement
from paychain.analysis.nodes.side_by_side import SideBySide
from paychain.cli.main import app
from paychain.model.files import available
from paychain.report.result import read
from paychain.runs.arrangements import compare_arrangements
from tests.support.shared_runs import TEST_S, made_once
from tests.support.virtual_runs import broken, run_virtually

CHAINS = ("depin-one", "depin-two", "depin-many", "depin-many-gateway")
# With fewer payments: enough for every row, in half the time.
SCHEDULE = available("experiment")["zones-one-by-one"].read_text().replace("5/s", "2.5/s")
LOAD = (
    "experiment: some\ntolerances: {}\nload: {arrivals: 5/s, warm_up: 0s, before: 1s, after: 2s}\n"
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TEST_S)]


def run_dir(chain: str, factory: pytest.TempPathFactory) -> Path:
    text = available("chain")[chain].read_text()
    folder = made_once(factory, chain, lambda place: run_virtually(place, text, SCHEDULE))
    (found,) = (path.parent for path in folder.rglob("run.db"))
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {chain: run_dir(chain, tmp_path_factory) for chain in CHAINS}


@pytest.fixture(scope="module")
def compared(folders: dict[str, Path]) -> SideBySide:
    return compare_arrangements(list(folders.values()))


def of(compared: SideBySide, chain: str) -> Arrangement:
    (found,) = (run for run in compared.runs if run.chain == chain)
    return found


@pytest.mark.long(25)
def test_the_first_sentence_says_what_stands_in_front(
    compared: SideBySide, folders: dict[str, Path]
) -> None:
    assert compared.first.startswith(
        "20 operators of depin-many-gateway still stand behind one gateway (cloudflare)"
    )
    without = compare_arrangements([folders["depin-one"], folders["depin-many"]])
    assert without.first.startswith("No single component stands in front")


def test_many_operators_go_on_where_one_provider_does_not_at_a_cost(compared: SideBySide) -> None:
    one, two, many = (of(compared, name) for name in CHAINS[:3])
    assert many.success > 0.95 > 0.9 > max(one.success, two.success)
    assert many.final_in_time > 0.98 > 0.9 > max(one.final_in_time, two.final_in_time)
    assert many.requests > 1.2 * one.requests
    assert many.p50_ms is not None
    assert one.p50_ms is not None
    assert many.p50_ms > one.p50_ms
    assert [run.at_risk for run in compared.runs] == [0] * 4
    assert of(compared, "depin-many-gateway").success < many.success


def test_what_breaks_each_is_named_smallest_first(compared: SideBySide) -> None:
    assert [of(compared, name).breaking for name in CHAINS] == [
        [["aws-us-east-1"]],
        [["aws-us-east-1"]],
        [["aws-us-east-1", "hetzner-fsn1", "homes"]],
        [["cloudflare"], ["aws-us-east-1", "hetzner-fsn1", "homes"]],
    ]
    assert compared.shared == ["payouts", "wallet", "base"]
    assert of(compared, "depin-many").breaking_operators == 19


def test_the_formula_lies_within_the_interval_of_every_row(compared: SideBySide) -> None:
    for run in compared.runs:
        assert [row for row in run.found if not row.agrees] == []
    many = of(compared, "depin-many").found
    assert {tuple(row.gone) for row in many} >= {(), ("aws-us-east-1",), ("homes",)}
    # Some rows are about more than always and never.
    assert any(0.2 < row.expected < 0.99 for row in many)


def test_no_rule_of_money_is_broken_and_the_verdicts_differ(folders: dict[str, Path]) -> None:
    results = {chain: read(folder) for chain, folder in folders.items()}
    assert [broken(result) for result in results.values()] == [{}] * 4
    verdicts = {chain: str(result.verdict) for chain, result in results.items()}
    assert verdicts == {
        "depin-one": "fail",
        "depin-two": "fail",
        "depin-many": "pass",
        "depin-many-gateway": "fail",
    }


def test_who_believes_one_node_loses_money_to_one_that_lies(tmp_path: Path) -> None:
    chain = available("chain")["depin-many"].read_text()
    asked = "  ask: 3\n  agree: 2\n"
    assert asked in chain
    chain = chain.replace(asked, "").replace("liars: 5%", "liars: 50%")
    result = run_virtually(tmp_path, chain, LOAD)
    assert "sequence_without_gaps" in broken(result)
    (folder,) = (path.parent for path in tmp_path.rglob("run.db"))
    found = compare_arrangements([folder, folder]).runs[0]
    assert found.at_risk_payments > 0
    assert found.at_risk > 0


def test_the_command_prints_it_and_refuses_what_has_no_nodes(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    names = [str(folder) for folder in folders.values()]
    done = CliRunner().invoke(app, ["compare", "--nodes", *names])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("20 operators of depin-many-gateway")
    assert "depin-one: fails when aws-us-east-1 is down" in done.output
    assert "all of them need: payouts, wallet, base" in done.output
    done = CliRunner().invoke(app, ["compare", *names[:2]])
    assert "those that differ in nodes: alone, --nodes" in str(done.exception)
