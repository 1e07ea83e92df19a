"""The toxic `noop`."""

from __future__ import annotations

from harness.toxics.stage import Stage


class Noop(Stage):
    """Passes everything."""
