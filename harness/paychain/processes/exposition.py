"""Serves one text over HTTP from a thread: metrics, for those who come and read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number
from paychain.processes.http_thread import HttpThread, QuietHandler
from paychain.processes.loopback import LOOPBACK, PORTS, why_not_bound

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PATHS = ("/metrics", "/")
IDLE_S = 10.0  # of a client that sends nothing


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `PORT` or `HOST:PORT`, the host loopback by default. Raises UserError."""
    host, _, port = text.rpartition(":")
    number = whole_number(port)
    if number is None or number >= PORTS:
        raise UserError(
            f"'{text}' is not a port for metrics", hint="write 9464, or 0.0.0.0:9464 for others"
        )
    return host or LOOPBACK, number


class Exposition:
    """Answers GET /metrics with `text()` until it is closed. Raises UserError without its port."""

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        class ExpositionHandler(QuietHandler):
            timeout = IDLE_S

            def do_GET(self) -> None:
                is_here = self.path.partition("?")[0] in PATHS
                body = text().encode() if is_here else b"metrics are at /metrics\n"
                self.reply(200 if is_here else 404, CONTENT_TYPE, body)

        try:
            self._server = HttpThread(ExpositionHandler, host=host, port=port)
        except (OSError, OverflowError) as error:
            raise UserError(
                f"cannot serve metrics at {host}:{port} ({why_not_bound(error)})",
                hint="choose another port",
            ) from error
        self.url = f"{self._server.url}/metrics"
        self._server.start()

    def __enter__(self) -> Exposition:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.stop()


@contextmanager
def exposed(
    address: tuple[str, int] | None, text: Callable[[], str], report: Callable[[str], None]
) -> Iterator[None]:
    """Serve metrics meanwhile, if there is an address for them, and report where.

    Raises UserError if the port is taken.
    """
    if address is None:
        yield
        return
    with Exposition(*address, text) as served:
        report(f"metrics at {served.url}")
        yield
