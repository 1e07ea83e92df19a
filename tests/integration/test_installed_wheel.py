"""The wheel in a repository whose own names are those of what we import."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.shared_runs import made_once

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
RAISES = "raise RuntimeError('imported from the working directory')\n"
CHAIN = """\
chain: shop
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 2s}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: slow-processor
load: {arrivals: 10/s, warm_up: 0s, before: 1s, after: 1s}
faults: [{at: 0s, for: 1s, target: {link: processor}, latency: {delay: 20ms}}]
tolerances: {double_charges: 0}
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel in it.

    What the wheel depends on is taken from this environment, so that nothing is downloaded. Its
    .pth files count for nothing there: a checkout that is installed here is not found.
    """
    return made_once(tmp_path_factory, "wheel", install) / "venv" / "bin"


def install(place: Path) -> None:
    """Build the wheel, and install it in a fresh environment, `venv` in a folder."""
    # Without hatchling here, pip fetches it for the build.
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    output(ROOT, sys.executable, "-m", "pip", "wheel", *isolation, "--no-deps", "-w", place, ROOT)
    (wheel,) = place.glob("paychain-*.whl")
    fresh = place / "venv"
    output(place, sys.executable, "-m", "venv", "--without-pip", fresh)
    python = fresh / "bin" / "python"
    words = ["-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    output(place, sys.executable, *words)
    path_of = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(output(place, python, "-c", path_of).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    found = output(place, python, "-c", "import paychain; print(paychain.__file__)")
    assert Path(found.strip()).is_relative_to(packages)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("harness/__init__.py", "locust/__init__.py", "requests.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(RAISES)
    for name, text in (
        ("tests/test_x.py", "def test_x(): pass\n"),
        ("chains/corner-shop.yaml", CHAIN),
        ("chaos/slow-processor.yaml", EXPERIMENT),
    ):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    return tmp_path


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def output(folder: Path, *words: object) -> str:
    done = run(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Two workers, below, are a real run as well.
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--virtual"], id="virtual"),
        pytest.param([], id="real", marks=pytest.mark.thorough),
    ],
)
def test_a_run_passes(programs: Path, repository: Path, options: list[str]) -> None:
    files = ("chains/corner-shop.yaml", "chaos/slow-processor.yaml")
    shown = output(repository, programs / "paychain", "run", *files, *options)
    assert "PASSED" in shown


def test_a_load_over_two_workers_passes(programs: Path, repository: Path) -> None:
    files = ("chains/corner-shop.yaml", "chaos/slow-processor.yaml")
    shown = output(repository, programs / "paychain", "run", *files, "--workers", "2")
    assert "PASSED" in shown


def test_pytest_passes(programs: Path, repository: Path) -> None:
    shown = output(repository, programs / "python", "-m", "pytest", "-v")
    assert "tests/test_x.py::test_x PASSED" in shown
    assert "chaos/slow-processor.yaml::corner-shop PASSED" in shown


@pytest.mark.thorough  # a load over two workers, above, is a real run
def test_real_chains_of_pytest_pass(programs: Path, repository: Path) -> None:
    words = ("-P", "-m", "pytest", "--paychain-real", "chaos")  # as the program pytest does
    shown = output(repository, programs / "python", *words)
    assert "1 passed" in shown


def test_chains_and_experiments_of_the_wheel_load_by_name(programs: Path, repository: Path) -> None:
    output(repository, programs / "paychain", "check", "card-ecommerce", "processor-down")


def test_the_pages_that_findings_cite_are_in_the_wheel(programs: Path, repository: Path) -> None:
    shown = output(repository, programs / "paychain", "docs", "domain", "§1.4")
    assert shown.startswith("### 1.4 ")
