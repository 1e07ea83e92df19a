"""What a user's repository does with paychain: init, the plugin, the fixture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from paychain.payments.errors import UserError
from paychain.testing import start_chain
from tests.support.chains import experiment, shop
from tests.support.cli import invoked, paychain, python
from tests.support.runs import declare
from tests.support.tiers import thorough

THEIR_SETTINGS = """\
[pytest]
addopts = -p not_installed_here
required_plugins = pytest-not-installed-here
"""


@pytest.mark.slow
@pytest.mark.long(30)
@pytest.mark.parametrize(
    ("ci", "place", "steps"),
    [
        (
            "github",
            ".github/workflows/paychain.yml",
            lambda flow: [
                step["run"] for step in flow["jobs"]["resilience"]["steps"] if "run" in step
            ],
        ),
        thorough(("gitlab", ".gitlab-ci.yml", lambda flow: flow["paychain"]["script"])),
    ],
)
def test_what_init_writes_runs_as_the_workflow_says(
    tmp_path: Path, ci: str, place: str, steps: object
) -> None:
    # Tests that the repository has, with plugins and modules that the workflow does not install.
    (tmp_path / "pytest.ini").write_text(THEIR_SETTINGS)
    (tmp_path / "conftest.py").write_text("import not_installed_here\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_theirs.py").write_text("import not_installed_here\n")
    made = invoked(tmp_path, "init", "--ci", ci)
    assert made.exit_code == 0, made.stderr
    flow = yaml.safe_load((tmp_path / place).read_text())
    commands = steps(flow)  # type: ignore[operator]  # one of the parameters
    _, _, installed = commands[0].split()
    assert (tmp_path / installed).suffix == ".whl"  # of this very copy; no name on an index
    assert (tmp_path / installed).is_file()
    for command in commands[1:]:
        tool, *words = command.split()
        if ci == "gitlab" and words[0] == "run":
            continue  # the same real run as in the other workflow
        if tool == "pytest":
            done = python(tmp_path, "-m", tool, *words)
        else:
            done = (paychain if words[0] == "run" else invoked)(tmp_path, *words)
        assert done.exit_code == 0, f"{command}\n{done.stdout}{done.stderr}"
        if tool == "pytest":
            assert "2 passed" in done.stdout
    again = invoked(tmp_path, "init", "--ci", ci)
    assert "written" not in again.stdout


OUR_KEYS = {"paychain_chains": "mine/shop.yaml", "paychain_experiments": "drills"}


def collected(folder: Path, *words: str) -> list[str]:
    """The experiments that pytest finds there."""
    done = python(folder, "-m", "pytest", *words, "--collect-only", "-q")
    assert done.exit_code == 0, done.stdout + done.stderr
    return sorted(line for line in done.stdout.splitlines() if ".yaml::" in line)


def test_the_keys_of_the_plugin_count_in_the_workflow_of_init(tmp_path: Path) -> None:
    invoked(tmp_path, "init")
    for folder in ("mine", "drills"):
        (tmp_path / folder).mkdir()
    declare(tmp_path / "mine", shop=shop())
    (tmp_path / "drills" / "deep").mkdir()
    declare(tmp_path / "drills" / "deep", lost=EXPERIMENT)
    (tmp_path / "chains" / "other.yaml").write_text(shop())
    flow = yaml.safe_load((tmp_path / ".github/workflows/paychain.yml").read_text())
    steps = [step.get("run", "") for step in flow["jobs"]["resilience"]["steps"]]
    (command,) = (step for step in steps if step.startswith("pytest "))
    words = command.split()[1:]
    outage = "chaos/processor-outage.yaml::"
    assert collected(tmp_path, *words) == [f"{outage}other", f"{outage}shop"]
    settings = tmp_path / ".paychain/pytest.ini"
    text = settings.read_text()
    for key, value in OUR_KEYS.items():
        text, changed = re.subn(rf"^# {key} = .*$", f"{key} = {value}", text, flags=re.M)
        assert changed == 1, key
    settings.write_text(text)
    found = collected(tmp_path, *words, "drills")
    assert found == [f"{outage}shop", "drills/deep/lost.yaml::shop"]
    # On the user's own machine nothing of it counts.
    assert collected(tmp_path, "chaos") == [f"{outage}other", f"{outage}shop"]


def declared(folder: Path, on_unknown: str = "reverse") -> str:
    """The path of a shop with a provider."""
    declare(folder, shop=shop(on_unknown=on_unknown))
    return str(folder / "shop.yaml")


@pytest.mark.parametrize("real", [False, thorough(True)])
def test_a_failover_in_a_test_charges_once_with_a_reversal(tmp_path: Path, real: bool) -> None:
    with start_chain(declared(tmp_path), real=real) as chain:
        assert len(chain.pay(5, amount="10.00").approved) == 5
        with chain.fault("processor-a", "lost_answer"):
            paid = chain.pay(5, amount="10.00")
        assert paid.technical_success == 1
        assert len(chain.decisions("failover")) == 5
        chain.assert_money_right()
        assert chain.book("processor-b")["authorised"] == "50.00 EUR"


@pytest.mark.parametrize("real", [False, True])
def test_a_double_charge_fails_the_test_and_names_the_payment(tmp_path: Path, real: bool) -> None:
    with start_chain(declared(tmp_path, "give_up"), real=real) as chain:
        with chain.fault("gateway.authorise", "lost_answer"):
            chain.pay(2, amount="10.00")
        with pytest.raises(AssertionError, match=r"no double charge: p0000001: 20\.00 EUR held"):
            chain.assert_money_right()


def test_faults_heal_at_the_end_of_their_block_and_compose(tmp_path: Path) -> None:
    with start_chain(declared(tmp_path)) as chain:
        with chain.fault("gateway -> processor-a", "down"):
            with chain.fault("processor-b", "http_error", status=503):
                assert chain.pay(3).technical_success == 0
            assert chain.pay(3).technical_success == 1
        before = len(chain.decisions("failover"))
        chain.advance("5s")
        assert chain.pay(3).technical_success == 1
        assert len(chain.decisions("failover")) == before  # the primary is back


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("procesor-a", "down", "the chain has no link or provider called 'procesor-a'"),
        ("processor-a", "latency", "delay"),
        ("processor-a", "decline", "unknown response code 'XX'"),
        ("gateway.capture", "down", "unknown call 'gateway.capture'"),
    ],
)
def test_a_fault_that_its_target_cannot_have_is_a_mistake(
    tmp_path: Path, target: str, kind: str, message: str
) -> None:
    parameters = {"code": "XX"} if kind == "decline" else {}
    with (
        start_chain(declared(tmp_path)) as chain,
        pytest.raises(UserError, match=message),
        chain.fault(target, kind, **parameters),
    ):
        pass


EXPERIMENT = experiment(
    "{at: 0s, for: 2s, target: {link: processor-a}, lost_answer: {}}",
    name="answers-lost",
    arrivals="20/s",
    warm_up="0s",
    before="2s",
    tolerances="{double_charges: 0}",
)


def test_experiment_files_are_tests_and_say_what_broke(pytester: pytest.Pytester) -> None:
    chains, chaos = pytester.mkdir("chains"), pytester.mkdir("chaos")
    declared(chains, "give_up")
    declare(
        chaos,
        lost=EXPERIMENT,
        other="kind: something else\n",
        bad=EXPERIMENT.replace("20/s", "20"),
    )
    done = pytester.runpytest_inprocess("chaos", "--continue-on-collection-errors")
    output = str(done.stdout)
    assert "'20' has no unit" in output
    assert "other.yaml" not in output
    assert done.ret == 1
    assert "1 failed" in output
    assert "double charge" in output
    assert "--virtual" in output  # the line that repeats it
    (chaos / "bad.yaml").unlink()
    declared(chains, "reverse")
    done = pytester.runpytest_inprocess("chaos")
    assert done.ret == 0, str(done.stdout)
