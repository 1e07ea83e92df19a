"""The toxic `refuse`: new connections fail. An extension: Toxiproxy has no such toxic."""

from __future__ import annotations

from paychain.toxics.stage import Stage


class Refuse(Stage):
    """New connections are refused; open ones are not affected.

    With a toxicity of 1 nothing listens, as if the service were down; with less, the affected
    connections are accepted and reset at once. The proxy does both (proxy.py).
    """

    AT_CONNECT = True
    GO_NAME = "RefuseToxic"
