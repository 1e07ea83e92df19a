"""How a Locust process of ours is started: alone, as a master, or as one of its workers.

Locust puts its working directory first on sys.path, even under -P. So each process is
started in the run's own folder, and every path it gets is absolute.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from paychain.load import LOCUSTFILE
from paychain.processes.children import python_module
from paychain.processes.tokens import TOKEN_VARIABLE
from paychain.processes.variables import LOCUST_TELEMETRY

PLAN_VARIABLE = "PAYCHAIN_LOAD_PLAN"  # file of the plan; a worker's comes from its master
MASTER_VARIABLE = "PAYCHAIN_LOAD_MASTER"
WORKER_VARIABLE = "PAYCHAIN_LOAD_WORKER"  # the worker's name
PLAN_FILE = "load.plan"
OTEL_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"  # of OpenTelemetry's SDKs


class Command(NamedTuple):
    """What to run, what to add to its environment, and the folder to run it in."""

    words: list[str]
    environment: dict[str, str]
    folder: Path


def locust(locustfile: Path, *options: str) -> list[str]:
    """The command that runs Locust on a locustfile of ours."""
    return python_module("paychain.load.locust", "-f", str(locustfile), *options)


def alone(folder: Path) -> Command:
    """One process that makes every payment itself."""
    return _command(folder, [*_headless(), "--users", "1"], {})


def master(folder: Path, host: str, port: int, workers: int, token: str) -> Command:
    """One that makes no payment and keeps what its workers record. Port 0 picks a free port."""
    options = ["--users", str(workers), "--expect-workers", str(workers), "--master"]
    address = ["--master-bind-host", host, "--master-bind-port", str(port)]
    return _command(
        folder,
        [*_headless(), *options, *address],
        {MASTER_VARIABLE: "1", TOKEN_VARIABLE: token},
    )


def worker(folder: Path, name: str, host: str, port: int, token: str) -> Command:
    """One that makes its share of the payments for a master."""
    address = ["--worker", "--master-host", host, "--master-port", str(port)]
    return _command(
        folder,
        [*_quiet(), *address],
        {WORKER_VARIABLE: name, TOKEN_VARIABLE: token},
    )


def _command(folder: Path, words: list[str], environment: dict[str, str]) -> Command:
    place = folder.absolute()
    found = {PLAN_VARIABLE: str(place / PLAN_FILE), **telemetry(place, os.environ), **environment}
    return Command(words, found, place)


def telemetry(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What Locust's own OpenTelemetry gets beside the user's variables, where it is switched on.

    Its metrics name the run whose folder this is in, so that those of several runs differ.
    """
    if environment.get(LOCUST_TELEMETRY, "").lower() not in ("1", "true", "yes"):
        return {}
    known = environment.get(OTEL_ATTRIBUTES, "")
    run = f"paychain.run={quote(folder.parent.name)}"
    return {OTEL_ATTRIBUTES: f"{known},{run}" if known else run}


def _headless() -> list[str]:
    start = ["--headless", "--spawn-rate", "100"]
    end = ["--exit-code-on-error", "0", "--only-summary", "--reset-stats"]
    return [*_quiet(), *start, *end]


def _quiet() -> list[str]:
    return locust(LOCUSTFILE, "--loglevel", "ERROR")
