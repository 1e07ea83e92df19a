"""`paychain show CHAIN` and what `paychain check` tells of a review."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from paychain.cli.main import app
from paychain.payments.errors import UserError
from tests.support.chains import corner_shop
from tests.support.runs import declare


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_tree_shows_calls_policies_providers_and_single_points() -> None:
    output = run("show", "card-ecommerce")
    assert (
        "├─  authorise → processor-a (processor, aws-us-east-1): 2.5 s, 2 attempts, breaker"
        in output
    )
    assert "└─  or authorise → processor-b (processor, gcp-europe-west3)" in output
    assert "authorise → scheme (scheme) (see above)" in output
    assert "  ! aws-eu-west-1 (cloud): fraud, gateway" in output
    assert "    aws-us-east-1 (cloud): processor-a" in output
    assert "review: 6 findings (6 can fail payments)" in output


def test_a_chain_may_be_named_with_or_without_the_word_chain() -> None:
    assert run("show", "card-gives-up") == run("show", "chain", "card-gives-up")


def test_the_drawing_is_an_svg_file_with_every_link_in_it(tmp_path: Path) -> None:
    path = tmp_path / "chain.svg"
    run("show", "card-ecommerce", "--svg", str(path))
    root = ElementTree.fromstring(path.read_text())
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"customer", "edge", "gateway", "processor-b", "scheme", "issuer"} <= texts


def test_the_mermaid_chart_dashes_fallbacks_and_marks_single_points() -> None:
    chart = run("show", "card-ecommerce", "--mermaid")
    assert chart.startswith("flowchart LR\n")
    assert chart.count("-.->|authorise|") == 1  # to processor-b
    assert 'subgraph p0["cloudflare"]' in chart
    assert "classDef single" in chart


def test_check_lists_the_findings_with_their_places_and_is_no_failure() -> None:
    output = run("check", "chains/card-gives-up.yaml", "chaos/steady.yaml")
    assert "chains/card-gives-up.yaml:27:9: failover_on_unknown: gateway.authorise" in output
    assert (
        "remedy: chains/card-gives-up.yaml:27: set links.gateway.calls.authorise.on_unknown"
        in output
    )


def test_a_store_shows_its_limit_and_a_file_that_is_checked_alone_is_marked(tmp_path: Path) -> None:
    store = {"fallback": [{"queue": {"up_to": "60.00", "most": 5}}]}
    declare(tmp_path, shop=corner_shop(on_unknown="reverse", authorise=store))
    assert "store up to 60.00 and deliver later, at most 5" in run(
        "show", str(tmp_path / "shop.yaml")
    )
    output = run("check", "chaos/steady.yaml", "chains/card-gives-up.yaml")
    assert "of load; not checked against a chain" in output
    assert "1 fault, " in run(
        "check", "chains/card-gives-up.yaml", "chaos/faults/processor-down.yaml"
    )


def test_init_reports_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/chains/shop\.yaml: Not a directory"):
        CliRunner().invoke(app, ["init", str(path)], catch_exceptions=False)


def test_a_command_in_a_finding_is_not_broken_at_a_hyphen() -> None:
    words = run("check", "card-gives-up").split()
    assert "processor-lost-answers)" in words
