"""When Python looks for cycles in a process that payments go through.

Every payment under way waits for a collection. Python's usual thresholds are for programs that make
cycles; here nearly everything is freed by its last reference, and a connection that ends leaves one
or two behind.
"""

from __future__ import annotations

import gc

# Objects made and not freed between two collections of the youngest, and how many of those are
# between two of the next older. Python 3.11: 700, 10, 10. With links of eight services and 32
# payments at a time, collections take 0.5 % of the processor time instead of 6 %.
YOUNG, MIDDLE, OLD = 5_000, 20, 10


def collect_seldom() -> None:
    """Collect cycles seldom from now on, and never look at what exists now: modules, a chain."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
