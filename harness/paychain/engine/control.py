"""Typed control of a fault engine over toxiproxy-python.

The client (0.1.1) keeps its server in class attributes, has no time-outs, obeys proxy variables and
accepts a 5xx as an answer (docs/toxiproxy.md §3). Here each engine has its own copy of the client
and its own session, every call has a time limit, and every failure is an EngineError.
"""

from __future__ import annotations

import importlib.util
import json
import threading
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

from paychain.engine.errors import EngineError
from paychain.faults.toxic_spec import ToxicSpec
from paychain.payments.errors import without_passwords
from paychain.processes.loopback import LOOPBACK
from paychain.processes.sessions import direct_session
from paychain.toxics.api_requests import OBSERVE, OBSERVE_ALL
from paychain.toxics.registry import TOXICS, wrong_attributes

CALL_S = 2.0  # no call may delay the timeline of a run for longer; a healthy engine needs 2 ms
MAX_ANSWER_BYTES = 16_000_000  # a page of events, or 1,000 proxies: a few 100 kB
WEDGED = 503  # what a wedged server answers, as HTML and after 25 s


@dataclass(frozen=True)
class RequestReading:
    """How the requests over a proxy are read: which payment ids to look for.

    `is_blind`: no link behind the proxy records its requests.
    """

    id_prefix: str
    is_blind: bool


@dataclass(frozen=True)
class _Answer:
    """The part of a response that toxiproxy-python uses."""

    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class _Session:
    """The API consumer of toxiproxy-python for one address; one call at a time.

    An engine that did not answer once is lost: later calls fail at once, so that stopping a run
    does not wait for a wedged server at every hop.
    """

    def __init__(self, url: str, within_s: float, auth: AuthBase | None) -> None:
        self.lost: EngineError | None = None
        self._url = url
        self.within_s = within_s
        self._turn = threading.Lock()
        self._session = direct_session(auth)

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
        content = bytearray()
        try:
            with self._session.request(
                method,
                self._url + path,
                json=body,
                timeout=self.within_s,
                stream=True,
                allow_redirects=False,
            ) as response:
                while piece := response.raw.read(65_536):
                    content += piece
                    if len(content) > MAX_ANSWER_BYTES:
                        raise EngineError(f"{method} {path}: the answer is too long")
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

    The client finds its server by a global name of its modules. In a copy of them that name can be
    ours, without an effect on other engines of the process or on the user's own use of the client.
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

    `mark`: prefix of our proxies' names on the engine, and nowhere else. `auth`: proves requests to
    an engine on another machine.
    """

    def __init__(
        self, url: str, *, within_s: float = CALL_S, mark: str = "", auth: AuthBase | None = None
    ) -> None:
        self.url = without_passwords(url.rstrip("/"))  # as it may be shown
        self._mark = mark
        self._session = _Session(url.rstrip("/"), within_s, auth)
        self._server = _client(self._session)
        self._proxies: dict[str, Any] = {}  # the client's objects for the proxies we made

    def wait(self, within_s: float) -> None:
        """Let every later call take this long."""
        self._session.within_s = within_s

    @property
    def lost(self) -> EngineError | None:
        """Why the engine is lost: it did not answer in time, or as a wedged server does."""
        return self._session.lost

    def version(self) -> str:
        """The version the engine reports."""
        return str(self._version()["version"])

    def is_ours(self) -> bool:
        """Whether it is the embedded engine and not a Toxiproxy server."""
        return self._version().get("engine") == "paychain"

    def _version(self) -> dict[str, Any]:
        with _typed("GET /version"):
            found: dict[str, Any] = dict(self._session.get("/version").json())
            found["version"] = str(found["version"])
            return found

    def names(self) -> list[str]:
        """Names of all proxies, as the engine has them.

        Also the check that the engine works: a wedged one still answers GET /version.
        """
        with _typed("GET /proxies"):
            return list(self._server.proxies())

    def create(
        self,
        name: str,
        upstream: str,
        host: str = LOOPBACK,
        *,
        port: int = 0,
        observed: RequestReading | None = None,
    ) -> str:
        """Make a proxy on `host`, with port 0 on a free port; returns its address.

        `observed`: the requests over it are read. A Toxiproxy server ignores that.
        """
        _addressable(name)
        with _typed(f"create {name}"):
            if observed is not None:
                given = {
                    "name": self._mark + name,
                    "upstream": upstream,
                    "listen": f"{host}:{port}",
                    "enabled": True,
                    OBSERVE: observed.id_prefix,
                    OBSERVE_ALL: observed.is_blind,
                }
                return str(self._session.post("/proxies", given).json()["listen"])
            made = self._server.create(
                upstream=upstream, name=self._mark + name, listen=f"{host}:{port}"
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

    def add_toxic(self, proxy: str, name: str, toxic: ToxicSpec, toxicity: float) -> None:
        """Add a toxic that acts on a share of the connections, from 0 to 1, to a proxy.

        What would crash a Toxiproxy server is refused here.
        """
        _addressable(name)
        _check_toxic(toxic.kind, toxicity, toxic.attributes)
        found = self._proxy(proxy)
        with _typed(f"add toxic {name}"):
            found.add_toxic(
                name=name,
                type=toxic.kind,
                stream=toxic.stream,
                toxicity=toxicity,
                attributes=toxic.attributes,
            )

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        self._session.delete(_path("proxies", self._mark + proxy, "toxics", name))

    def events(self, after: int) -> dict[str, Any] | None:
        """A page of the embedded engine's events after a number; None without a log."""
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
        """Close the connection."""
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
    """The client does not check answers: any error it raises on one becomes an EngineError."""
    try:
        yield
    except ProxyExists as error:
        raise EngineError(f"{what}: proxy already exists", 409) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{what}: not a Toxiproxy response ({error!r})") from error


def _path(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)


def _addressable(name: str) -> None:
    """The client puts names into paths unquoted, and a server cannot find a name with `/` again."""
    if not name or quote(name, safe="") != name:
        raise EngineError(f"'{name}' cannot be part of a URL", 400)


def _check_toxic(kind: str, toxicity: float, attributes: dict[str, int]) -> None:
    reason = wrong_attributes(kind, attributes) if kind in TOXICS else None
    if not 0 <= toxicity <= 1:
        reason = "toxicity must be between 0 and 1"
    if reason is not None:
        raise EngineError(f"{kind}: {reason}", 400)
