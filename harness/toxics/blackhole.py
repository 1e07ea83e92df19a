"""The toxic `blackhole`, an extension of ours."""

from __future__ import annotations

from harness.toxics.stage import Stage


class Blackhole(Stage):
    """New connections are accepted and never answered; those that stand live on.

    Nothing is dialled and nothing more is read. When it is removed, those that still wait go on as
    if their packets had been on their way all the time. The proxy does it.
    """

    AT_CONNECT = True
    GO_NAME = "BlackholeToxic"
