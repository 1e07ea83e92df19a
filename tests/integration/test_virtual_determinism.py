"""One seed has one history: across processes, hash seeds, Python versions and other loops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest

from paychain.environment.trace import main as write_trace
from tests.support.chains import shop
from tests.support.fetched import CACHE
from tests.support.laws import IS_THOROUGH
from tests.support.paths import SOURCES
from tests.support.runs import declare, result_of
from tests.support.tiers import only

VENVS = CACHE / "pythons"  # one environment per Python, made once
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
NEEDS = (
    "httptools",
    "msgspec",
    "pydantic",
    "PyYAML",
    "requests",
    "toxiproxy-python",
    "cryptography",
)
SCREEN = {"to": "fraud", "timeout": "300ms", "fallback": [{"skip": {"up_to": "50.00"}}]}
CHAIN = shop(
    gateway={"calls": {"screen": SCREEN}},
    authorise={
        "retry": {"attempts": 2, "backoff": "50ms", "on": ["refused", "reset"]},
        "breaker": {
            "failure_rate": "50%",
            "window": "2s",
            "minimum_calls": 10,
            "open_for": "1s",
            "probes": 2,
        },
    },
    issuer={"declines": {"share": "5%"}},
    links={"fraud": {"role": "fraud"}},
)
EXPERIMENT = """\
experiment: everything
tolerances: {}
load: {arrivals: 40/s, warm_up: 500ms, before: 500ms, after: 1s}
faults:
  - {id: cut, at: 0s, for: 1s, target: {link: processor-a}, reset: {after: 1ms, share: 30%}}
  - {id: slow, at: 1s, for: 1s, target: {link: issuer}, latency: {delay: 200ms, jitter: 150ms}}
  - {id: lost, at: 2s, for: 1s, target: {link: processor-a}, lost_answer: {share: 50%}}
  - {id: gone, at: 3s, for: 1s, target: {link: processor-b}, down: {}}
  - {id: hole, at: 3s, for: 1s, target: {link: fraud}, blackhole: {}}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("declared")
    declare(folder, shop=CHAIN, everything=EXPERIMENT)
    return folder / "shop.yaml", folder / "everything.yaml"


def trace(
    files: tuple[Path, Path],
    folder: Path,
    *,
    hash_seed: str,
    python: str = sys.executable,
    seed: int = 7,
) -> str:
    """The digest of every record of one run in a process of its own."""
    out = folder / "trace"
    done = subprocess.run(
        [python, "-m", "paychain.environment.trace", *files, str(seed), out],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCES)},
        timeout=100,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    data = out.read_bytes()
    assert len(data) > 50_000  # 240 payments leave about 1,000 records
    return sha256(data).hexdigest()


@pytest.mark.law
def test_another_seed_leaves_other_bytes(tmp_path: Path) -> None:
    short = EXPERIMENT.partition("faults:")[0].replace("40/s", "20/s")
    declare(tmp_path, shop=CHAIN, short=short)
    out = tmp_path / "trace"

    def trace_of(seed: int) -> bytes:
        write_trace(
            *(str(tmp_path / f"{name}.yaml") for name in ("shop", "short")), str(seed), str(out)
        )
        return out.read_bytes()

    first, again, other = map(trace_of, (7, 7, 8))
    assert first == again != other


@pytest.mark.slow
@pytest.mark.law
def test_processes_with_other_hash_seeds_leave_the_same_bytes(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    first = trace(files, tmp_path, hash_seed="0")
    assert trace(files, tmp_path, hash_seed="777") == first
    if IS_THOROUGH:
        assert trace(files, tmp_path, hash_seed="0", seed=8) != first


def python_of(version: str) -> str:
    """An interpreter of this version that has what a simulation needs; skips without one."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    needed = sha256(" ".join(NEEDS).encode()).hexdigest()[:8]
    made = VENVS / f"{version}-{needed}"
    if not made.exists():
        base = next(_installed(version), None)
        if base is None:
            pytest.skip(f"no Python {version} on this machine")
        # The tests of another checkout may make it as well: whoever is first keeps its own.
        new = VENVS / f"{made.name}-{os.getpid()}"
        for command in (
            [base, "-m", "venv", "--clear", new],
            [new / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", *NEEDS],
        ):
            done = subprocess.run(
                [str(part) for part in command],
                timeout=300,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                pytest.skip(f"Python {version} cannot be set up: {done.stderr.strip()[-300:]}")
        with suppress(OSError):
            new.rename(made)
    return str(made / "bin" / "python")


def _installed(version: str) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))):
        if found is not None:
            works = subprocess.run([str(found), "-c", ""], check=False, capture_output=True)
            if works.returncode == 0:
                yield str(found)


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("version", only({"3.13"}, VERSIONS))
def test_every_supported_python_leaves_the_same_bytes(
    version: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    here = trace(files, tmp_path, hash_seed="random")
    assert trace(files, tmp_path, hash_seed="random", python=python_of(version)) == here


@pytest.mark.slow
@pytest.mark.law
def test_results_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    """The pair has calls of unknown outcome that are equally frequent."""
    results = []
    for hash_seed in ("0", "1", "2"):
        out = tmp_path / hash_seed
        words = ["run", "card-single-provider", "aws-us-east-1-2025-10-20", "--seed", "1"]
        words += ["--virtual", "--exit-zero", "--out", str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "paychain.cli", *words],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCES)},
            timeout=100,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        results.append(result_of(tmp_path, hash_seed))
    first, *others = [json.dumps(result["money"]) for result in results]
    assert others == [first, first]
