"""A run's spec knows what its files say: worked out when it is asked for, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.runs.spec import RunSpec
from tests.support.chains import corner_shop, experiment
from tests.support.runs import declare


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    declare(tmp_path, shop=corner_shop(), calm=experiment())
    chain = load_chain(str(tmp_path / "shop.yaml"))
    calm = load_experiment(str(tmp_path / "calm.yaml"), chain.model)
    return RunSpec(chain=chain, experiment=calm, out=tmp_path)


def test_both_files_are_reviewed_once_however_often_a_run_asks(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed: list[Any] = []
    monkeypatch.setattr("paychain.runs.spec.review", lambda *files: reviewed.append(files) or [])
    assert spec.inputs.review == spec.inputs.review == []
    assert reviewed == [(spec.chain, spec.experiment)]


def test_another_seed_makes_another_plan(spec: RunSpec) -> None:
    assert spec.plan is spec.plan
    assert replace(spec, seed=spec.seed + 1).plan.seed == spec.seed + 1
