"""A shop that customers pay, and a template for it: a stdlib HTTP server that notes what it got."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import yaml

from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.paid_at import template_at
from paychain.protocol.pays.template import PaysTemplate

ORDERS = """
request:
  method: POST
  path: /orders
  headers: {idempotency-key: "{key}"}
  json: {order: "{payment}", amount: "{amount_minor}", currency: "{currency}", card: "{card.token}"}
approved: {status: 200-299, where: {state: paid}, amount: charged}
declined: {status: 402, where: {state: refused}, code: reason}
pending: {status: 202, then: {get: "/orders/{payment}", every: 100ms}}
"""


class Received(NamedTuple):
    """One request that the shop got."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# What a shop answers to its n-th request, from 0: status, JSON (or text), headers. None: nothing,
# the connection ends.
Reaction = tuple[int, Any] | tuple[int, Any, dict[str, str]] | None
Shop = Callable[[int, Received], Reaction]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of connections that customers open at once


class PaidShop:
    """A shop on a free port of loopback."""

    def __init__(self, answer: Shop) -> None:
        self.received: list[Received] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length).decode()
                received = Received(self.command, self.path, headers, body)
                number = len(shop.received)
                shop.received.append(received)
                reaction = answer(number, received)
                if reaction is None:
                    self.close_connection = True
                    return
                status, value, *more = reaction
                data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in (more[0] if more else {}).items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def paid_shop(answer: Shop) -> Iterator[PaidShop]:
    shop = PaidShop(answer)
    try:
        yield shop
    finally:
        shop.close()


def chain_of(pays: str, **more: Any) -> Chain:
    """A chain whose entry is an own service that is paid like this."""
    links = {
        "shop-api": {
            "role": "gateway",
            "service": {"command": "true"},
            "pays": yaml.safe_load(pays),
            "calls": {"authorise": {"to": "processor"}},
        },
        "processor": {"role": "processor", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    }
    links["processor"]["calls"]["authorise"]["timeout"] = "500ms"
    declared = {"chain": "own", "entry": "shop-api", "deadline": "2s", **more, "links": links}
    chain = Chain.model_validate(declared)
    assert check_chain(chain) == []
    return chain


def template_of(pays: str, **more: Any) -> PaysTemplate:
    """The template of an own service that is paid like this."""
    template = template_at(chain_of(pays, **more), "shop-api")
    assert template is not None
    return template
