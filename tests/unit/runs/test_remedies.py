"""A remedy follows from what the payments that broke a rule show, not from declarations alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.analysis.measures.measures import MoneyRule, ToleranceResult, UnknownCall
from paychain.model.loading import load_chain
from paychain.model.review import review
from paychain.runs.remedies import rule_with_remedies, tolerance_with_remedies
from tests.support.own_chains import own_shop

ORPHANED = MoneyRule("no_orphaned_authorisation", "No orphaned authorisation", 3, 3_000, [])
# The service is said to wait for 500 ms; the mocks behind it may work for a second.
CLAIM = {"timeout": "500ms"}


def unknown(result: str, *, caller: str = "shop", code: str = "") -> UnknownCall:
    operation = "pay" if caller == "customer" else "authorise"
    return UnknownCall(
        caller=caller,
        operation=operation,
        callee="processor-a",
        result=result,
        code=code,
        payments=3,
    )


def remedies(
    folder: Path, claims: dict[str, Any], *calls: UnknownCall, **further: Any
) -> list[str]:
    """What is to be changed so that nothing stays held for nobody, as `key: value`."""
    call = {"to": "processor-a", "fallback": [{"to": "processor-b"}], "claims": claims}
    (folder / "shop.yaml").write_text(own_shop(call=call, **further))
    chain = load_chain(str(folder / "shop.yaml"))
    rule = msgspec.structs.replace(ORPHANED, unknown=list(calls))
    found = rule_with_remedies(rule, review(chain), chain).remedies
    assert all(remedy.of == rule.rule for remedy in found)
    keys = [f"{each.key.removeprefix('links.')}: {each.value}" for each in found]
    tolerance = ToleranceResult(
        id="orphaned_authorisations.all",
        measure="orphaned_authorisations",
        phase="all",
        required="<= 0",
        observed=3,
        observed_text="3",
        margin_text="",
        passed=False,
    )
    judged = rule_with_remedies(rule, review(chain), chain)
    limit = tolerance_with_remedies(tolerance, [judged], review(chain), [], chain)
    assert [f"{each.key.removeprefix('links.')}: {each.value}" for each in limit.remedies] == keys
    return keys


WAITS = "shop.calls.authorise.claims.timeout: 1100ms"
REVERSES = "shop.calls.authorise.claims.on_unknown: reverse"


def test_what_was_left_too_early_has_to_wait_longer(tmp_path: Path) -> None:
    assert remedies(tmp_path, CLAIM, unknown("timeout"))[0] == WAITS


@pytest.mark.parametrize("result", ["http_error", "reset", "malformed"])
def test_an_error_is_no_reason_to_wait_longer(tmp_path: Path, result: str) -> None:
    assert remedies(tmp_path, CLAIM, unknown(result, code="503")) == [REVERSES]


def test_nor_is_the_timeout_of_another_call(tmp_path: Path) -> None:
    calls = unknown("http_error"), unknown("timeout", caller="processor-a")
    assert WAITS not in remedies(tmp_path, CLAIM, *calls)


def test_a_deadline_is_too_short_for_those_who_left_only(tmp_path: Path) -> None:
    claims = {"timeout": "5s", "on_unknown": "reverse"}
    left = remedies(tmp_path, claims, unknown("timeout", caller="customer"))
    assert [key.partition(":")[0] for key in left] == ["deadline"]
    assert remedies(tmp_path, claims, unknown("http_error")) == []


def test_code_that_claims_nothing_has_to_clear_up_what_it_leaves_unknown(tmp_path: Path) -> None:
    assert remedies(tmp_path, {"timeout": "2s"}, unknown("http_error")) == [REVERSES]
    # It claims that already: what it does instead stands beside the claim in the report.
    claims = {"timeout": "2s", "on_unknown": "reverse"}
    assert remedies(tmp_path, claims, unknown("http_error")) == []


def test_a_weakness_that_no_payment_shows_is_no_cause(tmp_path: Path) -> None:
    claims = {"timeout": "2s", "on_unknown": "give_up"}
    assert remedies(tmp_path, claims, unknown("http_error")) == [REVERSES]
    assert remedies(tmp_path, claims) == []
