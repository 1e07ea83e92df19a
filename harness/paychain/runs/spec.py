"""What is to be run, and a run that is over."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from secrets import token_hex

from paychain.analysis.store.facts import KeptFile
from paychain.declaration.reading import read_bounded
from paychain.declaration.text import MAX_BYTES as MAX_ADAPTER_BYTES
from paychain.load.distributed.spread import Spread
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.model.adapters import adapter_files
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, NumberOfProcesses
from paychain.model.loading import NO_NAMES, Loaded
from paychain.model.renaming import Names
from paychain.model.replay import MAX_BYTES, Replay
from paychain.model.review import ReviewFinding, review
from paychain.payments.errors import UserError, without_passwords
from paychain.processes.files import refuse_unwritable
from paychain.report.result import Result
from paychain.runs.declared import DeclaredFacts, chain_facts, experiment_facts
from paychain.runs.kept import (
    CHAIN,
    EXPERIMENT,
    FOLDER,
    REPLAY,
    fit,
    keep_file,
    names_to_keep,
)

# SQLite opens no file whose path has more than about 504 bytes, -wal and -journal included.
MAX_FOLDER_BYTES = 490
MARK_BYTES = 3


@dataclass(frozen=True)
class Inputs:
    """The two files that are run. With a run's records and facts they are all it is judged by."""

    chain: Loaded[Chain]
    experiment: Loaded[Experiment]

    @property
    def name(self) -> str:
        """The chain and the experiment, as in the name of a run's folder."""
        return f"{self.chain.model.chain}-{self.experiment.model.experiment}"

    @cached_property
    def review(self) -> list[ReviewFinding]:
        """What the review finds of the two together."""
        return review(self.chain, self.experiment)

    @cached_property
    def declared(self) -> DeclaredFacts:
        """What result.json says of the two, whatever came of the run."""
        return DeclaredFacts(chain_facts(self.chain), experiment_facts(self.experiment))

    @property
    def kept_names(self) -> dict[str, str]:
        """The names under which a run keeps its `chain`, `experiment` and `replay` file."""
        files = {CHAIN: self.chain.path.name, EXPERIMENT: self.experiment.path.name}
        if self._recorded is not None:
            files[REPLAY] = self._recorded.path.name
        return names_to_keep(files)

    @property
    def _recorded(self) -> Replay | None:
        arrivals = self.experiment.model.load.arrivals
        return arrivals.recorded if arrivals is not None else None

    def keep(self, folder: Path) -> dict[str, KeptFile]:
        """Copy them into the run's folder, with a replayed file and the classes that pay.

        Returns the copies by what they are. Raises UserError when one was changed since it was
        read, or cannot be copied.
        """
        inputs, names = folder / FOLDER, self.kept_names
        inputs.mkdir(exist_ok=True)
        kept = {
            what: keep_file(inputs, names[what], text.encode())
            for what, text in ((CHAIN, self.chain.text), (EXPERIMENT, self.experiment.text))
        }
        recorded = self._recorded
        if recorded is not None:
            kept[REPLAY] = _copied(recorded.path, inputs, names[REPLAY], MAX_BYTES)
            if kept[REPLAY].sha256 != recorded.sha256:
                what = f"{recorded.path} was changed while it was read"
                raise UserError(what, hint="run again")
        return kept | self._keep_adapters(inputs)

    def _keep_adapters(self, inputs: Path) -> dict[str, KeptFile]:
        """Copy the files with the classes that pay: what they do is part of what was run."""
        taken = {name.casefold() for name in self.kept_names.values()}
        kept = {}
        for file in adapter_files(self.chain.model):
            path = self.chain.path.parent / file
            name = fit(path.name)
            number = 1
            while name.casefold() in taken:
                number += 1
                name = f"adapter-{number}-{fit(path.name)}"
            taken.add(name.casefold())
            kept[file] = _copied(path, inputs, name, MAX_ADAPTER_BYTES)
        return kept


def _copied(path: Path, inputs: Path, name: str, max_bytes: int) -> KeptFile:
    try:
        return keep_file(inputs, name, read_bounded(path, max_bytes))
    except OSError as error:
        raise UserError(f"cannot copy {path}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What is to be run, and how. `command` repeats the run; it is printed in its reports."""

    chain: Loaded[Chain]
    experiment: Loaded[Experiment]
    out: Path  # where the run's folder is made
    seed: int = 1
    command: str = ""
    names: Names = field(default_factory=dict)  # what the chain calls what the experiment names
    # In real time:
    toxiproxy: str | None = None  # another engine than the embedded one
    services: tuple[str, ...] | None = None  # the command of a services process; None: ours
    spread: Spread | None = None  # the load over several processes
    processes: NumberOfProcesses | None = None  # of links and proxies; None: as the experiment says
    # In virtual time:
    virtual: bool = False
    interleaving: int = 0  # another order of events than the usual one, as an exploration found it

    @cached_property
    def inputs(self) -> Inputs:
        """The files that are run, without how they are run."""
        return Inputs(self.chain, self.experiment)

    @cached_property
    def plan(self) -> LoadPlan:
        """What its load is to pay, and when."""
        return load_plan(self.chain.model, self.experiment.model, self.seed)


def run_command(
    chain: str,
    experiment: str,
    *,
    seed: int,
    toxiproxy: str | None = None,
    virtual: bool = False,
    workers: int = 1,
    master: str | None = None,
    processes: str | None = None,
    interleaving: int = 0,
    names: Names = NO_NAMES,
) -> str:
    """The command that reproduces a run, quoted for a shell, without passwords in its URLs."""
    words = ["paychain", "run", chain, experiment, "--seed", str(seed)]
    for theirs, ours in names.items():
        words += ["--map", f"{theirs}={ours}"]
    if toxiproxy is not None:
        words += ["--toxiproxy", without_passwords(toxiproxy)]
    if virtual:
        words.append("--virtual")
    if workers > 1:
        words += ["--workers", str(workers)]
    if master is not None:
        words += ["--master", master]
    if processes is not None:
        words += ["--processes", processes]
    if interleaving:
        words += ["--interleaving", str(interleaving)]
    return shlex.join(words)


@dataclass(frozen=True)
class Finished:
    """A run that is over: its folder, its result, and whether it was interrupted."""

    folder: Path
    result: Result
    was_interrupted: bool


def new_folder(out: Path, started: datetime, name: str) -> Path:
    """A new run directory, named by its start. Raises UserError when it cannot be made."""
    refuse_unwritable(out)
    folder = out / folder_name(started, name)
    if len(os.fsencode(folder.absolute())) > MAX_FOLDER_BYTES:
        what = f"the path of a run below {out} is too long for SQLite"
        raise UserError(what, hint=f"name another folder: {MAX_FOLDER_BYTES} bytes in total")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from error
    return folder


def folder_name(started: datetime, name: str) -> str:
    """The name of what began now, among all that began in the same second.

    Metrics, traces and tables know a run by it, also those that other machines began then: a mark
    makes it unique.
    """
    return f"{started:%Y%m%dT%H%M%SZ}-{token_hex(MARK_BYTES)}-{name}"
