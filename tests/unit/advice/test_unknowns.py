"""What clears up outcomes that nobody knows, in the order in which it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.advice.advise import rule_with_remedies
from paychain.advice.case import MAX_REMEDIES, Case
from paychain.analysis.measures.measures import MoneyRule, UnknownCall
from paychain.model.loading import load_chain, load_experiment
from tests.support.chains import experiment
from tests.support.own_chains import own_shop

ON_DISK = "processor-a: links.processor-a.outbox: disk"
ALSO_ON_DISK = "processor-b: links.processor-b.outbox: disk"
REVERSES = "shop.authorise: links.shop.calls.authorise.claims.on_unknown: reverse"
ASKS = "customer: customer.retry: {after: 2990ms}"


def unknown(caller: str, operation: str, callee: str) -> UnknownCall:
    return UnknownCall(
        caller=caller, operation=operation, callee=callee, result="reset", code="", payments=1
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("link: processor-a", [ON_DISK, REVERSES, ASKS]),
        # There is no room for all.
        ("role: processor", [ON_DISK, ALSO_ON_DISK, REVERSES]),
        ("link: issuer", [REVERSES, ASKS]),
    ],
)
@pytest.mark.parametrize(
    "rule",
    [
        "no_double_charge",
        "no_orphaned_authorisation",
        "no_charge_after_a_decline",
        "unknowns_resolved",
    ],
)
def test_what_was_lost_comes_before_what_code_left_and_what_customers_may_ask(
    tmp_path: Path, rule: str, target: str, expected: list[str]
) -> None:
    (tmp_path / "c.yaml").write_text(
        own_shop(
            entry="edge",
            deadline="5s",
            call={
                "to": "processor-a",
                "fallback": [{"to": "processor-b"}],
                "claims": {"timeout": "1s"},
            },
            links={"edge": {"role": "edge", "calls": {"forward": {"to": "shop", "timeout": "2s"}}}},
        )
    )
    fault = f"{{id: f, at: 1s, for: 1s, target: {{{target}}}, crash: {{}}}}"
    (tmp_path / "e.yaml").write_text(experiment(fault))
    chain = load_chain(str(tmp_path / "c.yaml"))
    case = Case(
        chain=chain, experiment=load_experiment(str(tmp_path / "e.yaml"), chain.model).model
    )
    calls = [unknown("customer", "pay", "edge"), unknown("shop", "authorise", "processor-a")]
    found = rule_with_remedies(MoneyRule(rule, rule, 2, 2_000, [], unknown=calls), case).remedies
    assert len(found) <= MAX_REMEDIES
    assert [f"{each.at}: {each.key}: {each.value}" for each in found] == expected
