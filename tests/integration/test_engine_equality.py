"""Both engines under the faults of the shipped experiments: same verdict, same break points."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from paychain.report.result import Result, read
from tests.support.chains import corner_shop
from tests.support.cli import DISTURBED, paychain
from tests.support.runs import declare, run_in
from tests.support.tiers import only

# The kinds, targets and shapes that the shipped experiments use on hops, each in a few seconds.
# Shares are whole: a real server draws them anew in every run.
EXPERIMENTS = {
    # chaos/faults/processor-down.yaml; one processor, nowhere to fail over to
    ("card-single-provider", "processor-down"): """\
faults:
  - {id: gone, at: 0s, for: 2s, target: {link: processor-a}, down: {}}
tolerances: {technical_success: {before: ">= 99.9%", during: ">= 95%"}}
""",
    # chaos/outages/aws-us-east-1-2025-10-20.yaml
    ("region-shop", "region-flaps"): """\
faults:
  - id: flap
    at: 0s
    for: 3s
    target: {provider: region}
    flapping: {period: 1500ms, duty: 50%, fault: {reset: {}}}
tolerances: {technical_success: {before: ">= 99.9%", during: ">= 95%"}, double_charges: 0}
""",
    # chaos/outages/cloudflare-2025-11-18.yaml
    ("card-ecommerce", "edge-fails"): """\
faults:
  - {id: errors, at: 0s, for: 1500ms, target: {provider: cloudflare}, http_error: {status: 500}}
  - id: tail
    at: 1500ms
    for: 2s
    target: {provider: cloudflare}
    latency: {delay: 150ms, jitter: 50ms}
tolerances: {technical_success: {before: ">= 99.9%", during: ">= 95%", after: ">= 99.9%"}}
""",
}
# No retry, so that no repeat meets its own reversal: whether one does is a matter of milliseconds.
# No timeout is as short as a busy machine may be slow: all that breaks is reset.
CHAIN = corner_shop(
    on_unknown="reverse",
    timeout="14s",
    processor_timeout="12s",
    deadline="20s",
    providers={"region": {"kind": "cloud"}},
    issuer={"provider": "region"},
)
RUN_S = 140.0  # a run ends in this time, however busy the machine
HEAD = """\
experiment: {name}
load: {{arrivals: 20/s, warm_up: 500ms, before: 1500ms, after: 1s}}
"""


def played(folder: Path, chain: str, name: str, engines: list[str]) -> list[Result]:
    """One run for each engine."""
    experiment = HEAD.format(name=name) + EXPERIMENTS[chain, name]
    declare(folder, **{"region-shop": CHAIN, name: experiment})
    mine = "region-shop.yaml" if chain == "region-shop" else chain
    for number, engine in enumerate(engines):
        words = ["run", mine, f"{name}.yaml", "--out", str(number), "--quiet"]
        paychain(folder, *words, "--toxiproxy", engine)
    return [read(run_in(folder, str(number))) for number, _ in enumerate(engines)]


def break_points(result: Result) -> set[tuple[str, str]]:
    """Where payments broke, but for what hit fewer than one in ten of them."""
    broke = Counter[tuple[str, str]]()
    for place in result.breaks:
        broke[place.caller, place.callee] += place.payments
    return {hop for hop, payments in broke.items() if payments * 10 >= broke.total()}


def judged(result: Result) -> str:
    """The verdict; of a run that the machine disturbed, what it would be by all that broke."""
    if result.verdict != "inconclusive":
        return str(result.verdict)
    assert any(words in " ".join(result.reasons) for words in DISTURBED), result.reasons
    broken = [rule.rule for rule in result.money.rules if rule.findings]
    failed = [limit.measure for limit in result.tolerances if limit.passed is False]
    return "fail" if broken or failed else "pass"


@pytest.mark.slow
@pytest.mark.long(30)
@pytest.mark.real_toxiproxy
@pytest.mark.timeout(3 * RUN_S)
@pytest.mark.parametrize(("chain", "name"), only({("region-shop", "region-flaps")}, EXPERIMENTS))
def test_both_engines_come_to_the_same_verdict_and_the_same_break_points(
    toxiproxy_server: str, tmp_path: Path, chain: str, name: str
) -> None:
    ours, theirs = played(tmp_path, chain, name, ["embedded", toxiproxy_server])
    assert (ours.engine.name, theirs.engine.name) == ("embedded", "toxiproxy")
    assert judged(ours) == judged(theirs), (ours.reasons, theirs.reasons)
    assert break_points(ours) == break_points(theirs) != set()
    assert [fault.errors for fault in theirs.faults] == [[] for _ in theirs.faults]
    for fault in ours.faults:
        assert fault.hits, fault
    for fault in theirs.faults:  # a real server cannot say what it hit
        assert (fault.hits is None) == (fault.place == "hop")
