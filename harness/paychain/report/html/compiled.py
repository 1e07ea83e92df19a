"""Templates of pages, compiled once for a user: to compile a report's takes as long as a run's end.

What is kept is code. It is taken only from a folder that nobody else may write to.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from paychain.processes.files import expanded, write_atomically


class CompiledTemplates(jinja2.BytecodeCache):
    """Compiled templates in a folder; without one that can be used, each process compiles anew.

    Jinja compiles anew, too, when a template, Python or the format of the cache is another one; and
    so does another version of paychain or Jinja, or an environment with other options.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket with what is kept; leave it empty when there is nothing."""
        # A file that a full disk or a crash cut short raises whatever its first bytes lead to.
        with suppress(Exception):
            if _is_ours_alone(self._folder):
                bucket.bytecode_from_string(self._file(bucket).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, where that can be."""
        with suppress(OSError, PackageNotFoundError):
            if self._folder.is_absolute():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours_alone(self._folder):
                write_atomically(self._file(bucket), bucket.bytecode_to_string())

    def _file(self, bucket: Bucket) -> Path:
        compiled_by = "\n".join(
            (version("paychain"), jinja2.__version__, *_options(bucket.environment))
        )
        kind = hashlib.sha256(compiled_by.encode()).hexdigest()[:16]
        return self._folder / f"{bucket.key}-{kind}.compiled"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a user's compiled templates are."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(cache) / "paychain"


def _options(environment: jinja2.Environment) -> Iterator[str]:
    """What the code of a template depends on beside its text."""
    for name, value in vars(environment).items():
        if value is None or isinstance(value, (str, int)):
            yield f"{name}: {value!r}"
    yield from sorted(environment.extensions)
    for functions in (environment.filters, environment.tests):
        for name, function in sorted(functions.items()):
            # Whether it is called with the context, say.
            yield f"{name}: {getattr(function, 'jinja_pass_arg', None)}"


def _is_ours_alone(folder: Path) -> bool:
    """Whether the folder is this account's, and no other may write to it. Raises OSError."""
    # Without a home the path begins in the working folder, where a pull request puts its files.
    if not folder.is_absolute():
        return False
    status = folder.stat(follow_symlinks=False)
    if not hasattr(os, "getuid"):
        return True  # Windows keeps others out of a user's folders
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
