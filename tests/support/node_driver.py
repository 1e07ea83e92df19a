"""A vendor's SDK for Node in one process that is asked in JSON lines.

The SDK is fetched once by npm into a cache outside the repository; where Node or the SDK is not to
be had, the tests that need it skip.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from tests.support.fetched import CACHE, fetched, tool
from tests.support.paths import ROOT
from tests.support.vendor_shop import Failed

PROGRAMS = ROOT / "tests" / "conformance" / "sdk" / "programs"
ANSWER_S = 60.0


class NodeClient:
    """A `Client` of `vendor_shop`, whose program reads requests from its input."""

    language = "node"

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._waiting: dict[int, Queue[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        assert process.stdout is not None
        self.sdk: str = json.loads(process.stdout.readline())["sdk"]
        threading.Thread(target=self._read, daemon=True).start()

    def ask(
        self, operation: str, body: dict[str, Any] | None = None, name: str = "", key: str = ""
    ) -> Any:
        asked = {"operation": operation, "body": body or {}, "name": name, "key": key}
        queue: Queue[dict[str, Any]] = Queue()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = queue
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": number, **asked}) + "\n")
            self._process.stdin.flush()
        answer = queue.get(timeout=ANSWER_S)
        failed = answer.get("error")
        if failed is not None:
            raise Failed(failed["name"], failed.get("status") or 0, failed.get("codes") or [])
        return answer["message"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).put(answer)


@contextmanager
def node_client(program: str, package: str, version: str, url: str) -> Iterator[NodeClient]:
    """The SDK of an npm package, driven by one of the programs."""
    why = f"the SDK {package} for Node"
    node, npm = tool("node", why), tool("npm", why)
    modules = CACHE / f"node-{package}-{version}"
    modules.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    result = modules / "node_modules" / package / "package.json"
    fetched([*install, "--prefix", str(modules), f"{package}@{version}"], result, cwd=modules)
    process = subprocess.Popen(
        [node, str(PROGRAMS / program), url, str(result.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield NodeClient(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10.0)
