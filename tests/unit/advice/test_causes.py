"""A weakness is a cause only where a run did what it takes to matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.advice.advise import rule_with_remedies
from paychain.advice.case import Case
from paychain.analysis.measures.measures import MoneyRule
from paychain.model.loading import load_chain, load_experiment
from paychain.model.review import review
from tests.support.chains import experiment
from tests.support.paths import ROOT

DEPOSITS = (ROOT / "chains" / "exchange-deposit.yaml").read_text("utf-8")
# Two of three nodes must agree: here the provider of the wallet has two of those that scan.
AT_ONE = DEPOSITS.replace(
    "scan: &reads {",
    "scan: {to: node-own, timeout: 500ms, quorum: {with: [node-second, node-provider], agree: 2}}\n"
    "      read: {",
)
SECOND = "  node-second: {role: node, provider: hetzner-fsn1, calls: *node}\n"
AT_ONE = AT_ONE.replace("      read: *reads\n", "").replace("  node-own: ", f"{SECOND}  node-own: ")
SENDS = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    captures: {on: webhook}
    calls: {authorise: {to: processor, timeout: 2s, on_unknown: reverse}}
  processor:
    role: processor
    webhooks: {to: gateway, give_up_after: 5s}
    calls: {authorise: {to: issuer, on_unknown: reverse}}
  issuer: {role: issuer}
"""


def causes(folder: Path, text: str, fault: str, rule: str) -> list[tuple[str, str]]:
    """What of the review explains that a rule is broken: each weakness, and where it is."""
    (folder / "c.yaml").write_text(text)
    (folder / "e.yaml").write_text(experiment(f"{{id: f, at: 1s, for: 2s, {fault}}}"))
    chain = load_chain(str(folder / "c.yaml"))
    declared = load_experiment(str(folder / "e.yaml"), chain.model)
    case = Case(chain=chain, review=review(chain, declared), experiment=declared.model)
    broken = MoneyRule(rule, rule, 3, 3_000, [])
    return [(each.cause, each.at) for each in rule_with_remedies(broken, case).remedies]


@pytest.mark.parametrize(
    ("text", "fault", "is_cause"),
    [
        (AT_ONE, "target: {role: node}, lies: {}", True),
        (AT_ONE, "target: {link: node-own}, lies: {}", False),  # the other two outvote it
        (AT_ONE, "target: {role: node}, down: {}", False),
        (DEPOSITS, "target: {role: node}, lies: {}", False),  # at no provider alone
    ],
    ids=["all lie", "one lies", "all are away", "at two providers"],
)
def test_a_quorum_at_one_provider_is_the_cause_only_where_its_nodes_lied(
    tmp_path: Path, text: str, fault: str, is_cause: bool
) -> None:
    found = causes(tmp_path, text, fault, "no_credit_without_transfer")
    assert (("quorum_at_one_provider", "exchange.scan") in found) == is_cause


@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ("", "webhook_given_up_early"),
        (", bad_signatures: 50%", "webhook_given_up_early"),
        # Sent for ever, they would be refused for ever.
        (", bad_signatures: 100%", "webhook_refused"),
        (", clock_skew: 1h", "webhook_refused"),
    ],
)
def test_a_webhook_that_is_always_refused_is_not_sent_for_longer(
    tmp_path: Path, also: str, expected: str
) -> None:
    text = SENDS.replace("give_up_after: 5s", f"give_up_after: 5s{also}")
    fault = "target: {link: processor}, latency: {delay: 10ms}"
    assert causes(tmp_path, text, fault, "completed") == [(expected, "processor")]
