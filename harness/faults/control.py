"""Typed control of a fault engine over toxiproxy-python.

The client keeps its server in class attributes, has no time-outs, obeys proxy variables and takes a
5xx for an answer (toxiproxy.md §2). Here each engine has a copy of the client and a session of its
own, every call a limit, and every failure is an EngineError.
"""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase
from toxiproxy.exceptions import ProxyExists
from urllib3.exceptions import HTTPError

from harness.toxics.registry import TOXICS, wrong_attributes

CALL_S = 2.0  # no call may hold up the timeline of a run for longer: a healthy engine needs 2 ms
MOST_ANSWER_BYTES = 16_000_000  # a page of events, or 1,000 proxies: a few 100 kB
WEDGED = 503  # what a wedged server answers, as HTML and after 25 s


class EngineError(Exception):
    """The engine refused, failed or did not answer. `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class _Answer:
    """What toxiproxy-python needs of a response."""

    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class _Session:
    """What toxiproxy-python calls its consumer, bound to one address; one call at a time.

    An engine that failed to answer once is lost: later calls fail at once, so that stopping a run
    does not wait for a wedged server once per hop.
    """

    def __init__(self, url: str, within_s: float, auth: AuthBase | None) -> None:
        self.lost: EngineError | None = None
        self._url = url
        self._within_s = within_s
        self._turn = threading.Lock()
        self._session = requests.Session()
        self._session.auth = auth
        self._session.trust_env = False  # never through a corporate proxy

    def request(self, method: str, path: str, json: Any = None) -> _Answer:
        with self._turn:
            if self.lost is not None:
                raise self.lost
            try:
                return self._exchange(method, path, json)
            except EngineError as error:
                if error.status in (0, WEDGED):
                    self.lost = error
                raise

    def _exchange(self, method: str, path: str, body: Any) -> _Answer:
        until = time.monotonic() + self._within_s
        content = bytearray()
        try:
            with self._session.request(
                method, self._url + path, json=body, timeout=self._within_s, stream=True,
                allow_redirects=False,
            ) as response:  # fmt: skip
                # read1: one recv at a time, so that a dripping answer cannot outlast the limit
                while piece := response.raw.read1(65_536):
                    content += piece
                    if time.monotonic() > until or len(content) > MOST_ANSWER_BYTES:
                        raise EngineError(f"{method} {path}: an answer without an end")
        except (requests.RequestException, HTTPError) as error:
            raise EngineError(f"{method} {path}: no answer ({type(error).__name__})") from error
        if not 200 <= response.status_code < 300:
            reason = _reason(bytes(content), response.status_code)
            raise EngineError(f"{method} {path}: {reason}", response.status_code)
        return _Answer(bytes(content))

    def get(self, path: str) -> _Answer:
        return self.request("GET", path)

    def post(self, path: str, json: Any = None) -> _Answer:
        return self.request("POST", path, json)

    def delete(self, path: str) -> _Answer:
        return self.request("DELETE", path)

    def close(self) -> None:
        self._session.close()


def _reason(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}"


def _client(session: _Session) -> Any:
    """toxiproxy-python for one engine: its modules loaded anew, with our session in them.

    The client finds its server in a name of its modules. A copy of them leaves that name alone for
    every other engine of the process, and for the user's own use of the client.
    """
    proxy, server = _copy("toxiproxy.proxy"), _copy("toxiproxy.server")
    vars(proxy)["APIConsumer"] = vars(server)["APIConsumer"] = session
    vars(server)["Proxy"] = proxy.Proxy
    return server.Toxiproxy()


def _copy(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    assert spec is not None  # the client is a dependency
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class EngineControl:
    """The proxies and toxics of one engine. Every method raises EngineError when it fails.

    `mark`: what the names of our proxies begin with on the engine, and nowhere else. `auth`: what
    the machine of the engine asks a proof of.
    """

    def __init__(
        self, url: str, *, within_s: float = CALL_S, mark: str = "", auth: AuthBase | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._mark = mark
        self._session = _Session(self.url, within_s, auth)
        self._server = _client(self._session)
        self._proxies: dict[str, Any] = {}  # the client's objects for the proxies we made

    @property
    def lost(self) -> EngineError | None:
        """Why the engine was given up: it did not answer in time, or answered as a wedged one."""
        return self._session.lost

    def version(self) -> str:
        """The version the engine reports."""
        return str(self._version()["version"])

    def is_ours(self) -> bool:
        """The embedded engine, not a real Toxiproxy server."""
        return self._version().get("engine") == "paychain"

    def _version(self) -> dict[str, Any]:
        with _typed("GET /version"):
            found: dict[str, Any] = dict(self._session.get("/version").json())
            found["version"] = str(found["version"])
            return found

    def names(self) -> list[str]:
        """Names of all proxies, as the engine has them.

        Also the engine's sign of life: a wedged one has a /version.
        """
        with _typed("GET /proxies"):
            return list(self._server.proxies())

    def create(self, name: str, upstream: str, host: str = "127.0.0.1") -> str:
        """Make a proxy on a free port, of loopback unless told otherwise; returns its address."""
        _addressable(name)
        with _typed(f"create {name}"):
            made = self._server.create(
                upstream=upstream, name=self._mark + name, listen=f"{host}:0"
            )
            self._proxies[name] = made
            return str(made.listen)

    def destroy(self, name: str) -> None:
        """Remove a proxy."""
        self._proxies.pop(name, None)
        self._session.delete(_path("proxies", self._mark + name))

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""
        proxy = self._proxy(name)
        with _typed(f"enable {name}"):
            proxy.enable() if enabled else proxy.disable()

    def add_toxic(
        self, proxy: str, name: str, kind: str, stream: str, toxicity: float,
        attributes: dict[str, int],
    ) -> None:  # fmt: skip
        """Add a toxic to a proxy. What would kill a real server is not sent."""
        _addressable(name)
        _check_toxic(kind, toxicity, attributes)
        found = self._proxy(proxy)
        with _typed(f"add toxic {name}"):
            found.add_toxic(
                name=name, type=kind, stream=stream, toxicity=toxicity, attributes=attributes
            )

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        self._session.delete(_path("proxies", self._mark + proxy, "toxics", name))

    def events(self, after: int) -> dict[str, Any] | None:
        """A page of the embedded engine's events after a number; None from one that keeps none."""
        path = f"/events?after={after}"
        try:
            with _typed(f"GET {path}"):
                page = dict(self._session.get(path).json())
                for event in page["events"]:
                    event["proxy"] = event["proxy"].removeprefix(self._mark)
                return page
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _proxy(self, name: str) -> Any:
        if name not in self._proxies:
            _addressable(name)
            with _typed(f"proxy {name}"):
                found = self._server.get_proxy(self._mark + name)
            if found is None:
                raise EngineError(f"the engine has no proxy {name}", 404)
            self._proxies[name] = found
        return self._proxies[name]


@contextmanager
def _typed(what: str) -> Iterator[None]:
    """The client reads answers without looking: what it stumbles over becomes an EngineError."""
    try:
        yield
    except ProxyExists as error:
        raise EngineError(f"{what}: proxy already exists", 409) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{what}: not the answer of a Toxiproxy ({error!r})") from error


def _path(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)


def _addressable(name: str) -> None:
    """The client puts names into paths as they are, and a real server cannot find a `/` again."""
    if not name or quote(name, safe="") != name:
        raise EngineError(f"'{name}' cannot be part of a URL", 400)


def _check_toxic(kind: str, toxicity: float, attributes: dict[str, int]) -> None:
    reason = wrong_attributes(kind, attributes) if kind in TOXICS else None
    if not 0 <= toxicity <= 1:
        reason = "toxicity must be between 0 and 1"
    if reason is not None:
        raise EngineError(f"{kind}: {reason}", 400)
