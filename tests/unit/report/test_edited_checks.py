"""A result in which one check was edited is not signed, even with sums that fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.payments.errors import UserError
from paychain.report.evidence.consistency import contradiction
from paychain.report.evidence.files import sign_run, write_sums
from paychain.report.result import FILE_NAME
from tests.support.paths import SAMPLE
from tests.support.report_results import DOUBLE, FAILED, HELD, result
from tests.support.signed_runs import KEY, run_at

SAMPLED = json.loads((SAMPLE / FILE_NAME).read_text("utf-8"))
JUDGED = [item["id"] for item in SAMPLED["tolerances"] if item["passed"] is not None]


def edited(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    run = run_at(folder, "20261124T100000Z-shop-steady")
    whole = json.loads((run / FILE_NAME).read_text("utf-8"))
    edit(whole)
    (run / FILE_NAME).write_text(json.dumps(whole), "utf-8")
    write_sums(run)
    return run


@pytest.mark.parametrize("name", JUDGED)
def test_a_single_flag_that_was_turned_is_refused(tmp_path: Path, name: str) -> None:
    def turn(whole: dict[str, Any]) -> None:
        (found,) = [item for item in whole["tolerances"] if item["id"] == name]
        found["passed"] = not found["passed"]

    with pytest.raises(UserError, match=f"does not follow from its checks: {name} "):
        sign_run(edited(tmp_path, turn), KEY)


def test_what_a_run_wrote_is_signed(tmp_path: Path) -> None:
    assert sign_run(edited(tmp_path, lambda whole: None), KEY).is_file()


def test_figures_that_contradict_each_other_are_found() -> None:
    turned = msgspec.structs.replace(FAILED, passed=True)
    assert "technical_success.during passed, but observed 71.3 %" in contradiction(
        result(tolerances=[turned])
    )
    unseen = msgspec.structs.replace(HELD, observed=None)
    assert "without anything observed" in contradiction(result(tolerances=[unseen]))
    odd = msgspec.structs.replace(HELD, required="whatever")
    assert "is not a limit" in contradiction(result(tolerances=[odd]))
    emptied = msgspec.structs.replace(DOUBLE, findings=0)
    money = msgspec.structs.replace(result().money, rules=[emptied])
    assert "no_double_charge" in contradiction(result(money=money))
    counted = msgspec.structs.replace(
        HELD, id="double_charges.all", measure="double_charges", required="<= 0", observed=0
    )
    assert "double_charges.all counts 0, its rule 2" in contradiction(result(tolerances=[counted]))
