"""The error of an own service that could not be started."""

from __future__ import annotations

from paychain.payments.errors import UserError, one_line


class NotStarted(UserError):
    """An own service could not be started: nothing was run. `what` may hold its last lines."""

    is_one_line = False

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        lines = "\n".join(one_line(line) for line in what.split("\n"))
        super().__init__(lines, where=one_line(where), hint=one_line(hint))
