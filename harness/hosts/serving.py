"""Keeps links of a chain waiting on this machine: run after run, each with empty books."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from harness.children import Children
from harness.hosts.waiting import WaitingPlan
from harness.load.processes import TOKEN_VARIABLE
from harness.load.spread import check_token
from harness.model.chain import Chain
from harness.model.loading import Loaded
from harness.model.placement import Placed
from harness.payments.errors import UserError
from harness.services.plan import write_whole

READY_WITHIN_S = 20.0


def place_of(chain: Chain, only: str) -> tuple[str, Placed]:
    """The host that `--only` means: by its name, or by its links. Raises UserError."""
    known = ", ".join(chain.hosts) or "none"
    if only in chain.hosts:
        return only, chain.hosts[only]
    links = {one.strip() for one in only.split(",")}
    for name, placed in chain.hosts.items():
        if links == set(placed.links):
            return name, placed
    raise UserError(
        f"no host '{only}', and none with exactly these links",
        mend=f"hosts: of the chain file has: {known}",
    )


def serve(
    chain: Loaded[Chain], placed: Placed, token: str, folder: Path,
    wait: Callable[[float], bool], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Let the links wait for one run after the other until `wait(seconds)` says to stop.

    Raises UserError when they cannot, or when their process dies.
    """
    check_token(placed.address, token)
    children = Children(folder)
    number = 0
    try:
        while True:
            number += 1
            stem = folder / f"run-{number}"
            plan = WaitingPlan(
                chain.text, placed.links, placed.engine, placed.address, placed.port,
                str(stem) + ".spool", str(stem) + ".ready",
            )  # fmt: skip
            path = stem.with_suffix(".plan")
            write_whole(path, plan)
            child = children.start(
                "waiting links", [sys.executable, "-m", "harness.hosts", str(path)],
                {TOKEN_VARIABLE: token},
            )  # fmt: skip
            children.wait_for(child, Path(plan.ready), READY_WITHIN_S)
            say(f"{', '.join(placed.links)} wait for a run at {placed.address}:{placed.port}")
            while child.process.poll() is None:
                if wait(0.1):
                    return
            if child.process.returncode != 0:
                raise UserError(child.obituary())
            children.discard(child)
            Path(plan.spool).unlink(missing_ok=True)
    finally:
        children.stop()
