"""How the command begins, and a signal before it has: its modules take a moment to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paychain.cli.exit_codes import ExitCode
from tests.support.cli import environment

# How each of the programs begins that get a signal.
BEGIN = """
import signal, sys
from paychain.cli import entry

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # nohup and `&` ignore some
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
# An import that is interrupted, and makes another error of that: as `__set_name__` does.
INTERRUPTED = """
class Importing:
    def find_spec(self, name, *_):
        if name == "MODULE":
            try:
                signal.raise_signal(signal.NUMBER)
            except BaseException as error:
                raise RuntimeError("another error") from error

sys.meta_path.insert(0, Importing())
sys.argv = ["paychain", "list"]
entry.main()
"""
IGNORED = INTERRUPTED.replace(
    "sys.meta_path", "signal.signal(signal.NUMBER, signal.SIG_IGN)\nsys.meta_path"
)


def python(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env=environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ended(program: str, number: str, module: str) -> subprocess.CompletedProcess[str]:
    program = program.replace("NUMBER", number).replace("MODULE", module)
    return python("-c", BEGIN + program)


def assert_interrupted(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == ExitCode.INTERRUPTED
    assert done.stderr == "interrupted: nothing was kept\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_command_is_imported_leaves_no_traceback(number: str) -> None:
    done = ended(INTERRUPTED, number, "paychain.cli.main")
    assert_interrupted(done)
    assert done.stdout == ""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_signal_before_a_command_has_handlers_of_its_own_is_what_ctrl_c_is(number: str) -> None:
    program = INTERRUPTED.replace('raise RuntimeError("another error") from error', "raise")
    done = ended(program, number, "paychain.model.files")
    assert_interrupted(done)


def test_a_signal_that_is_ignored_from_the_start_stays_ignored() -> None:
    done = ended(IGNORED, "SIGHUP", "paychain.cli.main")
    assert (done.returncode, done.stderr) == (0, "")
    assert "card-ecommerce" in done.stdout


@pytest.mark.parametrize("isolated", [[], ["-P"]], ids=["plain", "as a child"])
def test_the_package_is_the_command(tmp_path: Path, isolated: list[str]) -> None:
    done = python(*isolated, "-m", "paychain", "check", "nowhere.yaml", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


# An interruption that comes out of `eval`, as where Typer reads the types of a command.
EVALUATED = """
import signal
from paychain.cli import entry, main

def app():
    eval("signal.raise_signal(signal.SIGINT)")

main.app = app
signal.signal(signal.SIGINT, signal.default_int_handler)  # `&` ignores it
entry.main()
"""


def test_an_interrupted_module_ends_with_the_exit_code_wherever_it_was(tmp_path: Path) -> None:
    (tmp_path / "evaluated.py").write_text(EVALUATED)
    assert_interrupted(python("-m", "evaluated", cwd=tmp_path))


# A signal amid what Python does by the way, where it prints an exception and goes on.
SWALLOWED = """
import time

class Gone:
    def __del__(self):
        signal.raise_signal(signal.NUMBER)

class Importing:
    def find_spec(self, name, *_):
        if name == "MODULE":
            Gone()
            time.sleep(0.5)

sys.meta_path.insert(0, Importing())
sys.argv = ["paychain", "list"]
entry.main()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("again_s", ["entry.AGAIN_S", "0.0"])
def test_no_signal_is_swallowed(number: str, again_s: str) -> None:
    # However soon it comes again, as on a machine that is busy: not amid what repeats it.
    program = SWALLOWED.replace("import time\n", f"import time\nentry.AGAIN_S = {again_s}\n")
    assert_interrupted(ended(program, number, "paychain.model.files"))


# One more signal, amid what repeats the first one.
TWICE = """
import _thread, threading

start = _thread.start_new_thread

def start_amid_signals(*words):
    _thread.start_new_thread = start
    start(*words)
    signal.raise_signal(signal.NUMBER)

_thread.start_new_thread = start_amid_signals
"""


def test_no_signal_is_swallowed_because_one_more_came() -> None:
    assert_interrupted(ended(TWICE + SWALLOWED, "SIGINT", "paychain.model.files"))


# A signal once the command has ended, before Python takes the process apart or amid that.
ENDING = """
import atexit

class Last:
    def __del__(self, *, send=signal.raise_signal, number=signal.NUMBER):
        send(number)

class Importing:
    def find_spec(self, name, *_):
        if name == "paychain.cli.main":
            atexit.register(signal.raise_signal, signal.NUMBER)

if "MODULE" == "at exit":
    sys.meta_path.insert(0, Importing())
else:
    sys.kept_to_the_last = Last()
sys.argv = ["paychain", "check", "WORD"]
entry.main()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("when", ["at exit", "taken apart"])
@pytest.mark.parametrize(("word", "code"), [("card-sound", 0), ("nowhere.yaml", ExitCode.USAGE)])
def test_a_signal_after_its_last_word_changes_no_exit_code(
    word: str, code: int, when: str, number: str
) -> None:
    done = ended(ENDING.replace("WORD", word), number, when)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert word in done.stdout + done.stderr
