"""The toxic `blackhole`: no answer, ever. An extension: Toxiproxy has no such toxic."""

from __future__ import annotations

from paychain.toxics.stage import Stage


class Blackhole(Stage):
    """New connections are accepted and never answered; open ones are not affected.

    No upstream connection is made and nothing is read. When the toxic is removed, connections that
    still wait go on as if their packets had been delayed. The proxy does it (proxy.py).
    """

    AT_CONNECT = True
    GO_NAME = "BlackholeToxic"
