"""What is to be run, and a run that is over."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from paychain.declaration.reading import read_bounded
from paychain.declaration.text import MAX_BYTES as MAX_ADAPTER_BYTES
from paychain.load.distributed.spread import Spread
from paychain.model.adapters import adapter_files
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import NO_NAMES, Loaded
from paychain.model.renaming import Names
from paychain.model.replay import MAX_BYTES, Replay
from paychain.payments.errors import UserError, one_line, without_passwords
from paychain.report.result import Result

_UNFIT = re.compile(r"[\\/:]")


def names_to_keep(files: Mapping[str, str]) -> dict[str, str]:
    """The names in one folder of files that had these names in different ones, by what they are.

    Each keeps its own, unless two share one: then what it is comes before it. Only a replayed file
    always keeps its own, by which the experiment names it.
    """
    # A name is to be a line of SHA256SUMS, and small and capital letters may be one file.
    names = {what: _UNFIT.sub("_", one_line(file)) for what, file in files.items()}
    shared = Counter(name.casefold() for name in names.values())
    return {
        what: f"{what}-{name}" if shared[name.casefold()] > 1 and what != "replay" else name
        for what, name in names.items()
    }


@dataclass(frozen=True)
class Inputs:
    """The two files that are run. With a run's records and facts they are all it is judged by."""

    chain: Loaded[Chain]
    experiment: Loaded[Experiment]

    @property
    def name(self) -> str:
        """The chain and the experiment, as in the name of a run's folder."""
        return f"{self.chain.model.chain}-{self.experiment.model.experiment}"

    @property
    def kept_names(self) -> dict[str, str]:
        """The names under which a run keeps its `chain`, `experiment` and `replay` file."""
        files = {"chain": self.chain.path.name, "experiment": self.experiment.path.name}
        if self._recorded is not None:
            files["replay"] = self._recorded.path.name
        return names_to_keep(files)

    @property
    def _recorded(self) -> Replay | None:
        arrivals = self.experiment.model.load.arrivals
        return arrivals.recorded if arrivals is not None else None

    def keep(self, folder: Path) -> None:
        """Copy them into the run's folder, with a replayed file and the classes that pay.

        Raises UserError when that was changed since it was read, or cannot be copied.
        """
        inputs, names = folder / "inputs", self.kept_names
        inputs.mkdir(exist_ok=True)
        for what, text in (("chain", self.chain.text), ("experiment", self.experiment.text)):
            (inputs / names[what]).write_text(text, "utf-8", newline="")
        self._keep_adapters(inputs)
        recorded = self._recorded
        if recorded is None:
            return
        kept = inputs / names["replay"]
        try:
            data = read_bounded(recorded.path, MAX_BYTES)
            kept.write_bytes(data)
        except OSError as error:
            raise UserError(f"cannot copy {recorded.path}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != recorded.sha256:
            raise UserError(f"{recorded.path} was changed while it was read", hint="run again")

    def _keep_adapters(self, inputs: Path) -> None:
        """Copy the files with the classes that pay: what they do is part of what was run."""
        kept = {name.casefold() for name in self.kept_names.values()}
        for path in adapter_files(self.chain.model, self.chain.path.parent):
            name = _UNFIT.sub("_", one_line(path.name))
            number = 1
            while name.casefold() in kept:
                number += 1
                name = f"adapter-{number}-{_UNFIT.sub('_', one_line(path.name))}"
            kept.add(name.casefold())
            try:
                (inputs / name).write_bytes(read_bounded(path, MAX_ADAPTER_BYTES))
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
    metrics: tuple[str, int] | None = None  # where they are served while it goes on
    processes: int | None = None  # of links and proxies; None: as the experiment says
    # In virtual time:
    virtual: bool = False
    interleaving: int = 0  # another order of events than the usual one, as an exploration found it
    check_determinism: bool = False  # play the run again and compare every record

    @property
    def inputs(self) -> Inputs:
        """The files that are run, without how they are run."""
        return Inputs(self.chain, self.experiment)


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
    name = f"{started:%Y%m%dT%H%M%SZ}-{name}"
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = out / (name + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"cannot write to {out}: {error.strerror}") from error
        return folder
    raise UserError(f"{out / name} and 98 others exist already")
