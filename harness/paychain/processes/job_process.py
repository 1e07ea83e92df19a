"""A process that does the jobs of one worker of a cluster, one after the other."""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from paychain.processes.jobs import Raised, serve
from paychain.processes.parent import end_with


def main(descriptor: int, worker: int) -> None:
    """Do jobs until the worker, whose number is given, is gone or needs this process no more."""
    end_with(worker, lambda: False)
    parent = Connection(descriptor)
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the worker is gone
        while True:
            job, argument = pickle.loads(parent.recv_bytes())  # noqa: S301  (of our own worker)
            try:
                serve(job, argument, parent)
            except Exception as error:
                parent.send((Raised(error), True))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
