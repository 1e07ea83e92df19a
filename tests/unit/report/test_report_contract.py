"""result.json as others may rely on it: its schema, its versions, the places it names."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.report.result import SCHEMA, json_schema, read
from paychain.runs.declared import chain_facts
from paychain.runs.result import _place
from tests.support.chains import shop
from tests.support.paths import SAMPLE
from tests.support.runs import declare


def test_the_committed_schema_is_that_of_the_code() -> None:
    text = resources.files("paychain.report").joinpath("result.schema.json").read_text("utf-8")
    renew = "paychain check --schema result > harness/paychain/report/result.schema.json"
    assert json.loads(text) == json_schema(), f"renew it with: {renew}"


def test_the_sample_is_valid_by_the_schema_and_names_its_version_first() -> None:
    sample = json.loads((SAMPLE / "result.json").read_bytes())
    jsonschema.Draft202012Validator(json_schema()).validate(sample)
    assert next(iter(sample)) == "schema"


def test_a_result_of_a_later_version_is_refused_by_name(tmp_path: Path) -> None:
    later = SCHEMA.replace("v2", "v3")
    (tmp_path / "result.json").write_text(json.dumps({"schema": later, "all": "different"}))
    with pytest.raises(UserError, match=f"has schema '{later}'"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "paychain/result/v2"}', "[1", "\x00"])
def test_what_is_no_result_is_a_users_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match="is not a valid result"):
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
    assert [(fallback.call, fallback.kind, fallback.to) for fallback in facts.fallbacks] == [
        ("gateway.screen", "skip", ""),
        ("gateway.authenticate", "retry", "authentication"),
        ("gateway.authenticate", "exempt", ""),
        ("gateway.authorise", "retry", "processor-a"),
        ("gateway.authorise", "failover", "processor-b"),
    ]


def test_a_split_counts_as_a_failover_to_each_of_its_links(tmp_path: Path) -> None:
    split = {"split": {"b": 2, "c": 1}, "cards": {"schemes": ["visa"]}}
    fallback = [split, {"decline": "91"}]
    declare(tmp_path, split=shop(processors=("a", "b", "c"), authorise={"fallback": fallback}))
    facts = chain_facts(load_chain(str(tmp_path / "split.yaml")))
    assert [(fallback.kind, fallback.to) for fallback in facts.fallbacks] == [
        ("failover", "b"),
        ("failover", "c"),
        ("decline", ""),
    ]
