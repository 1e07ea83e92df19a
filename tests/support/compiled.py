"""The test files compiled before workers import them: each of three would compile all of them.

pytest compiles a test file itself, to explain its assertions, and keeps what it made. A new clone
has nothing of it. There is no public way to have that done: pytest compiles a file only when it
imports it, which takes longer than compiling, and imports all that the file imports. So this calls
functions that pytest does not publish. In a version where one is gone, or takes or returns
something else, it does nothing from there on, and each worker compiles for itself as ever.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.tiers import has_quick_tests


def compile_tests(config: pytest.Config, folder: Path, *, only_quick: bool) -> int:
    """Compile the test files that are new or changed; how many those were.

    `only_quick`: those alone that have a test for `make fast`.
    """
    compiled = 0
    # What another version of pytest does to the calls below.
    with suppress(ImportError, AttributeError, TypeError):
        from _pytest.assertion import rewrite

        state = config.stash.get(rewrite.assertstate_key, None)
        if state is None or sys.dont_write_bytecode:
            return 0
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
