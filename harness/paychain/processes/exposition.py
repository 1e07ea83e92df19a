"""Serves one text over HTTP from a thread: metrics, for who comes and reads them.

Apart from wire/: a run's own process has no event loop, and a scrape must not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from paychain.payments.errors import UserError
from paychain.processes.loopback import LOOPBACK

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PATHS = ("/metrics", "/")
IDLE_S = 10.0  # of a client that sends nothing
PORTS = 65_536


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `PORT` or `HOST:PORT`, the host loopback by default. Raises UserError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < PORTS):
        raise UserError(
            f"'{text}' is not a port for metrics", hint="write 9464, or 0.0.0.0:9464 for others"
        )
    return host or LOOPBACK, int(port)


class Exposition:
    """Answers GET /metrics with `text()` until it is closed. Raises UserError without its port."""

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_S

            def do_GET(self) -> None:
                is_here = self.path.partition("?")[0] in PATHS
                body = text().encode() if is_here else b"metrics are at /metrics\n"
                self.send_response(200 if is_here else 404)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: each scrape would be a line in the output of the run."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise UserError(
                f"cannot serve metrics at {host}:{port} ({error})", hint="choose another port"
            ) from error
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}/metrics"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Exposition:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
