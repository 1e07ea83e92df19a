"""One process at a time in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paychain.payments.errors import UserError

LOCK_S = 60.0  # what is done meanwhile takes seconds
_POLL_S = 0.05


@contextmanager
def only_process(folder: Path, does: str) -> Iterator[None]:
    """Let no other process enter a block of this kind with the folder meanwhile.

    `does`: what the block is for, such as `signing in`. Raises UserError when another one does not
    end. Where folders cannot be locked (Windows, some network file systems) nothing is waited for.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise UserError(
                        f"another process has been {does} {folder} for {LOCK_S:.0f} s",
                        hint="end it, and try again",
                    ) from None
                time.sleep(_POLL_S)
                continue
            except OSError:
                pass  # it cannot be locked here
            break
        yield
    finally:
        os.close(descriptor)
