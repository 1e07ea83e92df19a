"""A process that does jobs for the process that started it, one after the other (`local.py`)."""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from paychain.processes.jobs import JobError, serve
from paychain.processes.parent import end_with


def main(descriptor: int, starter: int) -> None:
    """Do jobs until the process with the id `starter` has ended or no longer needs this one.

    `descriptor`: of the connection to it.
    """
    end_with(starter)
    parent = Connection(descriptor)
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the starter is gone
        while True:
            job, argument = pickle.loads(parent.recv_bytes())  # noqa: S301  (of the process that started this one)
            try:
                serve(job, argument, parent)
            except Exception as error:
                parent.send((JobError.of(error), True))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
