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
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = order.out / (name + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"cannot write to {order.out}: {error.strerror}") from error
        inputs = folder / "inputs"
        inputs.mkdir()
        for loaded in (order.chain, order.experiment):
            (inputs / loaded.path.name).write_text(loaded.text, "utf-8")
        return folder
    raise UserError(f"{order.out / name} and 98 others exist already")
