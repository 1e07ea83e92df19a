"""The test files compiled before workers import them: each of three would compile all of them.

pytest compiles a test file itself, to explain its assertions, and keeps what it made. A new clone
has nothing of it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.support.tiers import has_quick_tests

# What follows is not for users of pytest: without it, each worker compiles for itself as ever.
_NEEDED = (
    "PYC_TAIL",
    "_read_pyc",
    "_rewrite_test",
    "_write_pyc",
    "assertstate_key",
    "get_cache_dir",
)


def compile_tests(config: pytest.Config, folder: Path, *, only_quick: bool) -> int:
    """Compile the test files that are new or changed; how many those were.

    `only_quick`: those alone that have a test for `make fast`.
    """
    state = config.stash.get(rewrite.assertstate_key, None)
    if state is None or sys.dont_write_bytecode or not all(hasattr(rewrite, n) for n in _NEEDED):
        return 0
    compiled = 0
    for path in sorted(folder.rglob("test_*.py")):
        kept = rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(path, kept) is not None:
            continue
        # A file that cannot be read, compiled or kept is the matter of who collects it.
        with suppress(OSError, SyntaxError, ValueError):
            if only_quick and not has_quick_tests(path.read_text("utf-8")):
                continue
            kept.parent.mkdir(parents=True, exist_ok=True)
            source, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(state, code, source, kept)
            compiled += 1
    return compiled
