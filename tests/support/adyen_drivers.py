"""Adyen's libraries of other languages, each in one process that is asked in JSON lines.

The libraries are fetched once by the language's own tool; where the tool or the library is not to
be had, the tests that need it skip.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

from tests.support.adyen_scenarios import Failed
from tests.support.fetched import CACHE, JVM, fetched, tool
from tests.support.paths import ROOT

PROGRAMS = ROOT / "tests" / "conformance" / "sdk" / "programs"
NODE_LIBRARY = "@adyen/api-library@32.1.0"
JAVA_LIBRARY = ("com.adyen", "adyen-java-api-library", "42.0.0")
WHY = "Adyen's libraries"
ANSWER_S = 60.0
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>paychain</groupId><artifactId>tests</artifactId><version>1</version><dependencies>
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
</dependencies></project>
"""


class Driver:
    """A process with one of Adyen's libraries: an `AdyenClient`, and its typed models."""

    sends_anything = False

    def __init__(
        self, language: str, command: Sequence[str], env: dict[str, str], sends_on_503: int = 1
    ) -> None:
        self.language = language
        self.sends_on_503 = sends_on_503
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._waiting: dict[int, Queue[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        assert self._process.stdout is not None
        self.sdk: str = json.loads(self._process.stdout.readline())["sdk"]
        threading.Thread(target=self._read, daemon=True).start()

    def ask(
        self, operation: str, body: dict[str, Any], psp: str = "", key: str = ""
    ) -> dict[str, Any]:
        answer = self._asked({"operation": operation, "body": body, "psp": psp, "key": key})
        message: dict[str, Any] = answer["message"]
        return message

    def is_genuine(self, item: dict[str, Any], key: str) -> bool:
        return bool(self._asked({"operation": "hmac", "body": item, "key": key})["message"])

    def parsed(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """What one of the library's models makes of an answer, written as JSON again."""
        asked = {"operation": "parse", "body": body, "model": model}
        message: dict[str, Any] = self._asked(asked)["message"]
        return message

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10.0)

    def _asked(self, asked: dict[str, Any]) -> dict[str, Any]:
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
            raise Failed(failed["name"], failed["status"], failed["code"] or "", failed["headers"])
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).put(answer)


@contextmanager
def node_driver(url: str, authority: Path | None = None) -> Iterator[Driver]:
    """Adyen's Node library, which speaks TLS only. `authority`: whose certificates it trusts."""
    node, npm = tool("node", WHY), tool("npm", WHY)
    folder = CACHE / "node-adyen"
    install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", NODE_LIBRARY]
    fetched(install, folder / "node_modules" / "@adyen")
    env = {"NODE_PATH": str(folder / "node_modules")}
    if authority is not None:
        env["NODE_EXTRA_CA_CERTS"] = str(authority)
    driver = Driver("node", [node, str(PROGRAMS / "adyen.cjs"), url], env)
    try:
        yield driver
    finally:
        driver.stop()


@contextmanager
def java_driver(url: str) -> Iterator[Driver]:
    """Adyen's Java library."""
    java, maven = tool("java", WHY), tool("mvn", WHY)
    folder = CACHE / "java-adyen"
    folder.mkdir(parents=True, exist_ok=True)
    pom = folder / "pom.xml"
    pom.write_text(_POM.format(*JAVA_LIBRARY), "utf-8")
    copy = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    _, name, version = JAVA_LIBRARY
    fetched([maven, "-q", "-B", "-f", str(pom), *copy], folder / f"{name}-{version}.jar")
    command = [java, *JVM, "-cp", f"{folder}/*", str(PROGRAMS / "AdyenDriver.java"), url]
    # Apache's HttpClient 5, which the library uses, sends again after 503 and 429 by default.
    driver = Driver("java", command, {}, sends_on_503=2)
    try:
        yield driver
    finally:
        driver.stop()
