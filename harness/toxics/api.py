"""Toxiproxy's HTTP API over the embedded proxies: same paths, statuses, texts and quirks.

Source: toxiproxy.md §1.2–1.3. Extensions: GET /counters, GET /events?after=N, live GET /metrics,
and the toxic types `refuse` and `blackhole`. Where it is deliberately better than the original is
listed and tested in tests/conformance/deviations.py.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from harness.toxics.address import BadAddress, joined, resolved
from harness.toxics.events import EventLog
from harness.toxics.gojson import encode
from harness.toxics.metrics import CONTENT_TYPE, Traffic, exposition
from harness.toxics.proxy import CannotListen, Proxy
from harness.toxics.requests import (
    ApiError,
    changed_toxic_in,
    new_proxies_in,
    new_proxy_in,
    new_toxic_in,
    proxy_in,
)
from harness.toxics.toxic import Toxic
from harness.wire.http import HttpRequest, HttpResponse

VERSION = "2.12.0"  # the Toxiproxy whose API this speaks
MOST_PROXIES = 10_000
MOST_TOXICS = 256  # of one proxy
_JSON = "application/json"
_NO_SNIFF = {"x-content-type-options": "nosniff"}

Work = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Api:
    """All proxies of one engine, and the requests that change them.

    `now_ns` is the clock of the events; without it, it is the loop's.
    """

    def __init__(self, seed: int, now_ns: Callable[[], int] | None = None) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.events = EventLog(now_ns or _loop_ns)
        self._seed = seed
        self._requests = 0
        self._gone = Traffic()
        self._changing = asyncio.Lock()  # one change at a time, so that none sees half of another

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one request."""
        written, _, query = http.target.partition("?")
        path = unquote(written, errors="replace")
        clean = _cleaned(path)
        if clean != path:
            there = quote(clean) + (f"?{query}" if query else "")
            return HttpResponse(301, headers={"location": there})
        methods = self._methods(path)
        if methods is None:
            return _text(404, "404 page not found\n")
        work = methods.get(http.method) or methods.get("*")
        if work is None:
            return HttpResponse(405)
        self._requests += 1
        response = await self._answer(work, http)
        response.headers["x-toxiproxy-request-id"] = f"{self._requests:020x}"
        return response

    async def _answer(self, work: Work, http: HttpRequest) -> HttpResponse:
        if http.headers.get("user-agent", "").startswith("Mozilla/"):
            return _text(403, "User agent not allowed\n")
        try:
            return await work(http)
        except ApiError as error:
            return _text(error.status, encode(_error(error)) + "\n")
        except CannotListen as error:
            return _text(500, encode(_error(ApiError(500, str(error)))) + "\n")

    def _methods(self, path: str) -> dict[str, Work] | None:
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
                update = self._of(self._update, name)
                return {
                    "GET": self._of(self._show, name), "PATCH": update, "POST": update,
                    "DELETE": self._of(self._delete, name),
                }  # fmt: skip
            case ["proxies", name, "toxics"] if name:
                return {
                    "GET": self._of(self._toxics, name), "POST": self._of(self._add_toxic, name),
                }  # fmt: skip
            case ["proxies", name, "toxics", toxic] if name and toxic:
                update = self._of(self._update_toxic, name, toxic)
                return {
                    "GET": self._of(self._show_toxic, name, toxic), "PATCH": update,
                    "POST": update, "DELETE": self._of(self._remove_toxic, name, toxic),
                }  # fmt: skip
            case _:
                return None

    def _of(self, work: Callable[..., Awaitable[HttpResponse]], name: str, *toxic: str) -> Work:
        """Work on one proxy, and maybe one of its toxics; 404 when they are not there."""

        async def found(http: HttpRequest) -> HttpResponse:
            if http.method == "GET":
                return await work(http, *self._named(name, *toxic))
            async with self._changing:
                return await work(http, *self._named(name, *toxic))

        return found

    def _named(self, name: str, toxic: str | None = None) -> tuple[Proxy] | tuple[Proxy, Toxic]:
        proxy = self.proxies.get(name)
        if proxy is None:
            raise ApiError(404, "proxy not found")
        if toxic is None:
            return (proxy,)
        for found in proxy.toxics:
            if found.name == toxic:
                return (proxy, found)
        raise ApiError(404, "toxic not found")

    # -- the engine -----------------------------------------------------------------------------
    async def _version(self, _: HttpRequest) -> HttpResponse:
        body = json.dumps({"version": VERSION, "engine": "paychain"}).encode() + b"\n"
        return HttpResponse(200, body, {"content-type": "application/json;charset=utf-8"})

    async def _metrics(self, _: HttpRequest) -> HttpResponse:
        text = exposition(list(self.proxies.values()), self._gone, self.events.last)
        return HttpResponse(200, text.encode(), {"content-type": CONTENT_TYPE})

    async def _counters(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: proxy.counted() for name, proxy in self.proxies.items()})

    async def _events(self, http: HttpRequest) -> HttpResponse:
        given = parse_qs(http.target.partition("?")[2]).get("after", ["0"])[-1]
        if not (given.isascii() and given.isdigit() and len(given) < 20):
            raise ApiError(400, "after must be the number of an event")
        body = json.dumps(self.events.after(int(given)), separators=(",", ":"))
        return HttpResponse(200, body.encode(), {"content-type": _JSON})

    async def _reset(self, _: HttpRequest) -> HttpResponse:
        """Enable every proxy and remove every toxic; one that cannot start keeps no other back."""
        failure: CannotListen | None = None
        async with self._changing:
            self.events.add("reset", "")
            for proxy in self.proxies.values():
                for toxic in proxy.toxics:
                    proxy.tell("toxic_removed", None, toxic)
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
            async with self._changing:
                for given in new_proxies_in(http.body):
                    made.append(await self._added_or_kept(given))
        except ApiError as error:
            failure = error
        except CannotListen as error:
            failure = ApiError(500, str(error))
        listed = {"proxies": [proxy.described() for proxy in made] or None}
        if failure is None:
            return _reply(201, listed)
        return _reply(failure.status, _error(failure) | listed)

    async def _added_or_kept(self, given: dict[str, Any]) -> Proxy:
        old = self.proxies.get(given["name"])
        if old is not None:
            if not await _differs(old, given.get("listen", ""), given["upstream"]):
                return old
            old.stop()  # stays known, stopped, when the new one cannot start
        return await self._add(given, old)

    # -- proxies --------------------------------------------------------------------------------
    async def _list(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: self.proxies[name].described() for name in sorted(self.proxies)})

    async def _create(self, http: HttpRequest) -> HttpResponse:
        given = new_proxy_in(http.body)
        async with self._changing:
            if given["name"] in self.proxies:
                raise ApiError(409, "proxy already exists")
            return _reply(201, (await self._add(given)).described())

    async def _add(self, given: dict[str, Any], old: Proxy | None = None) -> Proxy:
        if old is None and len(self.proxies) >= MOST_PROXIES:
            raise ApiError(400, f"no more than {MOST_PROXIES} proxies")
        proxy = Proxy(
            given["name"], given.get("listen", ""), given["upstream"], self._seed, self.events
        )
        proxy.tell("proxy_created", detail=proxy.upstream)
        if given.get("enabled", True):
            try:
                await proxy.start()
            except CannotListen:
                proxy.tell("proxy_deleted", detail="cannot listen")
                raise
        if old is not None:
            self._gone.add(old)
        self.proxies[proxy.name] = proxy
        return proxy

    async def _show(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        return _reply(200, proxy.described())

    async def _update(self, http: HttpRequest, proxy: Proxy) -> HttpResponse:
        given = proxy_in(http.body)
        listen, upstream = given.get("listen", proxy.listen), given.get("upstream", proxy.upstream)
        enabled = given.get("enabled", proxy.enabled)
        if await _differs(proxy, listen, upstream):
            proxy.stop()
            proxy.listen, proxy.upstream = listen, upstream
        if enabled:
            await proxy.start()
        else:
            proxy.stop()
        return _reply(200, proxy.described())

    async def _delete(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        proxy.stop()
        del self.proxies[proxy.name]
        self._gone.add(proxy)
        proxy.tell("proxy_deleted")
        return HttpResponse(204)

    # -- toxics ---------------------------------------------------------------------------------
    async def _toxics(self, _: HttpRequest, proxy: Proxy) -> HttpResponse:
        return _reply(200, proxy.described()["toxics"])

    async def _add_toxic(self, http: HttpRequest, proxy: Proxy) -> HttpResponse:
        toxic = new_toxic_in(http.body, [known.name for known in proxy.toxics])
        if len(proxy.toxics) >= MOST_TOXICS:
            raise ApiError(400, f"no more than {MOST_TOXICS} toxics on a proxy")
        proxy.tell("toxic_added", None, toxic, encode(toxic.described()))
        await proxy.set_toxics([*proxy.toxics, toxic])
        return _reply(200, toxic.described())

    async def _show_toxic(self, _: HttpRequest, __: Proxy, toxic: Toxic) -> HttpResponse:
        return _reply(200, toxic.described())

    async def _update_toxic(self, http: HttpRequest, proxy: Proxy, toxic: Toxic) -> HttpResponse:
        toxic.toxicity, toxic.attributes = changed_toxic_in(http.body, toxic)  # all or nothing
        proxy.tell("toxic_updated", None, toxic, encode(toxic.described()))
        await proxy.toxic_updated(toxic)
        return _reply(200, toxic.described())

    async def _remove_toxic(self, _: HttpRequest, proxy: Proxy, toxic: Toxic) -> HttpResponse:
        proxy.tell("toxic_removed", None, toxic)
        await proxy.set_toxics([other for other in proxy.toxics if other is not toxic])
        return HttpResponse(204)


async def _differs(proxy: Proxy, listen: str, upstream: str) -> bool:
    """Whether an address to listen on, once resolved, or an upstream is another one."""
    try:
        address = joined(*await resolved(listen, asyncio.get_running_loop()))
    except BadAddress as error:
        raise CannotListen(str(error)) from error
    return (address, upstream) != (proxy.listen, proxy.upstream)


def _loop_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)


def _cleaned(path: str) -> str:
    """A path without doubled slashes and dots, as the original redirects to it."""
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": str(error), "status": error.status}


def _reply(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, encode(value).encode(), {"content-type": _JSON})


def _text(status: int, text: str) -> HttpResponse:
    headers = {"content-type": "text/plain; charset=utf-8", **_NO_SNIFF}
    return HttpResponse(status, text.encode(), headers)
