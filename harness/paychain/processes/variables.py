"""The environment that a process of ours starts with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from paychain.processes.tokens import SIGNING_KEY_VARIABLE, TOKEN_VARIABLE

SECRETS = frozenset({SIGNING_KEY_VARIABLE, TOKEN_VARIABLE})
LOCUST_TELEMETRY = "LOCUST_ENABLE_OPENTELEMETRY"  # of Locust's --otel
_LOCUST = "LOCUST_"
_PYTHON_PATH = "PYTHONPATH"


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what only this process needs: the signing key and the run's token.

    Who starts a child that does need the token gives it explicitly.
    """
    return {name: value for name, value in environment.items() if name not in SECRETS}


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a Python child that is started in another folder than this process.

    The entries of PYTHONPATH stay what they are for this process: relative ones become absolute. An
    empty entry means the working directory, from which no child of ours imports: it is dropped.
    Locust takes options from variables, such as how long it runs; a run declares its load, so that
    no such variable reaches it.
    """
    found = {
        name: value
        for name, value in environment.items()
        if not name.startswith(_LOCUST) or name == LOCUST_TELEMETRY
    }
    if _PYTHON_PATH in found:
        entries = [entry for entry in found[_PYTHON_PATH].split(os.pathsep) if entry]
        found[_PYTHON_PATH] = os.pathsep.join(str(Path(entry).absolute()) for entry in entries)
    return found
