"""Exit codes of every command: CI jobs branch on them, so their meaning never changes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    PASS = 0  # within all tolerances; nothing found; done
    FAIL = 1  # a tolerance or money rule failed, a search found an outage, a signature is wrong
    USAGE = 2  # the command line or a file is invalid; nothing was run
    INCONCLUSIVE = 3  # paychain or its machine failed: this says nothing about the chain
    REGRESSION = 4  # a measure is worse than in the baseline
    INTERRUPTED = 130  # Ctrl-C, as shells report it: 128 + SIGINT

    @classmethod
    def of_verdict(cls, verdict: str) -> ExitCode:
        """The code of a run with this verdict."""
        return _OF_VERDICT[verdict]


_OF_VERDICT = {
    "pass": ExitCode.PASS,
    "fail": ExitCode.FAIL,
    "inconclusive": ExitCode.INCONCLUSIVE,
}
SUMMARY = (
    "Exit codes: 0 pass, 1 a tolerance or money rule failed, 2 usage or invalid file, "
    "3 inconclusive, 4 regression against a baseline, 130 interrupted."
)
