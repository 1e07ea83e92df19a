"""paychain: run a declared payment chain under load and faults, and say where payments break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paychain.model.loading import load_chain, load_experiment
    from paychain.runs.by_name import run

__all__ = ["load_chain", "load_experiment", "run"]


def __getattr__(name: str) -> Any:
    """Import names only when they are used: the command must start quickly."""
    if name in ("load_chain", "load_experiment"):
        from paychain.model import loading

        return getattr(loading, name)
    if name == "run":
        from paychain.runs import by_name as running

        return running.run
    raise AttributeError(f"module 'paychain' has no attribute {name!r}")
