"""The toxic `refuse`, an extension of ours."""

from __future__ import annotations

from harness.toxics.stage import Stage


class Refuse(Stage):
    """New connections are refused, those that stand live on.

    With a toxicity of 1 nothing listens, as if the service were down; with less, the struck
    connections are accepted and reset at once. The proxy does both.
    """

    AT_CONNECT = True
    GO_NAME = "RefuseToxic"
