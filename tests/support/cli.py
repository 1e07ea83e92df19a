"""`paychain` as a user starts it: a process in a folder, with an exit code and two outputs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from paychain.cli.exit_codes import ExitCode
from paychain.cli.main import app
from paychain.payments.errors import HarnessError, UserError
from tests.support.paths import SOURCES
from tests.support.waiting import wait_until

PAYCHAIN = (sys.executable, "-m", "paychain.cli")
ENDS_WITHIN_S = 15.0  # 5 s for stopping; the rest is the report on a busy machine
TRIES = 3
# What the reasons of a run say that was not the declared one because the machine was busy.
DISTURBED = (
    "fell behind its schedule",
    "without what stalls affected",
    "not the declared fault",
    "host stalled",
)
TIMEOUT_S = 110.0  # below pytest's own, so that the output is shown


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def environment(**variables: str) -> dict[str, str]:
    """Ours with changes; whatever is installed, a child imports this checkout."""
    path = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **variables}


def python(
    folder: Path,
    *words: str,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Done:
    """Run Python with some words in a folder, to its end."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(**(variables or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def paychain(
    folder: Path,
    *words: str,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Done:
    """Run a command of paychain in a folder, to its end.

    A real run is conducted in this process, which has imported what another would import first;
    who sends signals to a run starts it by `running`. One that the machine of the tests disturbed
    is repeated: it says nothing of the chain. `timeout_s` is of a process.
    """
    if words[0] != "run" or "--virtual" in words:
        command = ("-m", "paychain.cli", *words)
        return python(folder, *command, variables=variables, timeout_s=timeout_s)
    for left in range(TRIES - 1, -1, -1):
        before = runs_below(folder)
        done = invoked(folder, *words, variables=variables)
        made = runs_below(folder) - before
        if done.exit_code != ExitCode.INCONCLUSIVE or not _is_disturbed(done, made):
            break
        # The last one stays: its reasons say what the machine did.
        for run in made if left else ():
            shutil.rmtree(run)
    return done


def runs_below(folder: Path) -> set[Path]:
    """The folders of runs in all output folders: what a service installs beside them is none."""
    found = {path.parent for path in folder.glob("*/*/result.json")}
    return {path for path in found if not path.is_symlink()}


def _is_disturbed(done: Done, made: Iterable[Path]) -> bool:
    """By what it printed or, with --quiet, by the result in one of the folders that it made."""
    results = [path.read_text("utf-8") for run in made if (path := run / "result.json").is_file()]
    text = " ".join(" ".join([done.stdout, done.stderr, *results]).split())  # lines are wrapped
    return any(words in text for words in DISTURBED)


def invoked(folder: Path, *words: str, variables: Mapping[str, str] | None = None) -> Done:
    """Run a command of paychain in this process, as if in a folder; no start of its own.

    For a command whose process is not the subject. `variables`: of the environment, while it runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in (variables or {}).items():
            patch.setenv(name, value)
        result = CliRunner().invoke(app, words)
    if isinstance(result.exception, UserError):  # printed as by main()
        return Done(ExitCode.USAGE, result.stdout, str(result.exception))
    if isinstance(result.exception, HarnessError):
        return Done(ExitCode.INCONCLUSIVE, result.stdout, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@dataclass
class Running:
    """A command that goes on; both its outputs are in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8")

    def wait_for(self, text: str, within_s: float = 60) -> None:
        """Wait until it wrote a text; fail when it ends before."""
        wait_until(
            lambda: text in self.output or self.process.poll() is not None,
            f"{text!r} in the output",
            within_s,
        )
        assert text in self.output, self.output

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self, within_s: float = 60) -> int:
        """How it ends."""
        return self.process.wait(within_s)


@contextmanager
def running(
    folder: Path,
    *words: str,
    log: str = "output.txt",
    variables: Mapping[str, str] | None = None,
    program: tuple[str, ...] = PAYCHAIN,
) -> Iterator[Running]:
    """Start a command of paychain in a folder; it is ended if the block leaves it running."""
    path = folder / log
    with path.open("wb") as output:
        process = subprocess.Popen(
            [*program, *words],
            cwd=folder,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=hear_signals,
        )
    try:
        yield Running(process, path)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """In order, so that its own children end with it; by force if that takes too long."""
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def hear_signals() -> None:
    """In a child: what a shell's background job ignores ends it again."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
