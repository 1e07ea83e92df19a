"""paychain: run a declared payment chain under load and faults, and say where payments break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.model.loading import load_chain, load_experiment
    from harness.running import run

__all__ = ["load_chain", "load_experiment", "run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the command must start quickly."""
    if name in ("load_chain", "load_experiment"):
        from harness.model import loading

        return getattr(loading, name)
    if name == "run":
        from harness import running

        return running.run
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
