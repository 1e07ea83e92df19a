"""Toxiproxy's HTTP API over the embedded proxies: same paths, statuses, texts and quirks.

Source: docs/toxiproxy.md §1, and Toxiproxy 2.12.0, api.go. Extensions: GET /counters,
GET /events?after=N, live GET /metrics, the toxic types `refuse` and `blackhole`, and `observe` of a
new proxy (docs/own-services.md). Where it is deliberately better than Toxiproxy is listed and
tested in tests/conformance/deviations.py.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from paychain.payments.attribution import PaymentIds
from paychain.toxics.address import BadAddress, joined, resolved
from paychain.toxics.api_requests import (
    OBSERVE,
    OBSERVE_ALL,
    ApiError,
    changed_toxic_in,
    new_proxies_in,
    new_proxy_in,
    new_toxic_in,
    proxy_in,
)
from paychain.toxics.events import EventLog
from paychain.toxics.gojson import encode
from paychain.toxics.memory import HeldBytes
from paychain.toxics.metrics import CONTENT_TYPE, ByteCounts, exposition
from paychain.toxics.observation import Observation, Record
from paychain.toxics.proxy import CannotListen, Proxy
from paychain.toxics.toxic import Toxic
from paychain.wire.http import HttpRequest, HttpResponse

VERSION = "2.12.0"  # the Toxiproxy whose API this speaks
MAX_PROXIES = 10_000  # of one engine: each holds a listening socket
MAX_TOXICS = 256  # of one proxy: each is a stage for every byte
_JSON = "application/json"
_NO_SNIFF = {"x-content-type-options": "nosniff"}

Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Api:
    """All proxies of one engine, and the requests that change them.

    `seed` keys all chance. `now_ns` is the clock of the events; the default is the loop's time.
    `exchanges` takes the HTTP exchanges of proxies that are created with `observe`, with times
    since `epoch_ns` on that clock; None: no proxy is observed.
    """

    def __init__(
        self,
        seed: int,
        now_ns: Callable[[], int] | None = None,
        exchanges: Record | None = None,
        epoch_ns: int = 0,
    ) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.events = EventLog(now_ns or _loop_ns)
        self._now_ns = now_ns or _loop_ns
        self._exchanges, self._epoch_ns = exchanges, epoch_ns
        self._seed = seed
        self._requests = 0
        self._held = HeldBytes()
        self._deleted = ByteCounts()  # what deleted proxies moved
        # One change at a time, so that no change sees half of another.
        self._change_lock = asyncio.Lock()

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one request."""
        raw_path, _, query = http.target.partition("?")
        path = unquote(raw_path, errors="replace")
        clean = _cleaned(path)
        if clean != path:
            location = quote(clean) + (f"?{query}" if query else "")
            return HttpResponse(301, headers={"location": location})
        methods = self._methods(path)
        if methods is None:
            return _text(404, "404 page not found\n")
        handler = methods.get(http.method) or methods.get("*")
        if handler is None:
            return HttpResponse(405)
        self._requests += 1
        response = await self._answer(handler, http)
        response.headers["x-toxiproxy-request-id"] = f"{self._requests:020x}"
        return response

    async def _answer(self, handler: Handler, http: HttpRequest) -> HttpResponse:
        if http.headers.get("user-agent", "").startswith("Mozilla/"):
            return _text(403, "User agent not allowed\n")
        try:
            return await handler(http)
        except ApiError as error:
            return _text(error.status, encode(_error(error)) + "\n")
        except CannotListen as error:
            return _text(500, encode(_error(ApiError(500, str(error)))) + "\n")

    def _methods(self, path: str) -> dict[str, Handler] | None:
        match path.split("/")[1:]:
            case ["version"]:
                return {"GET": self._version}
            case ["metrics"]:
                return {"*": self._metrics}
            case ["counters"]:
                return {"GET": self._counters}
            case ["events"]:
                return {"GET": self._events}
            case ["reset"]:
                return {"POST": self._reset}
            case ["populate"]:
                return {"POST": self._populate}
            case ["proxies"]:
                return {"GET": self._list, "POST": self._create}
            case ["proxies", name] if name:
                update = self._for_proxy(self._update, name)
                return {
                    "GET": self._for_proxy(self._show, name),
                    "PATCH": update,
                    "POST": update,
                    "DELETE": self._for_proxy(self._delete, name),
                }
            case ["proxies", name, "toxics"] if name:
                return {
                    "GET": self._for_proxy(self._toxics, name),
                    "POST": self._for_proxy(self._add_toxic, name),
                }
            case ["proxies", name, "toxics", toxic] if name and toxic:
                update = self._for_proxy(self._update_toxic, name, toxic)
                return {
                    "GET": self._for_proxy(self._show_toxic, name, toxic),
                    "PATCH": update,
                    "POST": update,
                    "DELETE": self._for_proxy(self._remove_toxic, name, toxic),
                }
            case _:
                return None

    def _for_proxy(
        self, work: Callable[..., Awaitable[HttpResponse]], name: str, *toxic: str
    ) -> Handler:
        """A handler for one proxy, or one of its toxics; 404 when it does not exist.

        Only requests that read may run while another changes something.
        """

        async def handle(http: HttpRequest) -> HttpResponse:
            if http.method == "GET":
                return await work(http, *self._look_up(name, *toxic))
            async with self._change_lock:
                return await work(http, *self._look_up(name, *toxic))

        return handle

    def _look_up(self, name: str, toxic: str | None = None) -> tuple[Proxy] | tuple[Proxy, Toxic]:
        proxy = self.proxies.get(name)
        if proxy is None:
            raise ApiError(404, "proxy not found")
        if toxic is None:
            return (proxy,)
        for known in proxy.toxics:
            if known.name == toxic:
                return (proxy, known)
        raise ApiError(404, "toxic not found")

    async def _version(self, _: HttpRequest) -> HttpResponse:
        body = json.dumps({"version": VERSION, "engine": "paychain"}).encode() + b"\n"
        return HttpResponse(200, body, {"content-type": "application/json;charset=utf-8"})

    async def _metrics(self, _: HttpRequest) -> HttpResponse:
        text = exposition(list(self.proxies.values()), self._deleted, self.events.last)
        return HttpResponse(200, text.encode(), {"content-type": CONTENT_TYPE})

    async def _counters(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: proxy.counters() for name, proxy in self.proxies.items()})

    async def _events(self, http: HttpRequest) -> HttpResponse:
        given = parse_qs(http.target.partition("?")[2]).get("after", ["0"])[-1]
        if not (given.isascii() and given.isdigit() and len(given) < 20):
            raise ApiError(400, "after must be the number of an event")
        body = json.dumps(self.events.after(int(given)), separators=(",", ":"))
        return HttpResponse(200, body.encode(), {"content-type": _JSON})

    async def _reset(self, _: HttpRequest) -> HttpResponse:
        """Enable every proxy and remove every toxic, the others too when one cannot start."""
        failure: CannotListen | None = None
        async with self._change_lock:
            self.events.add("reset", "")
            for proxy in self.proxies.values():
                for toxic in proxy.toxics:
                    proxy.record("toxic_removed", None, toxic)
                try:
                    await proxy.set_toxics([])
                    await proxy.start()
                except CannotListen as error:
                    failure = failure or error
        if failure is not None:
            raise failure
        return HttpResponse(204)

    async def _populate(self, http: HttpRequest) -> HttpResponse:
        made: list[Proxy] = []
        failure: ApiError | None = None
        try:
            async with self._change_lock:
                for given in new_proxies_in(http.body):
                    made.append(await self._add_or_keep(given))
        except ApiError as error:
            failure = error
        except CannotListen as error:
            failure = ApiError(500, str(error))
        listed = {"proxies": [proxy.describe() for proxy in made] or None}
        if failure is None:
            return _reply(201, listed)
        return _reply(failure.status, _error(failure) | listed)

    async def _add_or_keep(self, given: dict[str, Any]) -> Proxy:
        old = self.proxies.get(given["name"])
        if old is not None:
            if not await _differs(old, given.get("listen", ""), given["upstream"]):
                return old
            old.release()  # it stays listed, stopped, when the new proxy cannot start
        return await self._add(given, old)

    async def _list(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: self.proxies[name].describe() for name in sorted(self.proxies)})

    async def _create(self, http: HttpRequest) -> HttpResponse:
        return _reply(201, (await self.create(new_proxy_in(http.body))).describe())

    async def create(self, given: dict[str, Any]) -> Proxy:
        """Make a proxy of the fields that a request has. Raises ApiError and CannotListen."""
        async with self._change_lock:
            if given["name"] in self.proxies:
                raise ApiError(409, "proxy already exists")
            return await self._add(given)

    async def _add(self, given: dict[str, Any], old: Proxy | None = None) -> Proxy:
        if old is None and len(self.proxies) >= MAX_PROXIES:
            raise ApiError(400, f"no more than {MAX_PROXIES} proxies")
        proxy = Proxy(
            given["name"],
            given.get("listen", ""),
            given["upstream"],
            self._seed,
            events=self.events,
            held=self._held,
            observation=self._observation(
                given.get(OBSERVE, ""), is_blind=given.get(OBSERVE_ALL, False)
            ),
        )
        proxy.record("proxy_created", detail=proxy.upstream)
        if given.get("enabled", True):
            try:
                await proxy.start()
            except CannotListen:
                proxy.record("proxy_deleted", detail="cannot listen")
                raise
        if old is not None:
            self._deleted.add(old)
        self.proxies[proxy.name] = proxy
        return proxy

    def _observation(self, id_prefix: str, *, is_blind: bool) -> Observation | None:
        """How a proxy is observed, if it is."""
        if not id_prefix or self._exchanges is None:
            return None
        ids = PaymentIds(id_prefix)
        return Observation(ids, self._exchanges, self._now_ns, self._epoch_ns, is_blind)

    async def _show(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        return _reply(200, proxy.describe())

    async def _update(self, http: HttpRequest, proxy: Proxy) -> HttpResponse:
        given = proxy_in(http.body)
        listen, upstream = given.get("listen", proxy.listen), given.get("upstream", proxy.upstream)
        enabled = given.get("enabled", proxy.enabled)
        if await _differs(proxy, listen, upstream):
            proxy.release()
            proxy.listen, proxy.upstream = listen, upstream
        if enabled:
            await proxy.start()
        else:
            proxy.stop()
        return _reply(200, proxy.describe())

    async def _delete(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        proxy.release()
        del self.proxies[proxy.name]
        self._deleted.add(proxy)
        proxy.record("proxy_deleted")
        return HttpResponse(204)

    async def _toxics(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        return _reply(200, proxy.describe()["toxics"])

    async def _add_toxic(self, http: HttpRequest, proxy: Proxy) -> HttpResponse:
        toxic = new_toxic_in(http.body, [known.name for known in proxy.toxics])
        if len(proxy.toxics) >= MAX_TOXICS:
            raise ApiError(400, f"no more than {MAX_TOXICS} toxics on a proxy")
        proxy.record("toxic_added", None, toxic, encode(toxic.describe()))
        await proxy.set_toxics([*proxy.toxics, toxic])
        return _reply(200, toxic.describe())

    async def _show_toxic(self, _: HttpRequest, __: Proxy, toxic: Toxic) -> HttpResponse:
        return _reply(200, toxic.describe())

    async def _update_toxic(self, http: HttpRequest, proxy: Proxy, toxic: Toxic) -> HttpResponse:
        # Both or neither: a request with a mistake changes nothing.
        toxic.toxicity, toxic.attributes = changed_toxic_in(http.body, toxic)
        proxy.record("toxic_updated", None, toxic, encode(toxic.describe()))
        await proxy.toxic_updated(toxic)
        return _reply(200, toxic.describe())

    async def _remove_toxic(self, _: HttpRequest, proxy: Proxy, toxic: Toxic) -> HttpResponse:
        proxy.record("toxic_removed", None, toxic)
        await proxy.set_toxics([other for other in proxy.toxics if other is not toxic])
        return HttpResponse(204)


async def _differs(proxy: Proxy, listen: str, upstream: str) -> bool:
    """Whether an address to listen on, once resolved, or an upstream differs from the proxy's."""
    try:
        address = joined(*await resolved(listen, asyncio.get_running_loop()))
    except BadAddress as error:
        raise CannotListen(str(error)) from error
    return (address, upstream) != (proxy.listen, proxy.upstream)


def _loop_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)


def _cleaned(path: str) -> str:
    """A path without doubled slashes and dots, as Go's ServeMux redirects to it."""
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": str(error), "status": error.status}


def _reply(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, encode(value).encode(), {"content-type": _JSON})


def _text(status: int, text: str) -> HttpResponse:
    headers = {"content-type": "text/plain; charset=utf-8", **_NO_SNIFF}
    return HttpResponse(status, text.encode(), headers)
