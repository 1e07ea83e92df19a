"""How paychain run is to run an experiment: what its options exclude, and the spec they make."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number

if TYPE_CHECKING:
    from paychain.model.experiment import NumberOfProcesses
    from paychain.model.renaming import Names
    from paychain.runs.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how a run takes place, as the options say it."""

    seed: int
    virtual: bool
    interleaving: int  # another order of events; 0: the usual one
    check_determinism: bool
    toxiproxy: str | None
    workers: int  # load processes
    master: str | None  # HOST[:PORT]
    processes: str | None  # of links and proxies: a number, or auto
    metrics: str | None  # [HOST:]PORT

    def refuse_conflicts(self) -> None:
        """Raises UserError for options that exclude each other."""
        if self.virtual and self.toxiproxy is not None:
            raise UserError(
                "an external engine cannot run in virtual time",
                hint="omit --toxiproxy: --virtual uses the embedded engine",
            )
        if self.virtual and (self.workers > 1 or self.master is not None):
            raise UserError("virtual time uses no workers", hint="omit --workers and --master")
        if self.virtual and self.metrics is not None:
            raise UserError(
                "a virtual run ends before its metrics could be scraped",
                hint="omit --metrics; --prom FILE writes those of its result",
            )
        if self.virtual and self.processes is not None:
            raise UserError("virtual time runs in one process", hint="omit --processes")
        if (self.check_determinism or self.interleaving) and not self.virtual:
            raise UserError("only virtual runs are deterministic", hint="add --virtual")

    def spec_of(self, chain: str, experiment: str, *, out: Path, names: Names) -> RunSpec:
        """What is to be run. Raises UserError for mistakes in its files and in the options."""
        from paychain.load.distributed.spread import spread_over
        from paychain.model.loading import load_chain, load_experiment
        from paychain.processes.tokens import TOKEN_VARIABLE
        from paychain.runs.spec import RunSpec

        processes = _number_of(self.processes) if self.processes is not None else None
        self.refuse_conflicts()
        spread = spread_over(self.workers, self.master, os.environ.get(TOKEN_VARIABLE, ""))
        loaded = load_chain(chain)
        return RunSpec(
            chain=loaded,
            experiment=load_experiment(experiment, loaded.model, names),
            out=out,
            seed=self.seed,
            command=self._command(chain, experiment, names),
            names=names,
            toxiproxy=self.toxiproxy,
            spread=spread,
            processes=processes,
            virtual=self.virtual,
            interleaving=self.interleaving,
        )

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """Host and port of the metrics. Raises UserError."""
        from paychain.processes.exposition import address_of

        return address_of(self.metrics) if self.metrics is not None else None

    def _command(self, chain: str, experiment: str, names: Names) -> str:
        from paychain.runs.spec import run_command

        return run_command(
            chain,
            experiment,
            seed=self.seed,
            toxiproxy=self.toxiproxy,
            virtual=self.virtual,
            workers=self.workers,
            master=self.master,
            processes=self.processes,
            interleaving=self.interleaving,
            names=names,
        )


def _number_of(text: str) -> NumberOfProcesses:
    """How many processes an option asks for. Raises UserError."""
    from paychain.model.experiment import MAX_PROCESSES, MIN_PROCESSES

    if text == "auto":
        return "auto"
    number = whole_number(text) or 0
    if not MIN_PROCESSES <= number <= MAX_PROCESSES:
        raise UserError(
            f"cannot run the links and the fault engine in '{text}' processes",
            hint=f"use auto, or {MIN_PROCESSES} to {MAX_PROCESSES}",
        )
    return number
