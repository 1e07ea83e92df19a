"""Where the repository keeps what tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "harness"  # what a process of ours has on its PYTHONPATH
SAMPLE = ROOT / "reports" / "sample"  # the committed report of one run
DOCS = ROOT / "docs"
SUPPORT = ROOT / "tests" / "support"
PLANTED_CHAINS = ROOT / "tests" / "planted"
FETCHED = ROOT / "tests" / ".toxiproxy"  # built or downloaded once; git ignores it
