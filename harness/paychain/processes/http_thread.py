"""An HTTP server on a thread of a process that has no event loop.

Apart from wire/: what is asked here does not wait for whatever the process does meanwhile.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from paychain.processes.loopback import LOOPBACK


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests and logs none. `timeout`: seconds that a connection may be idle."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True

    def reply(self, status: int, kind: str, body: bytes) -> None:
        """Send a whole answer. `kind`: its content type."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: each request would be a line in the output of the run."""


class HttpThread:
    """Answers at an address from `start` to `stop`. Raises OSError or OverflowError without it."""

    def __init__(self, handler: type[QuietHandler], *, host: str = LOOPBACK, port: int = 0) -> None:
        self._host = host
        self._server = _Server((host, port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it answers, without a path."""
        return f"http://{self._host}:{self._server.server_port}"

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report our own failures only: a client may leave before it has its answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
