"""The plan of the board's load process, and the variables of its environment."""

from __future__ import annotations

import msgspec

PLAN_VARIABLE = "PAYCHAIN_BOARD_PLAN"
SECRET_VARIABLE = "PAYCHAIN_BOARD_SECRET"  # noqa: S105  (the name of a variable)
TOKEN_VARIABLE = "PAYCHAIN_BOARD_TOKEN"  # noqa: S105  (the name of a variable)


class BoardPlan(msgspec.Struct, frozen=True):
    """The addresses of the session and of the board's page."""

    control: str  # URL of the control API
    host: str  # that the page listens on
