from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from typer import testing as typer_testing

from paychain.payments.journal import Movement, MovementKind
from tests.support.compiled import compile_tests
from tests.support.laws import IS_THOROUGH, examples
from tests.support.paths import FETCHED
from tests.support.priority import giving_way, may_give_way, only_computes
from tests.support.spreading import spread
from tests.support.tiers import has_quick_tests

settings.register_profile("paychain", examples(100))  # no deadline: busy machines break no law
settings.load_profile("paychain")
if not IS_THOROUGH and hasattr(providers, "_get_local_constants"):
    # Hypothesis now and then tries a constant of our code. To find those, every worker would parse
    # the whole package first, which takes longer than most laws.
    providers._get_local_constants = lambda: providers._local_constants
if hasattr(typer_testing, "_get_command"):
    # For each command that a test calls, typer would look at the parameters of all of them.
    typer_testing._get_command = cache(typer_testing._get_command)
# Tests start hundreds of processes of this package: none should have to compile all of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
gc.disable()  # until all tests are collected: what that makes stays
# Beside other workers, which may be amid a real run.
GIVES_WAY = "PYTEST_XDIST_WORKER" in os.environ and may_give_way()
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"


def lasts_s(item: pytest.Item) -> float:
    """About how long a long test takes; 0 for the others."""
    long = item.get_closest_marker("long")
    return float(long.args[0]) if long else 0.0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Once for all workers, before the first of them starts."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        compile_tests(config, Path(__file__).parent, only_quick=_is_fast(config))


def _is_fast(config: pytest.Config) -> bool:
    return {"not slow", "not thorough"} <= set(config.option.markexpr.split(" and "))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make fast` leaves out files without a test for it: every worker imports what it collects."""
    if not _is_fast(config) or not collection_path.match("test_*.py"):
        return None
    return None if has_quick_tests(collection_path.read_text("utf-8")) else True


def pytest_itemcollected(item: pytest.Item) -> None:
    """`make slow` collects only the files that say `slow`: no other may have a slow test."""
    if item.get_closest_marker("slow") and "slow" not in _words(item.path):
        raise pytest.UsageError(f"{item.nodeid} is slow, and its file does not say so")


@cache
def _words(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", path.read_text("utf-8")))


@pytest.hookimpl(trylast=True)  # of the tests that are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker begins with its part of the longest tests: none may begin when all else is done.

    A worker of xdist begins with the n-th part of all tests, in order.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = spread(
        items, workers, lasts_s, lambda item: not _is_fast(config) and only_computes(item.nodeid)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with giving_way() if GIVES_WAY and only_computes(item.nodeid) else nullcontext():
        return (yield)


def pytest_collection_finish() -> None:
    """Keep modules and thousands of collected tests out of the collections that tests make.

    Whatever is garbage by now stays: to find it takes longer than it is worth.
    """
    gc.freeze()
    gc.enable()
    # The Makefile's is for the workers; what tests start looks for plugins, as users' does.
    os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)


@pytest.fixture(scope="session")
def toxiproxy_server() -> str:
    """The path of a real server, built once; skips where it cannot be."""
    binary = FETCHED / "server"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("no real Toxiproxy server: Go is not installed")
        done = subprocess.run(
            [go, "install", "-ldflags=-s -w", MODULE],  # nobody debugs it: linked in a third
            env={**os.environ, "GOBIN": str(FETCHED)},
            timeout=600,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"no real Toxiproxy server: go install failed: {done.stderr[-300:]}")
    return str(binary)


@pytest.fixture
def movement() -> Callable[..., Movement]:
    """A movement of 10.00 EUR, authorised by the issuer by default."""

    def make(
        link: str,
        kind: str = "authorised",
        *,
        reference: str = "p1-1",
        amount: int = 1_000,
        decided_by: str = "issuer",
        item: str = "",
        currency: str = "EUR",
    ) -> Movement:
        return Movement(
            link=link,
            payment="p1",
            attempt=1,
            kind=MovementKind(kind),
            amount_minor=amount,
            currency=currency,
            reference=reference,
            at_ns=0,
            decided_by=decided_by,
            item=item,
        )

    return make
