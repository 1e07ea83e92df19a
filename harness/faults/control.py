"""Typed control of a fault engine over toxiproxy-python.

The client keeps its server in class attributes, has no time-outs, obeys proxy variables and takes a
5xx for an answer (toxiproxy.md §2). Here each engine has a session of its own, every call a limit,
and every failure is an EngineError.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import toxiproxy.proxy
import toxiproxy.server
from toxiproxy import Toxiproxy

TIMEOUT_S = (2.0, 10.0)  # connect, read
_library = threading.Lock()  # the client's module is shared by all engines of a process


class EngineError(Exception):
    """The engine refused, failed or did not answer. `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Session:
    """What toxiproxy-python calls its consumer, bound to one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # never through a corporate proxy

    def request(self, method: str, path: str, json: Any = None) -> requests.Response:
        try:
            response = self._session.request(method, self._url + path, json=json, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise EngineError(f"{method} {path}: no answer ({type(error).__name__})") from error
        if response.status_code >= 400:
            raise EngineError(f"{method} {path}: {_reason(response)}", response.status_code)
        return response

    def get(self, path: str) -> requests.Response:
        return self.request("GET", path)

    def post(self, path: str, json: Any = None) -> requests.Response:
        return self.request("POST", path, json)

    def delete(self, path: str) -> requests.Response:
        return self.request("DELETE", path)


def _reason(response: requests.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"


class EngineControl:
    """The proxies and toxics of one engine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = _Session(url.rstrip("/"))
        self._server = Toxiproxy()

    @contextmanager
    def _client(self) -> Iterator[Any]:
        with _library:
            before = toxiproxy.server.APIConsumer, toxiproxy.proxy.APIConsumer
            toxiproxy.server.APIConsumer = toxiproxy.proxy.APIConsumer = self._session
            try:
                yield self._server
            finally:
                toxiproxy.server.APIConsumer, toxiproxy.proxy.APIConsumer = before

    def version(self) -> str:
        """The version the engine reports."""
        return str(self._session.get("/version").json()["version"])

    def names(self) -> list[str]:
        """Names of all proxies; also the engine's sign of life."""
        with self._client() as server:
            return list(server.proxies())

    def create(self, name: str, upstream: str) -> str:
        """Make a proxy on a free loopback port; returns its address."""
        with self._client() as server:
            return str(server.create(upstream=upstream, name=name, listen="127.0.0.1:0").listen)

    def destroy(self, name: str) -> None:
        """Remove a proxy."""
        self._session.delete(f"/proxies/{name}")

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""
        self._session.post(f"/proxies/{name}", {"enabled": enabled})

    def add_toxic(
        self, proxy: str, name: str, kind: str, stream: str, toxicity: float,
        attributes: dict[str, int],
    ) -> None:  # fmt: skip
        """Add a toxic to a proxy."""
        with self._client() as server:
            found = server.get_proxy(proxy)
            if found is None:
                raise EngineError(f"the engine has no proxy {proxy}", 404)
            found.add_toxic(
                name=name, type=kind, stream=stream, toxicity=toxicity, attributes=attributes
            )

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        self._session.delete(f"/proxies/{proxy}/toxics/{name}")

    def counters(self) -> dict[str, Any]:
        """The embedded engine's counters per proxy; empty for an engine that has none."""
        try:
            found: dict[str, Any] = self._session.get("/counters").json()
        except EngineError as error:
            if error.status == 404:
                return {}
            raise
        return found
