"""The pytest plugin: experiment files are tests, and the `paychain` fixture starts a chain.

`pytest chaos/` runs every experiment under chaos/ on the chains of `paychain_chains` (all of
chains/ without it). In virtual time, unless `--paychain-real` is given.

Every pytest of an environment with paychain loads this module, also in repositories that do not
use it. So it imports nothing but pytest and the standard library; the rest comes when it is used.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from paychain.report.result import Result
    from paychain.testing.chain import ChainUnderTest

_EXPERIMENT = re.compile(r"^experiment:\s*\S", re.MULTILINE)
_MAX_BYTES = 1_000_000
_FOLDERS = "paychain_experiments"
# Packages that only a real chain imports in this process, by the distribution that has them.
_OF_REAL_CHAINS = {"requests": "requests", "urllib3": "urllib3", "toxiproxy": "toxiproxy-python"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's options."""
    group = parser.getgroup("paychain")
    group.addoption(
        "--paychain-real",
        action="store_true",
        default=False,
        help="run chains as processes on real sockets, not in virtual time",
    )
    group.addoption(
        "--paychain-seed",
        type=int,
        default=1,
        help="random seed; the same seed repeats payments, service times and random draws",
    )
    group.addoption("--paychain-out", default="reports", help="where runs are written")
    parser.addini("paychain_chains", "chains that experiment files are run on", type="args")
    parser.addini(
        _FOLDERS,
        "folders whose experiment files are tests, relative to the root directory [chaos]",
        type="linelist",
        default=["chaos"],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of collected experiments."""
    config.addinivalue_line("markers", "paychain: an experiment file, run on a chain")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under pytest-xdist a worker cannot know what was given on the command line: pass it on."""
    node.workerinput[_FOLDERS] = [str(path) for path in _given(node.config)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ExperimentFile | None:
    """A YAML file that declares an experiment is a test file.

    Other tools' files have a key `experiment:`, too, and a run keeps a copy of its experiment. So
    only those count that are below a folder of `paychain_experiments`, or that were given on the
    command line: the file itself, or the folder it is in.
    """
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    if not _is_wanted(file_path, parent.config) or file_path.stat().st_size > _MAX_BYTES:
        return None
    if not _EXPERIMENT.search(file_path.read_text("utf-8", "replace")):
        return None
    return ExperimentFile.from_parent(parent, path=file_path)


def _is_wanted(path: Path, config: pytest.Config) -> bool:
    folders = [config.rootpath / folder for folder in config.getini(_FOLDERS)]
    if any(path.is_relative_to(folder) for folder in folders):
        return True
    return not {path, path.parent}.isdisjoint(_given(config))


def _given(config: pytest.Config) -> list[Path]:
    """The files and folders that were given on the command line; not those of `testpaths`."""
    if hasattr(config, "workerinput"):
        return [Path(path) for path in config.workerinput[_FOLDERS]]
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return []
    folder = config.invocation_params.dir
    return [(folder / argument.partition("::")[0]).resolve() for argument in config.args]


@pytest.fixture
def paychain(request: pytest.FixtureRequest) -> Iterator[Callable[..., ChainUnderTest]]:
    """Starts chains by name or path; they are stopped when the test is over.

    `real`: as processes on real sockets; without it the command line says so (`--paychain-real`).
    """
    from paychain.testing.chain import start_chain

    config = request.config
    with ExitStack() as running:

        def start(
            spec: str, *, seed: int | None = None, real: bool | None = None
        ) -> ChainUnderTest:
            chosen = seed if seed is not None else config.getoption("--paychain-seed")
            is_real = config.getoption("--paychain-real") if real is None else real
            if is_real:
                _refuse_hidden_packages()
            return running.enter_context(start_chain(spec, seed=chosen, real=is_real))

        yield start


def _refuse_hidden_packages() -> None:
    """Raises UserError when a file of the repository stands before a package of a real chain.

    `python -m pytest` puts the working directory first on sys.path; `pytest` does not.
    """
    from paychain.payments.errors import UserError

    for package, distribution in _OF_REAL_CHAINS.items():
        ours = importlib.metadata.distribution(distribution).locate_file(f"{package}/__init__.py")
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None or not Path(str(ours)).exists():
            continue
        if not Path(found.origin).samefile(Path(str(ours))):
            raise UserError(
                f"{found.origin} hides the package {package}, which a real chain needs",
                hint="start pytest, not python -m pytest; or rename the file",
            )


class ExperimentFile(pytest.File):
    """One experiment: a test for each chain it is run on."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test per chain; none for a standard fault, which is for the matrix."""
        from paychain.model.loading import FileMistakes, load_experiment
        from paychain.runs.matrix import is_standard_fault

        try:
            experiment = load_experiment(str(self.path)).model
        except FileMistakes as mistakes:
            raise self.CollectError(str(mistakes)) from None
        if is_standard_fault(experiment):
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


class RunFailed(Exception):
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
        """Run it, and raise RunFailed unless it passes."""
        from paychain.model.loading import load_chain, load_experiment
        from paychain.runs.chains import chain_of
        from paychain.runs.run import run
        from paychain.runs.spec import RunSpec, run_command

        real = self.config.getoption("--paychain-real")
        seed = self.config.getoption("--paychain-seed")
        chain = load_chain(self._chain)
        out = self.config.rootpath / self.config.getoption("--paychain-out")
        if real:  # virtual time does without the HTTP clients, which the repository may hide
            _refuse_hidden_packages()
        spec = RunSpec(
            chain=chain,
            experiment=load_experiment(str(self.path), chain.model),
            out=out,
            seed=seed,
            command=run_command(self._chain, str(self.path), seed=seed, virtual=not real),
            virtual=not real,
        )
        finished = run(spec, chain_of(spec))
        if finished.was_interrupted:
            raise KeyboardInterrupt
        if finished.result.verdict != "pass":
            raise RunFailed(finished.result, finished.folder)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the terminal of a run shows, or the user's mistake without a traceback."""
        from paychain.payments.errors import UserError
        from paychain.report.text.terminal import terminal_lines

        error = excinfo.value
        if isinstance(error, RunFailed):
            return "\n".join(
                [*terminal_lines(error.result), f"report: {error.folder / 'report.html'}"]
            )
        if isinstance(error, UserError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """How pytest names it."""
        return self.path, 0, f"{self.path.stem} on {self.name}"
