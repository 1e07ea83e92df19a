"""ASGI applications in virtual time: one history, and a real run's verdict."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import PaymentRecord
from paychain.payments.journal_frames import decode
from paychain.payments.outcome import Outcome
from paychain.processes.children import python_module
from paychain.testing import start_chain
from tests.support.async_shop import STRIPE, shop_in
from tests.support.async_shops import FASTAPI, STREAMS

EXPERIMENT = """\
experiment: answers-lost
tolerances: {}
load: {arrivals: 10/s, warm_up: 500ms, before: 500ms, after: 1s}
faults:
  - {at: 0s, for: 1s, target: {link: first}, lost_answer: {}}
"""


def trace_of(folder: Path, seed: int, hash_seed: int) -> str:
    trace = folder / f"trace-{hash_seed}"
    words = [str(folder / "chain.yaml"), str(folder / "lost.yaml"), str(seed), str(trace)]
    subprocess.run(
        python_module("paychain.environment.trace", *words),
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=True,
        timeout=120,
    )
    return sha256(trace.read_bytes()).hexdigest()


@pytest.mark.thorough  # test_virtual_determinism.py has other hash seeds for a chain of mocks
@pytest.mark.parametrize("code", [STRIPE, FASTAPI, STREAMS], ids=["stripe", "fastapi", "streams"])
def test_three_processes_have_one_history(code: str, tmp_path: Path) -> None:
    shop_in(tmp_path, code)
    tmp_path.joinpath("lost.yaml").write_text(EXPERIMENT, "utf-8")
    histories = [trace_of(tmp_path, 1, hash_seed) for hash_seed in (0, 1, 2)]
    assert len(set(histories)) == 1
    # What they all did: answers of one were lost, and the shop paid at the other processor.
    records, _ = decode(tmp_path.joinpath("trace-0").read_bytes())
    outcomes = {each.outcome for each in records if isinstance(each, PaymentRecord)}
    assert outcomes == {Outcome.APPROVED}
    asked = {each.link for each in records if isinstance(each, ReceivedRequest)}
    assert asked >= {"first", "second"}


@pytest.mark.slow
def test_its_verdict_is_that_of_its_process(tmp_path: Path) -> None:
    shop_in(tmp_path, STRIPE)
    seen = []
    for real in (False, True):
        with start_chain(str(tmp_path / "chain.yaml"), real=real) as chain:
            with chain.fault("first", "lost_answer"):
                paid = [str(each.outcome) for each in chain.pay(2)]
            script = [{"link": "first", "operation": "authorise", "lost_answer": {}}]
            paid += [str(each.outcome) for each in chain.pay(2, script=script)]
            broken = [rule for rule in chain.money().rules if rule.payments]
            seen.append((paid, sorted((rule.rule, len(rule.payments)) for rule in broken)))
    assert seen[0] == seen[1]
    assert seen[0] == (["approved"] * 4, [("no_double_charge", 4)])
