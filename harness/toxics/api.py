"""Toxiproxy's HTTP API over the embedded proxies: same paths, statuses and error texts.

Source: toxiproxy.md §1.2. Extensions: GET /counters, and the toxic type `refuse`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from harness.toxics.proxy import Proxy, split_address
from harness.toxics.toxic import ATTRIBUTES, TOXICS, Toxic, invalid_attributes
from harness.wire.http import HttpRequest, HttpResponse

VERSION = "2.12.0"  # the Toxiproxy whose API this speaks
_JSON = "application/json"


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """All proxies of one engine, and the requests that change them."""

    def __init__(self, seed: int) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._seed = seed
        self._requests = 0

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one request."""
        self._requests += 1
        response = await self._answer(http)
        response.headers["x-toxiproxy-request-id"] = f"{self._requests:020x}"
        return response

    async def _answer(self, http: HttpRequest) -> HttpResponse:
        path = http.target.partition("?")[0]
        methods = self._methods(path)
        if methods is None:
            return _text(404, "404 page not found\n")
        work = methods.get(http.method)
        if work is None:
            return HttpResponse(405)
        if http.headers.get("user-agent", "").startswith("Mozilla/"):
            return _text(403, "User agent not allowed\n")
        try:
            return await work(http)
        except ApiError as error:
            body = json.dumps({"error": str(error), "status": error.status}) + "\n"
            return _text(error.status, body)

    def _methods(
        self, path: str
    ) -> dict[str, Callable[[HttpRequest], Awaitable[HttpResponse]]] | None:
        match path.split("/")[1:]:
            case ["version"]:
                return {"GET": self._version}
            case ["reset"]:
                return {"POST": self._reset}
            case ["populate"]:
                return {"POST": self._populate}
            case ["counters"]:
                return {"GET": self._counters}
            case ["proxies"]:
                return {"GET": self._list, "POST": self._create}
            case ["proxies", name] if name:
                update = _bound(self._update, name)
                return {
                    "GET": _bound(self._show, name), "PATCH": update, "POST": update,
                    "DELETE": _bound(self._delete, name),
                }  # fmt: skip
            case ["proxies", name, "toxics"] if name:
                return {
                    "GET": _bound(self._toxics, name), "POST": _bound(self._add_toxic, name),
                }  # fmt: skip
            case ["proxies", name, "toxics", toxic] if name and toxic:
                update = _bound(self._update_toxic, name, toxic)
                return {
                    "GET": _bound(self._show_toxic, name, toxic), "PATCH": update,
                    "POST": update, "DELETE": _bound(self._remove_toxic, name, toxic),
                }  # fmt: skip
            case _:
                return None

    async def _version(self, _: HttpRequest) -> HttpResponse:
        body = json.dumps({"version": VERSION, "engine": "paychain"}).encode() + b"\n"
        return HttpResponse(200, body, {"content-type": "application/json;charset=utf-8"})

    async def _counters(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: _counted(proxy) for name, proxy in self.proxies.items()})

    async def _list(self, _: HttpRequest) -> HttpResponse:
        return _reply(200, {name: proxy.described() for name, proxy in self.proxies.items()})

    async def _create(self, http: HttpRequest) -> HttpResponse:
        return _reply(201, (await self._add(_object(http.body))).described())

    async def _add(self, given: dict[str, Any]) -> Proxy:
        for required in ("name", "upstream"):
            if not given.get(required):
                raise ApiError(400, f"missing required field: {required}")
        if given["name"] in self.proxies:
            raise ApiError(409, "proxy already exists")
        listen = given.get("listen") or "127.0.0.1:0"
        proxy = Proxy(given["name"], listen, given["upstream"], self._seed)
        if given.get("enabled", True):
            await _start(proxy)
        self.proxies[proxy.name] = proxy
        return proxy

    async def _populate(self, http: HttpRequest) -> HttpResponse:
        entries = _parsed(http.body)
        if not isinstance(entries, list):
            raise ApiError(400, "bad request body: json: cannot unmarshal into []main.Proxy")
        for number, entry in enumerate(entries, start=1):
            for required in ("name", "upstream"):
                if not isinstance(entry, dict) or not entry.get(required):
                    raise ApiError(400, f"missing required field: {required} at proxy {number}")
        made = []
        for entry in entries:
            old = self.proxies.get(entry["name"])
            if old is not None:
                if (old.listen, old.upstream) == (entry.get("listen"), entry["upstream"]):
                    made.append(old)
                    continue
                old.stop()
                del self.proxies[old.name]
            made.append(await self._add(entry))
        return _reply(201, {"proxies": [proxy.described() for proxy in made] or None})

    async def _reset(self, _: HttpRequest) -> HttpResponse:
        for proxy in self.proxies.values():
            was_refusing = proxy.is_refusing
            proxy.toxics = []
            await proxy.toxics_changed(was_refusing)
            await _start(proxy)
        return HttpResponse(204)

    async def _show(self, _: HttpRequest, name: str) -> HttpResponse:
        return _reply(200, self._proxy(name).described())

    async def _update(self, http: HttpRequest, name: str) -> HttpResponse:
        proxy = self._proxy(name)
        given = _object(http.body)
        listen, upstream = given.get("listen", proxy.listen), given.get("upstream", proxy.upstream)
        enabled = given.get("enabled", proxy.enabled)
        if (listen, upstream) != (proxy.listen, proxy.upstream):
            proxy.stop()
            proxy.listen, proxy.upstream = listen, upstream
        if enabled and not proxy.enabled:
            await _start(proxy)
        elif not enabled and proxy.enabled:
            proxy.stop()
        return _reply(200, proxy.described())

    async def _delete(self, _: HttpRequest, name: str) -> HttpResponse:
        self._proxy(name).stop()
        del self.proxies[name]
        return HttpResponse(204)

    async def _toxics(self, _: HttpRequest, name: str) -> HttpResponse:
        return _reply(200, self._proxy(name).described()["toxics"])

    async def _add_toxic(self, http: HttpRequest, name: str) -> HttpResponse:
        proxy = self._proxy(name)
        given = _object(http.body)
        kind = given.get("type", "")
        if kind not in TOXICS:
            raise ApiError(400, "invalid toxic type")
        stream = str(given.get("stream") or "downstream")
        if stream.lower() not in ("upstream", "downstream"):
            raise ApiError(400, "stream was invalid, can be either upstream or downstream")
        toxic_name = given.get("name") or f"{kind}_{stream}"
        if any(toxic.name == toxic_name for toxic in proxy.toxics):
            raise ApiError(409, "toxic already exists")
        attributes = _attributes(kind, {}, given.get("attributes"))
        toxicity = _toxicity(given, 1.0)
        was_refusing = proxy.is_refusing
        toxic = Toxic(toxic_name, kind, stream.lower(), toxicity, attributes)
        proxy.toxics = [*proxy.toxics, toxic]
        await proxy.toxics_changed(was_refusing)
        return _reply(200, toxic.described())

    async def _show_toxic(self, _: HttpRequest, name: str, toxic: str) -> HttpResponse:
        return _reply(200, self._toxic(name, toxic)[1].described())

    async def _update_toxic(self, http: HttpRequest, name: str, toxic: str) -> HttpResponse:
        proxy, found = self._toxic(name, toxic)
        given = _object(http.body)
        attributes = _attributes(found.type, found.attributes, given.get("attributes"))
        toxicity = _toxicity(given, found.toxicity)
        found.attributes, found.toxicity = attributes, toxicity  # all or nothing
        proxy.toxic_updated(found)
        return _reply(200, found.described())

    async def _remove_toxic(self, _: HttpRequest, name: str, toxic: str) -> HttpResponse:
        proxy, found = self._toxic(name, toxic)
        was_refusing = proxy.is_refusing
        proxy.toxics = [other for other in proxy.toxics if other is not found]
        await proxy.toxics_changed(was_refusing)
        return HttpResponse(204)

    def _proxy(self, name: str) -> Proxy:
        proxy = self.proxies.get(name)
        if proxy is None:
            raise ApiError(404, "proxy not found")
        return proxy

    def _toxic(self, name: str, toxic: str) -> tuple[Proxy, Toxic]:
        proxy = self._proxy(name)
        for found in proxy.toxics:
            if found.name == toxic:
                return proxy, found
        raise ApiError(404, "toxic not found")


def _counted(proxy: Proxy) -> dict[str, Any]:
    return {
        "accepted": proxy.accepted, "refused": proxy.refused, "live": proxy.live,
        "toxics": {
            toxic.name: {"connections": toxic.connections, "hits": toxic.hits, "bytes": toxic.bytes}
            for toxic in proxy.toxics
        },
    }  # fmt: skip


def _bound(
    work: Callable[..., Awaitable[HttpResponse]], *names: str
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    async def bound(http: HttpRequest) -> HttpResponse:
        return await work(http, *names)

    return bound


async def _start(proxy: Proxy) -> None:
    try:
        split_address(proxy.listen)
        await proxy.start()
    except (ValueError, OverflowError) as error:
        raise ApiError(500, str(error)) from error
    except OSError as error:
        reason = "bind: address already in use" if error.errno == 98 else str(error.strerror)
        raise ApiError(500, f"listen tcp {proxy.listen}: {reason}") from error


def _parsed(body: bytes) -> Any:
    if not body.strip():
        raise ApiError(400, "bad request body: EOF")
    try:
        return json.JSONDecoder().raw_decode(body.decode("utf-8").lstrip())[0]
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"bad request body: {error}") from error


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object with lower-case keys (the original ignores case) and checked types."""
    value = _parsed(body)
    if not isinstance(value, dict):
        raise ApiError(400, "bad request body: json: cannot unmarshal into an object")
    given = {key.lower(): entry for key, entry in value.items()}
    for key, kind in (("name", str), ("upstream", str), ("listen", str), ("enabled", bool),
                      ("type", str), ("stream", str)):  # fmt: skip
        if given.get(key) is None:
            given.pop(key, None)
        elif not isinstance(given[key], kind):
            raise ApiError(400, f"bad request body: json: cannot unmarshal field {key}")
    return given


def _attributes(kind: str, old: dict[str, int], given: Any) -> dict[str, int]:
    attributes = {name: old.get(name, 0) for name in ATTRIBUTES[kind]}
    if given is not None and not isinstance(given, dict):
        raise ApiError(400, "bad request body: json: cannot unmarshal attributes")
    for name, value in (given or {}).items():
        if name.lower() not in attributes:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise ApiError(
                400, f"bad request body: json: cannot unmarshal {json.dumps(value)} into Go "
                f"struct field {kind}.attributes.{name} of type int64",
            )  # fmt: skip
        attributes[name.lower()] = value
    reason = invalid_attributes(kind, attributes)
    if reason is not None:
        raise ApiError(400, reason)
    return attributes


def _toxicity(given: dict[str, Any], default: float) -> float:
    value = given.get("toxicity", default)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ApiError(400, "bad request body: json: cannot unmarshal field toxicity")
    if not 0 <= value <= 1:
        raise ApiError(400, "toxicity must be between 0 and 1")
    return float(value)


def _reply(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, json.dumps(value).encode() + b"\n", {"content-type": _JSON})


def _text(status: int, text: str) -> HttpResponse:
    return HttpResponse(status, text.encode(), {"content-type": "text/plain; charset=utf-8"})
