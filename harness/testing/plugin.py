"""The pytest plugin: experiment files are tests, and the `paychain` fixture starts a chain.

`pytest chaos/` runs every experiment under chaos/ on the chains of `paychain_chains` (all of
chains/ without it). In virtual time, unless `--paychain-real` is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.report.result import Result
    from harness.testing.chain import ChainUnderTest

_EXPERIMENT = re.compile(r"^experiment:\s*\S", re.MULTILINE)
_MOST_BYTES = 1_000_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's options."""
    group = parser.getgroup("paychain")
    group.addoption(
        "--paychain-real",
        action="store_true",
        default=False,
        help="run chains as processes on real sockets, not in virtual time",
    )
    group.addoption("--paychain-seed", type=int, default=1,
                    help="repeats payments, service times and shares")  # fmt: skip
    group.addoption("--paychain-out", default="reports", help="where runs are written")
    parser.addini("paychain_chains", "chains that experiment files are run on", type="args")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of collected experiments."""
    config.addinivalue_line("markers", "paychain: an experiment file, run on a chain")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ExperimentFile | None:
    """A YAML file that declares an experiment is a test file."""
    if file_path.suffix not in (".yaml", ".yml") or file_path.stat().st_size > _MOST_BYTES:
        return None
    if not _EXPERIMENT.search(file_path.read_text("utf-8", "replace")):
        return None
    return ExperimentFile.from_parent(parent, path=file_path)


@pytest.fixture
def paychain(request: pytest.FixtureRequest) -> Iterator[Callable[..., ChainUnderTest]]:
    """Starts chains by name or path; they are stopped when the test is over."""
    from harness.testing.chain import start_chain

    config = request.config
    with ExitStack() as running:

        def start(spec: str, *, seed: int | None = None) -> ChainUnderTest:
            chosen = seed if seed is not None else config.getoption("--paychain-seed")
            real = config.getoption("--paychain-real")
            return running.enter_context(start_chain(spec, seed=chosen, real=real))

        yield start


class ExperimentFile(pytest.File):
    """One experiment: a test for each chain it is run on."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test per chain; none for a standard fault, which is for the matrix."""
        from harness.matrix import strikes_every_link
        from harness.model.loading import FileMistakes, load_experiment

        try:
            experiment = load_experiment(str(self.path)).model
        except FileMistakes as mistakes:
            raise self.CollectError(str(mistakes)) from None
        if strikes_every_link(experiment):
            return
        for chain in self._chains():
            yield ExperimentItem.from_parent(self, name=Path(chain).stem, chain=chain)

    def _chains(self) -> list[str]:
        declared: list[str] = self.config.getini("paychain_chains")
        if declared:
            return declared
        found = sorted((self.config.rootpath / "chains").glob("*.yaml"))
        if not found:
            raise self.CollectError(
                "no chain to run experiments on: set paychain_chains, or put files into chains/"
            )
        return [str(path) for path in found]


class Broke(Exception):
    """A run that did not pass."""

    def __init__(self, result: Result, folder: Path) -> None:
        super().__init__(result.verdict)
        self.result = result
        self.folder = folder


class ExperimentItem(pytest.Item):
    """One experiment on one chain."""

    def __init__(self, *, chain: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._chain = chain
        self.add_marker("paychain")

    def runtest(self) -> None:
        """Run it, and raise Broke unless it passes."""
        import shlex

        from harness import conductor, virtual
        from harness.model.loading import load_chain, load_experiment
        from harness.order import Order
        from harness.progress import Silent

        real = self.config.getoption("--paychain-real")
        seed = self.config.getoption("--paychain-seed")
        chain = load_chain(self._chain)
        words = ["paychain", "run", self._chain, str(self.path), "--seed", str(seed)]
        command = shlex.join([*words, *([] if real else ["--virtual"])])
        out = self.config.rootpath / self.config.getoption("--paychain-out")
        order = Order(chain, load_experiment(str(self.path), chain.model), out, seed, None, command)
        run = conductor.run if real else virtual.run
        finished = run(order, Silent())
        if finished.was_interrupted:
            raise KeyboardInterrupt
        if finished.result.verdict != "pass":
            raise Broke(finished.result, finished.folder)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the terminal of a run says, or the user's mistake without a traceback."""
        from harness.payments.errors import UserError
        from harness.report.terminal import terminal_lines

        error = excinfo.value
        if isinstance(error, Broke):
            return "\n".join(
                [*terminal_lines(error.result), f"report: {error.folder / 'report.html'}"]
            )
        if isinstance(error, UserError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """How pytest names it."""
        return self.path, 0, f"{self.path.stem} on {self.name}"
