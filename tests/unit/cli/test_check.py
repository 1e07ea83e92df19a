"""`paychain check`: mistakes alone, findings by what they cost, formats for machines, --strict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from paychain.cli.exit_codes import ExitCode
from paychain.cli.main import app
from paychain.model.loading import load_chain
from paychain.model.review import review
from paychain.payments.errors import UserError

CHAIN = """\
chain: shop
deadline: 9s
entry: gateway
ACCEPTS
links:
  gateway: {role: gateway, calls: {authorise: {to: psp, timeout: 4s}}}
  psp: {role: processor, calls: {authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
ACCEPT_PSP = '{finding: single_link, at: psp, because: "one contract until 2027"}'
ACCEPT_UNKNOWN = "{finding: unknown_left_open, at: gateway.authorise, because: amounts are tiny}"


def shop(folder: Path, *accepts: str) -> str:
    path = folder / "shop.yaml"
    path.write_text(CHAIN.replace("ACCEPTS", f"accepts: [{', '.join(accepts)}]"))
    return str(path)


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


def test_findings_are_counted_by_cost_and_what_no_chain_can_lose_is_one_line(
    tmp_path: Path,
) -> None:
    output = check(shop(tmp_path)).output
    assert "review: 2 findings (1 can leave money held, 1 can fail payments)\n" in output
    assert "every chain has single points of failure, and this one's are: gateway, issuer" in output
    remedy = (
        f"remedy: {tmp_path}/shop.yaml:6: set links.gateway.calls.authorise.on_unknown: reverse"
    )
    assert remedy in output
    assert output.index("unknown_left_open") < output.index("single_link")


def test_strict_fails_until_every_finding_is_removed_or_accepted(tmp_path: Path) -> None:
    assert check(shop(tmp_path)).exit_code == ExitCode.PASS
    assert check("--strict", shop(tmp_path)).exit_code == ExitCode.FAIL
    assert check("--strict", shop(tmp_path, ACCEPT_PSP)).exit_code == ExitCode.FAIL
    done = check("--strict", shop(tmp_path, ACCEPT_PSP, ACCEPT_UNKNOWN))
    assert done.exit_code == ExitCode.PASS
    assert "review: no findings, 2 accepted" in done.output
    assert "unknown_left_open" not in done.output


def test_mistakes_are_printed_alone_whatever_else_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "calm.yaml"
    broken.write_text("experiment: calm\nload: {arrivals: 20/s, before: 1s}\ntolerances: {}\n")
    done = check(shop(tmp_path), str(broken))
    assert done.exit_code == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{broken}:2:1: 'after' is missing; add after:",
        "1 mistake; nothing was run",
    ]


def test_an_experiment_is_reviewed_together_with_its_chain(tmp_path: Path) -> None:
    path = Path(shop(tmp_path))
    breaker = "breaker: {window: 10s, minimum_calls: 20}"
    path.write_text(path.read_text().replace("timeout: 4s", f"timeout: 4s, {breaker}"))
    slow = tmp_path / "slow.yaml"
    slow.write_text(
        "experiment: slow\nload: {arrivals: 1/s, before: 1s, after: 1s}\ntolerances: {}\n"
    )
    cannot = "cannot open: 20 calls in 10 s need 2/s, there is 1/s"
    assert cannot not in check(str(path)).output
    assert cannot in check(str(path), str(slow)).output


def test_json_has_everything_that_was_found(tmp_path: Path) -> None:
    found = json.loads(check("--format", "json", shop(tmp_path, ACCEPT_PSP), "no-such").output)
    (mistake,) = found["mistakes"]
    assert (mistake["file"], mistake["line"]) == ("no-such", 0)
    by_kind = {(item["kind"], item["subject"]): item for item in found["findings"]}
    unknown = by_kind["unknown_left_open", "gateway.authorise"]
    assert unknown["costs"] == "orphaned"
    assert unknown["remedy"] == {
        "file": f"{tmp_path}/shop.yaml",
        "line": 6,
        "key": "links.gateway.calls.authorise.on_unknown",
        "value": "reverse",
        "action": "set",
        "of": "",
        "at": "gateway.authorise",
        "cause": "unknown_left_open",
    }
    assert by_kind["single_link", "link psp"]["accepted"] == "one contract until 2027"


def test_sarif_has_a_rule_for_each_kind_and_suppresses_what_is_accepted(tmp_path: Path) -> None:
    log = json.loads(check("--format", "sarif", shop(tmp_path, ACCEPT_PSP)).output)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["unknown_left_open", "single_link"]
    results: dict[str, dict[str, Any]] = {
        result["message"]["text"].split(".")[0]: result for result in run["results"]
    }
    shown = results["gateway"]  # "gateway.authorise leaves …"
    assert shown["level"] == "warning"
    region = shown["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], "suppressions" in shown) == (6, False)
    (suppressed,) = results["without psp no payment succeeds"]["suppressions"]
    assert suppressed == {"kind": "inSource", "justification": "one contract until 2027"}


def test_a_file_name_in_sarif_is_a_uri(tmp_path: Path) -> None:
    place = tmp_path / "my chains"
    place.mkdir()
    log = json.loads(check("--format", "sarif", shop(place)).output)
    result = log["runs"][0]["results"][0]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.endswith("/my%20chains/shop.yaml")


def test_github_annotates_open_findings_and_mistakes_on_their_lines(tmp_path: Path) -> None:
    lines = check("--format", "github", shop(tmp_path, ACCEPT_PSP)).output.splitlines()
    (line,) = lines
    assert line.startswith(f"::warning file={tmp_path}/shop.yaml,line=6,col=")
    assert "%0Aremedy: " in line
    broken = Path(shop(tmp_path))
    broken.write_text(broken.read_text().replace("timeout: 4s", "timeout: 4"))
    assert check("--format", "github", str(broken)).output.startswith("::error file=")


def test_a_schema_is_printed_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it does not check no-such-file"):
        CliRunner().invoke(
            app, ["check", "--schema", "chain", "no-such-file.yaml"], catch_exceptions=False
        )
    schema = json.loads(check("--schema", "chain").output)
    assert schema["properties"]["deadline"]["description"].endswith(".")
    assert review(load_chain(shop(tmp_path)))
