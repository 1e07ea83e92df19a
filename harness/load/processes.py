"""How a Locust process of ours is started: alone, as a master, or as one of its workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from harness.load import LOCUSTFILE

PLAN_VARIABLE = "PAYCHAIN_LOAD_PLAN"  # file of the plan; a worker's comes from its master
MASTER_VARIABLE = "PAYCHAIN_LOAD_MASTER"
WORKER_VARIABLE = "PAYCHAIN_LOAD_WORKER"  # the worker's name
TOKEN_VARIABLE = "PAYCHAIN_TOKEN"  # what master and workers know and nobody else  # noqa: S105
PLAN_FILE = "load.plan"
_LOCUST = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "ERROR")
_HEADLESS = (
    *_LOCUST, "--headless", "--spawn-rate", "100", "--exit-code-on-error", "0", "--only-summary",
    "--reset-stats",
)  # fmt: skip


class Command(NamedTuple):
    """What to run, and what to add to its environment."""

    words: list[str]
    environment: dict[str, str]


def alone(folder: Path) -> Command:
    """One process that makes every payment itself."""
    return Command([*_HEADLESS, "--users", "1"], _plan_in(folder))


def master(folder: Path, host: str, port: int, workers: int, token: str) -> Command:
    """One that makes none and keeps what its workers record. Port 0: a free one."""
    return Command(
        [
            *_HEADLESS, "--users", str(workers), "--expect-workers", str(workers), "--master",
            "--master-bind-host", host, "--master-bind-port", str(port),
        ],
        {**_plan_in(folder), MASTER_VARIABLE: "1", TOKEN_VARIABLE: token},
    )  # fmt: skip


def worker(folder: Path, name: str, host: str, port: int, token: str) -> Command:
    """One that makes its share of the payments for a master."""
    return Command(
        [*_LOCUST, "--worker", "--master-host", host, "--master-port", str(port)],
        {**_plan_in(folder), WORKER_VARIABLE: name, TOKEN_VARIABLE: token},
    )


def _plan_in(folder: Path) -> dict[str, str]:
    return {PLAN_VARIABLE: str(folder / PLAN_FILE)}
