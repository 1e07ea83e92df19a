"""Locust as runs start it: `python -m paychain.load.locust OPTIONS`, with the options of `locust`.

gevent asks at each of the 25 steps of its patches which plugins it has, and each answer reads the
metadata of all installed packages: with 170 of them, a sixth of the time that Locust takes to
start. Here they are read once.
"""

from __future__ import annotations

import importlib.metadata

from paychain.processes.collector import collect_rarely


def main() -> None:
    """Import Locust, which patches the standard library, and run it."""
    collect_rarely()
    # Nothing may be imported before that holds what gevent replaces, such as a lock.
    asked = importlib.metadata.entry_points
    importlib.metadata.entry_points = asked().select
    try:
        from locust.main import main as locust
    finally:
        importlib.metadata.entry_points = asked
    locust()


if __name__ == "__main__":
    main()
