"""Prints lines that hold text of others: names of files, titles, what a service answered."""

from __future__ import annotations

import sys

from paychain.payments.errors import one_line

TRACEBACK_VARIABLE = "PAYCHAIN_TRACEBACK"  # set to show where an unexpected error came from
OUR_BUG = f"this is a bug in paychain or in a library: {TRACEBACK_VARIABLE}=1 shows where"


def say(*lines: str, is_error: bool = False) -> None:
    """Print each as one line, to the error stream or not.

    A file name or a value may hold line breaks, escapes of the terminal, and commands that a CI
    system would obey in a step's output.
    """
    for line in lines:
        print(one_line(line), file=sys.stderr if is_error else sys.stdout, flush=True)
