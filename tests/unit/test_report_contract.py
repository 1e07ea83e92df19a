"""result.json as others may rely on it: its schema, its versions, the places it names."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from harness.model.loading import load_chain, load_experiment
from harness.payments.errors import UserError
from harness.report.result import SCHEMA, json_schema, read
from harness.verdict import _place, chain_facts

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"


def test_the_committed_schema_is_that_of_the_code() -> None:
    text = resources.files("harness.report").joinpath("result.schema.json").read_text("utf-8")
    renew = "paychain check --schema result > harness/report/result.schema.json"
    assert json.loads(text) == json_schema(), f"renew it with: {renew}"


def test_the_sample_is_valid_by_the_schema_and_names_its_version_first() -> None:
    sample = json.loads((SAMPLE / "result.json").read_bytes())
    jsonschema.Draft202012Validator(json_schema()).validate(sample)
    assert next(iter(sample)) == "schema"


def test_a_result_of_a_later_version_is_refused_by_name(tmp_path: Path) -> None:
    later = SCHEMA.replace("v1", "v2")
    (tmp_path / "result.json").write_text(json.dumps({"schema": later, "all": "different"}))
    with pytest.raises(UserError, match=f"is of version '{later}'"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "paychain/result/v1"}', "[1", "\x00"])
def test_what_is_no_result_is_a_users_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match="is not a run's result"):
        read(tmp_path)


def test_a_directory_without_a_result_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no result\.json"):
        read(tmp_path)


def test_a_limit_has_the_line_that_sets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "experiment: mine\n"
        "load: {arrivals: 5/s, before: 2s, after: 2s}\n"
        "tolerances:\n"
        '  technical_success: {before: ">= 99%", during: ">= 95%"}\n'
        '  recovery: "<= 5s"\n'
    )
    monkeypatch.chdir(tmp_path)
    experiment = load_experiment("mine.yaml")
    # 30 characters up to the first limit, 8 of it in quotes, 2 of ", ": during begins at 41
    assert _place(experiment, "technical_success", "during") == "mine.yaml:4:41"
    assert _place(experiment, "recovery", "all") == "mine.yaml:5:3"


def test_every_declared_fallback_is_known_before_it_is_used() -> None:
    facts = chain_facts(load_chain("card-ecommerce"))
    assert [(one.call, one.kind, one.to) for one in facts.fallbacks] == [
        ("gateway.screen", "skip", ""),
        ("gateway.authenticate", "retry", "authentication"),
        ("gateway.authenticate", "exempt", ""),
        ("gateway.authorise", "retry", "processor-a"),
        ("gateway.authorise", "failover", "processor-b"),
    ]


def test_a_split_counts_as_a_failover_to_each_of_its_links(tmp_path: Path) -> None:
    file = tmp_path / "split.yaml"
    file.write_text(
        "chain: split\nentry: gateway\nlinks:\n"
        "  gateway:\n    role: gateway\n    calls:\n      authorise:\n        to: a\n"
        "        timeout: 1s\n        fallback:\n"
        "          - {split: {b: 2, c: 1}, cards: {schemes: [visa]}}\n"
        '          - {decline: "91"}\n'
        + "".join(
            f"  {name}: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 1s}}}}}}\n"
            for name in "abc"
        )
        + "  issuer: {role: issuer}\n"
    )
    facts = chain_facts(load_chain(str(file)))
    assert [(one.kind, one.to) for one in facts.fallbacks] == [
        ("failover", "b"), ("failover", "c"), ("decline", ""),
    ]  # fmt: skip
