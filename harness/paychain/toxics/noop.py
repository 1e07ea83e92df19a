"""The toxic `noop`: nothing happens (Toxiproxy: toxics/noop.go)."""

from __future__ import annotations

from paychain.toxics.stage import Stage


class Noop(Stage):
    """Passes everything."""
