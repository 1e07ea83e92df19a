"""The heartbeat of a process that waits in calls of its own, not in an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from paychain.processes.stalls import EVERY_S, StallDetector


class StallThread:
    """Sends heartbeats from a thread of its own until `stop`. `report` is called there.

    It shows when the whole process did not get the processor, not what its other threads wait for.
    """

    def __init__(self, now_ns: Callable[[], int], report: Callable[[int, int], None]) -> None:
        self._now_ns, self._report = now_ns, report
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is reported after it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        detector = StallDetector(self._now_ns, self._report)
        while not self._over.wait(EVERY_S):
            detector.heartbeat()
