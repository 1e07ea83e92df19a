"""The plugin is loaded in every pytest of an environment, also where nobody uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What a collection imports must be there before: pytester removes what it imported in this process,
# and extension modules cannot be imported twice.
import paychain.model.loading
import paychain.runs.matrix  # noqa: F401  (see above)
from tests.support.chains import corner_shop

Collected = Callable[..., set[str]]
EXPERIMENT = """\
experiment: nothing-happens
load: {arrivals: 20/s, warm_up: 0s, before: 1s, after: 1s}
tolerances: {double_charges: 0}
"""
CHAIN = corner_shop()
PLACES = ("chaos/a", "chaos/deep/b", "reports/run/inputs/c", "suite/d", "suite/deep/e")
# Imports of these fail as they would where the working directory has a broken module of that name.
HIDDEN = """\
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("requests", "urllib3", "toxiproxy", "locust", "gevent"):
            raise RuntimeError(name)
sys.meta_path.insert(0, Hidden())
# As in tests/conftest.py: Hypothesis would parse the whole package for its constants.
from hypothesis.internal.conjecture import providers
providers._get_local_constants = lambda: providers._local_constants
"""


@pytest.fixture
def repository(pytester: pytest.Pytester) -> Path:
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(test_x="def test_x(): pass\n")
    for place in PLACES:
        path = pytester.path / f"{place}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(EXPERIMENT)
    (pytester.mkdir("chains") / "shop.yaml").write_text(CHAIN)
    return pytester.path


@pytest.fixture
def collected(repository: Path, pytester: pytest.Pytester) -> Collected:
    """The experiments that a pytest in the repository collects."""

    def collect(*arguments: str) -> set[str]:
        done = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
        lines = done.outlines
        return {line.partition(".yaml::")[0] for line in lines if ".yaml::" in line}

    return collect


def pytest_in(folder: Path, *arguments: str) -> str:
    """The output of a pytest of its own, which has the folder first on its path.

    The plugin is named: of one that it finds, pytest compiles the whole package anew. That it is
    found `collected` shows.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "paychain.testing.plugin", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return done.stdout + done.stderr


def test_only_experiments_of_the_folder_chaos_are_tests(collected: Collected) -> None:
    assert collected() == {"chaos/a", "chaos/deep/b"}
    assert collected(".") == {"chaos/a", "chaos/deep/b"}


def test_an_experiment_that_is_given_is_a_test_wherever_it_is(
    collected: Callable[..., set[str]],
) -> None:
    assert collected("suite/deep/e.yaml") == {"suite/deep/e"}
    assert collected("suite/d.yaml::shop") == {"suite/d"}
    assert collected("suite") == {"suite/d"}  # and not what lies deeper
    assert collected("chaos/deep") == {"chaos/deep/b"}


def test_the_ini_file_names_other_folders(repository: Path, collected: Collected) -> None:
    (repository / "pytest.ini").write_text("[pytest]\npaychain_experiments =\n  suite\n  none\n")
    assert collected() == {"suite/d", "suite/deep/e"}
    assert collected("chaos") == {"chaos/a"}


def test_folders_of_testpaths_are_not_given_on_the_command_line(
    repository: Path, collected: Collected
) -> None:
    (repository / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n")
    assert collected() == set()


@pytest.mark.slow
def test_workers_of_xdist_collect_what_was_given(repository: Path) -> None:
    (repository / "pytest.ini").write_text("[pytest]\ntestpaths = chaos\n")
    assert "1 passed" in pytest_in(repository, "-p", "xdist", "-n", "1", "suite")


def test_a_file_that_is_no_yaml_of_ours_is_left_alone(
    repository: Path, collected: Collected
) -> None:
    (repository / "chaos" / "big.yaml").write_text("experiment: x\n" + "#" * 1_000_000)
    (repository / "chaos" / "other.yaml").write_text("kind: Other\n")
    assert collected() == {"chaos/a", "chaos/deep/b"}


def test_loading_the_plugin_imports_pytest_and_the_standard_library_only() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import paychain.testing.plugin; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"paychain"}


def test_virtual_time_imports_neither_locust_nor_an_http_client(repository: Path) -> None:
    (repository / "conftest.py").write_text(HIDDEN)
    (repository / "test_x.py").write_text(
        "from paychain.testing import explore_chain, start_chain\n"
        "def test_a_payment(paychain):\n"
        "    assert paychain('chains/shop.yaml').pay(2).technical_success == 1\n"
        "def test_a_search():\n"
        "    explore_chain('chains/shop.yaml', schedules=2, rules=['no_double_charge'])\n"
    )
    assert "3 passed" in pytest_in(repository, "chaos/a.yaml", "test_x.py")


@pytest.mark.slow
def test_a_real_chain_names_the_file_that_hides_a_package(repository: Path) -> None:
    (repository / "requests.py").write_text("raise RuntimeError\n")
    (repository / "test_x.py").write_text(
        "def test_a_payment(paychain):\n    paychain('chains/shop.yaml')\n"
    )
    output = pytest_in(repository, "--paychain-real", "chaos/a.yaml", "test_x.py")
    assert "2 failed" in output or "1 failed, 1 error" in output
    assert output.count("requests.py hides the package requests") >= 2


@pytest.mark.slow
def test_a_test_may_say_itself_that_its_chain_is_real(repository: Path) -> None:
    """A suite has chains of mocks beside one with a service, which virtual time cannot reach."""
    (repository / "requests.py").write_text("raise RuntimeError\n")  # only a real chain imports it
    (repository / "test_x.py").write_text(
        "def test_virtual(paychain):\n    assert paychain('chains/shop.yaml').pay(1)\n"
        "def test_real(paychain):\n    paychain('chains/shop.yaml', real=True)\n"
    )
    output = pytest_in(repository, "test_x.py")
    assert "1 failed, 1 passed" in output
    assert "requests.py hides the package requests" in output
