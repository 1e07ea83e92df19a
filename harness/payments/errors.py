"""A user's mistake, told so that it can be mended."""

from __future__ import annotations


class UserError(Exception):
    """What is wrong, where, and how to mend it. Printed without a traceback; exit code 2."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{place}{self.what}{mend}"
