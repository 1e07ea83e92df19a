"""`make bench` runs every bench; `python -m bench NAME ...` the named ones.

A bench is a module of this package with a `main()` that prints what it measured. Its name is the
module's. Options after a single name are the bench's own: `python -m bench explore --seeds 3`.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from itertools import takewhile

import bench

# They take minutes; some write files.
ONLY_BY_NAME = (
    "fidelity",
    "live",
    "live_seeds",
    "live_waits",
    "moments",
    "observed_service",
    "oracle",
    "rival",
)


def main(words: list[str]) -> int:
    """Run the benches one after the other."""
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    options = words[len(names) :]
    known = sorted(
        module.name
        for module in pkgutil.iter_modules(bench.__path__)
        if not module.name.startswith("_")
    )
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no bench {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    if options and len(names) != 1:
        print("options go to one bench", file=sys.stderr)
        return 2
    for name in names or [each for each in known if each not in ONLY_BY_NAME]:
        print(f"{name}:", flush=True)
        bench_main = importlib.import_module(f"bench.{name}").main
        bench_main(options) if options else bench_main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
