"""Keeps links of a chain waiting on this machine: run after run, each with empty books."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paychain.environment.remote.lookup import address_of
from paychain.environment.remote.waiting import WaitingPlan
from paychain.load.distributed.spread import check_token
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.placement import Placed
from paychain.payments.errors import UserError
from paychain.processes.children import Children, python_module
from paychain.processes.files import write_atomically
from paychain.processes.tokens import TOKEN_VARIABLE


def place_of(chain: Chain, only: str) -> tuple[str, Placed]:
    """The host that `--only` names, by its name or by its links. Raises UserError."""
    known = ", ".join(chain.hosts) or "none"
    if only in chain.hosts:
        return only, chain.hosts[only]
    links = {link.strip() for link in only.split(",")}
    for name, placed in chain.hosts.items():
        if links == set(placed.links):
            return name, placed
    raise UserError(
        f"'{only}' is neither a host nor exactly the links of one",
        hint=f"hosts in the chain file: {known}",
    )


def serve(
    chain: Loaded[Chain],
    placed: Placed,
    token: str,
    folder: Path,
    wait: Callable[[float], bool],
    on_progress: Callable[[str], None],
) -> None:
    """Let the links wait for one run after the other until `wait(seconds)` returns True.

    Raises UserError when they cannot listen, or when their process dies.
    """
    address = address_of(placed, chain)
    check_token(address, token)
    children = Children(folder)
    number = 0
    try:
        while True:
            number += 1
            stem = folder / f"run-{number}"
            plan = WaitingPlan(
                chain=chain.document.value,
                chain_sha256=chain.sha256,
                links=placed.links,
                has_engine=placed.engine,
                address=address,
                port=placed.port,
                spool=f"{stem}.spool",
                ready=f"{stem}.ready",
            )
            path = stem.with_suffix(".plan")
            write_atomically(path, plan)
            child = children.start(
                "waiting links",
                python_module("paychain.environment.remote", str(path)),
                {TOKEN_VARIABLE: token},
            )
            children.wait_for(child, Path(plan.ready), is_addressed=True)
            where = f"{address}:{placed.port}"
            on_progress(f"{', '.join(placed.links)} wait for a run at {where}")
            while child.process.poll() is None:
                if wait(0.1):
                    return
            if child.process.returncode != 0:
                raise UserError(child.exit_report())
            children.kill(child)
            Path(plan.spool).unlink(missing_ok=True)
    finally:
        children.stop()
