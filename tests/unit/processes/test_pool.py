"""What processes share that do jobs in turn."""

from __future__ import annotations

import errno
from multiprocessing.context import SpawnContext

import pytest

from paychain.payments.errors import HarnessError
from paychain.processes.pool import Pool


def test_a_machine_without_shared_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def event(_: SpawnContext) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(SpawnContext, "Event", event)
    started = Pool(1).start(print, [])
    with pytest.raises(HarnessError, match=r"share: Read-only file system; /dev/shm must exist"):
        started.__enter__()
