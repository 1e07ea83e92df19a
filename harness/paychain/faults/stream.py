"""The direction of the bytes that a fault on a hop applies to."""

from __future__ import annotations

from typing import Literal

Stream = Literal["upstream", "downstream"]
