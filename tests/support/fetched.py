"""Foreign tools and SDKs that tests fetch once, in a cache outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("PAYCHAIN_TEST_CACHE", Path.home() / ".cache" / "paychain-tests"))
FETCH_S = 300.0
# A program of some seconds: to compile it for speed takes longer than it runs.
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


def tool(name: str, why: str) -> str:
    """The path of a tool; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{why}: {name} is not installed")
    return found


def fetched(command: Sequence[str], result: Path, *, cwd: Path | None = None, **env: str) -> Path:
    """What a command fetches, fetched before or now; skips where it cannot be had."""
    if problem := _made(command, result, cwd, env):
        pytest.skip(f"{result.name} cannot be fetched: {problem}")
    return result


def built(command: Sequence[str], result: Path, *, cwd: Path | None = None) -> Path:
    """What a command makes of sources of ours, made before or now: it must succeed."""
    problem = _made(command, result, cwd, {})
    assert not problem, f"{result.name} cannot be built: {problem}"
    return result


def _made(command: Sequence[str], result: Path, cwd: Path | None, env: dict[str, str]) -> str:
    """What went wrong, "" if the result is there."""
    if result.exists():
        return ""
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=cwd or CACHE,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=FETCH_S,
        check=False,
    )
    if done.returncode == 0 and result.exists():
        return ""
    return (done.stderr or done.stdout)[-300:] or f"exit code {done.returncode}"
