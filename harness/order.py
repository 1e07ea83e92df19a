"""What is to be run, and a run that is over: shared by real and virtual runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.load.spread import Spread
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.loading import Loaded
from harness.payments.errors import UserError
from harness.report.result import Result

SERVICES = (sys.executable, "-m", "harness.services")


@dataclass(frozen=True)
class Order:
    """What is to be run. `services` is the command of a services process."""

    chain: Loaded[Chain]
    experiment: Loaded[Experiment]
    out: Path
    seed: int
    toxiproxy: str | None
    command: str
    services: tuple[str, ...] = SERVICES
    spread: Spread | None = None  # the load over several processes


@dataclass(frozen=True)
class Finished:
    """A run that is over: its folder, its result, and whether it was interrupted."""

    folder: Path
    result: Result
    was_interrupted: bool


def make_folder(order: Order, started: datetime) -> Path:
    """A new run directory with the files that are run. Raises UserError when it cannot be made."""
    name = f"{started:%Y%m%dT%H%M%SZ}-{order.chain.model.chain}-{order.experiment.model.experiment}"
    folder = new_folder(order.out, name)
    keep_inputs(folder, order.chain, order.experiment)
    return folder


def new_folder(out: Path, name: str) -> Path:
    """A new directory of that name, or with a number. Raises UserError when it cannot be made."""
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


def keep_inputs(folder: Path, chain: Loaded[Chain], experiment: Loaded[Experiment]) -> None:
    """The files that are run, beside what came of them."""
    inputs = folder / "inputs"
    inputs.mkdir(exist_ok=True)
    for loaded in (chain, experiment):
        (inputs / loaded.path.name).write_text(loaded.text, "utf-8")
