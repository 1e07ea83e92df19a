"""What the load process of the board is told."""

from __future__ import annotations

import msgspec

PLAN_VARIABLE = "PAYCHAIN_BOARD_PLAN"
SECRET_VARIABLE = "PAYCHAIN_BOARD_SECRET"  # noqa: S105  (of the control API; the name only)
TOKEN_VARIABLE = "PAYCHAIN_BOARD_TOKEN"  # noqa: S105  (the name only)


class BoardPlan(msgspec.Struct, frozen=True):
    """Where the session listens, and where the board does."""

    control: str  # URL of the control API
    host: str  # of the web page
