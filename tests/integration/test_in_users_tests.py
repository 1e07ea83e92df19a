"""What a user's repository does with paychain: init, the plugin, the fixture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.payments.errors import UserError
from harness.testing import start_chain


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, check=False, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ci", "place", "steps"),
    [
        pytest.param(
            "github", ".github/workflows/paychain.yml",
            lambda flow: [
                one["run"] for one in flow["jobs"]["resilience"]["steps"] if "run" in one
            ], marks=pytest.mark.slow,
        ),
        ("gitlab", ".gitlab-ci.yml", lambda flow: flow["paychain"]["script"]),
    ],
)  # fmt: skip
def test_what_init_writes_runs_as_the_workflow_says(
    tmp_path: Path, ci: str, place: str, steps: object
) -> None:
    made = run(tmp_path, "harness.cli", "init", "--ci", ci)
    assert made.returncode == 0, made.stderr
    flow = yaml.safe_load((tmp_path / place).read_text())
    commands = steps(flow)  # type: ignore[operator]
    assert commands[0] == "pip install paychain"
    for command in commands[1:]:
        tool, *words = command.split()
        if ci == "gitlab" and words[0] == "run":
            continue  # the same real run as in the other workflow
        module = {"paychain": ["harness.cli"], "pytest": ["pytest"]}[tool]
        done = run(tmp_path, *module, *words)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if tool == "pytest":
            assert "2 passed" in done.stdout
    again = run(tmp_path, "harness.cli", "init", "--ci", ci)
    assert "written" not in again.stdout


CHAIN = """\
chain: shop
entry: gateway
deadline: 3s
providers: {cloud: {kind: cloud}}
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor-a
        timeout: 600ms
        on_unknown: ON_UNKNOWN
        fallback: [{to: processor-b}]
  processor-a: {role: processor, provider: cloud, calls: {authorise: {to: issuer, timeout: 300ms}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  issuer: {role: issuer}
"""


def shop(folder: Path, on_unknown: str = "reverse") -> str:
    path = folder / "shop.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", on_unknown))
    return str(path)


@pytest.mark.parametrize("real", [False, True])
def test_a_failover_in_a_test_charges_once_with_a_reversal(tmp_path: Path, real: bool) -> None:
    with start_chain(shop(tmp_path), real=real) as chain:
        assert len(chain.pay(5, amount="10.00").approved) == 5
        with chain.fault("processor-a", "lost_answer"):
            paid = chain.pay(5, amount="10.00")
        assert paid.technical_success == 1
        assert len(chain.decisions("failover")) == 5
        chain.assert_money_right()
        assert chain.book("processor-b")["authorised"] == "50.00 EUR"


@pytest.mark.parametrize("real", [False, True])
def test_a_double_charge_fails_the_test_and_names_the_payment(tmp_path: Path, real: bool) -> None:
    with start_chain(shop(tmp_path, "give_up"), real=real) as chain:
        with chain.fault("gateway.authorise", "lost_answer"):
            chain.pay(2, amount="10.00")
        with pytest.raises(AssertionError, match=r"no double charge: p0000001: 20\.00 EUR held"):
            chain.assert_money_right()


def test_faults_heal_at_the_end_of_their_block_and_compose(tmp_path: Path) -> None:
    with start_chain(shop(tmp_path)) as chain:
        with chain.fault("gateway -> processor-a", "down"):
            with chain.fault("processor-b", "http_error", status=503):
                assert chain.pay(3).technical_success == 0
            assert chain.pay(3).technical_success == 1
        before = len(chain.decisions("failover"))
        chain.advance("5s")
        assert chain.pay(3).technical_success == 1
        assert len(chain.decisions("failover")) == before  # the primary is back


@pytest.mark.parametrize(
    ("target", "kind", "said"),
    [
        ("procesor-a", "down", "nothing in the chain is called 'procesor-a'"),
        ("processor-a", "latency", "delay"),
        ("processor-a", "decline", "unknown response code 'XX'"),
        ("gateway.capture", "down", "unknown call 'gateway.capture'"),
    ],
)
def test_a_fault_that_cannot_be_is_told(tmp_path: Path, target: str, kind: str, said: str) -> None:
    parameters = {"code": "XX"} if kind == "decline" else {}
    with (
        start_chain(shop(tmp_path)) as chain,
        pytest.raises(UserError, match=said),
        chain.fault(target, kind, **parameters),
    ):
        pass


EXPERIMENT = """\
experiment: answers-lost
load: {arrivals: 20/s, warm_up: 0s, before: 2s, after: 2s}
faults: [{at: 0s, for: 2s, target: {link: processor-a}, lost_answer: {}}]
tolerances: {double_charges: 0}
"""


def test_experiment_files_are_tests_and_say_what_broke(tmp_path: Path) -> None:
    (tmp_path / "chains").mkdir()
    (tmp_path / "chaos").mkdir()
    shop(tmp_path / "chains", "give_up")
    (tmp_path / "chaos" / "lost.yaml").write_text(EXPERIMENT)
    (tmp_path / "chaos" / "other.yaml").write_text("kind: something else\n")
    (tmp_path / "chaos" / "bad.yaml").write_text(EXPERIMENT.replace("20/s", "20"))
    done = run(tmp_path, "pytest", "chaos", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    assert "'20' has no unit" in done.stdout
    assert "other.yaml" not in done.stdout
    (tmp_path / "chaos" / "bad.yaml").unlink()
    done = run(tmp_path, "pytest", "chaos", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "double charge" in done.stdout
    assert "--virtual" in done.stdout  # the line that repeats it
    shop(tmp_path / "chains", "reverse")
    done = run(tmp_path, "pytest", "chaos", "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    assert done.returncode == 0, done.stdout
