"""When Python looks for cycles in the processes of a run.

Modules, models and records are made to stay. Python's usual thresholds are for programs that make
cycles: while a process starts, it looks again and again at everything that was imported so far.

In a process that payments go through, every payment under way waits for a collection. There, nearly
everything is freed by its last reference, and a connection that ends leaves one or two behind.
"""

from __future__ import annotations

import gc

# Objects made and not freed between two collections of the youngest, and how many of those are
# between two of the next older. Python 3.11: 700, 10, 10. With links of eight services and 32
# payments at a time, collections take 0.5 % of the processor time instead of 6 %.
YOUNG, MIDDLE, OLD = 5_000, 20, 10
# In a process that starts, and in the command, whose own work is to load and to judge. What a run
# needs are 140,000 objects, none of them garbage; to look at them takes an eighth of the start.
STARTING = 100_000


def collect_rarely() -> None:
    """Collect cycles rarely from now on: first of all in a process, before it imports the rest."""
    gc.set_threshold(STARTING, MIDDLE, OLD)


def collect_seldom() -> None:
    """Collect cycles seldom from now on, and never look at what exists now: modules, a chain."""
    # Not collected first: that takes a tenth of the start, for some hundred objects out of 90,000.
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
