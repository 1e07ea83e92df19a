"""Both engines under the faults of the shipped experiments: same verdict, same break points."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.report.result import Result, read

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
CHAIN = """\
chain: region-shop
entry: gateway
providers: {region: {kind: cloud}}
links:
  gateway:
    role: gateway
    calls: {authorise: {to: processor, timeout: 1s, on_unknown: reverse}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 800ms}}}
  issuer: {role: issuer, provider: region}
"""
HEAD = "experiment: {name}\nload: {{arrivals: 40/s, warm_up: 500ms, before: 1500ms, after: 1s}}\n"


def played(folder: Path, chain: str, name: str, engines: list[str]) -> list[Result]:
    """One run for each engine, all at once."""
    mine, experiment = folder / "region-shop.yaml", folder / f"{name}.yaml"
    mine.write_text(CHAIN)
    experiment.write_text(HEAD.format(name=name) + EXPERIMENTS[chain, name])
    runs = []
    for number, engine in enumerate(engines):
        command = [
            sys.executable, "-m", "harness.cli", "run", str(mine) if chain == mine.stem else chain,
            str(experiment), "--out", str(folder / str(number)), "--quiet", "--toxiproxy", engine,
        ]  # fmt: skip
        runs.append(subprocess.Popen(command))
    for one in runs:
        one.wait(timeout=90)
    return [read(next((folder / str(number)).iterdir())) for number, _ in enumerate(engines)]


def break_points(result: Result) -> set[tuple[str, str]]:
    """Where payments broke, but for what hit fewer than one in ten of them."""
    broke = Counter[tuple[str, str]]()
    for one in result.breaks:
        broke[one.caller, one.callee] += one.payments
    return {hop for hop, payments in broke.items() if payments * 10 >= broke.total()}


@pytest.mark.slow
@pytest.mark.real_toxiproxy
@pytest.mark.parametrize(("chain", "name"), list(EXPERIMENTS))
def test_both_engines_come_to_the_same_verdict_and_the_same_break_points(
    toxiproxy_server: str, tmp_path: Path, chain: str, name: str
) -> None:
    ours, theirs = played(tmp_path, chain, name, ["embedded", toxiproxy_server])
    assert (ours.engine.name, theirs.engine.name) == ("embedded", "toxiproxy")
    assert ours.verdict == theirs.verdict != "inconclusive", (ours.reasons, theirs.reasons)
    assert break_points(ours) == break_points(theirs) != set()
    assert [fault.errors for fault in theirs.faults] == [[] for _ in theirs.faults]
    for fault in ours.faults:
        assert fault.hits, fault
    for fault in theirs.faults:  # a real server cannot say what it hit
        assert (fault.hits is None) == (fault.place == "hop")
