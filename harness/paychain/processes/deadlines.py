"""HTTP clients whose time limit is for the whole answer.

Those of `http.client`, and so of `requests`, begin anew with each byte that comes: a server that
drips its headers, or sends `100 Continue` without end, would be waited for without end. The look-up
of its name has no limit there at all.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from functools import partial
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from paychain.processes.connecting import connect


class _TimedBytes(io.RawIOBase):
    """What a socket receives until a moment; then it raises TimeoutError."""

    def __init__(self, connection: socket.socket, until_s: float) -> None:
        self._connection, self._until_s = connection, until_s
        self._received = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left_s)
        return self._received.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._received.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer whose head and body come until a moment."""

    def __init__(self, sock: socket.socket, *words: Any, until_s: float, **options: Any) -> None:
        super().__init__(sock, *words, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedBytes(sock, until_s))


class TimedConnection(http.client.HTTPConnection):
    """Connects within its timeout, and has the whole answer within another one."""

    def connect(self) -> None:
        """Look up the name and connect."""
        assert isinstance(self.timeout, int | float)
        self.sock = connect(self.host, self.port, self.timeout)

    def getresponse(self) -> Any:
        """Read the head of the answer; what it is, the other base class says where there is one."""
        assert isinstance(self.timeout, int | float)
        until_s = time.monotonic() + self.timeout
        # http.client calls it as it would call the class.
        self.response_class = partial(_TimedResponse, until_s=until_s)  # type: ignore[assignment]  # any callable will do
        return super().getresponse()


class _TimedHttp(HTTPConnection, TimedConnection):
    """That of urllib3, which calls getresponse of `http.client` through ours."""

    def _new_conn(self) -> socket.socket:
        assert isinstance(self.timeout, int | float)
        options = tuple(self.socket_options or ())
        source = self.source_address
        try:
            return connect(self.host, self.port, self.timeout, source=source, options=options)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _TimedHttps(_TimedHttp, HTTPSConnection):
    """The same over TLS."""


class _TimedHttpPool(HTTPConnectionPool):
    ConnectionCls = _TimedHttp


class _TimedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHttps


class WholeAnswers(HTTPAdapter):
    """An adapter of `requests` for which `timeout=2` is 2 s for connecting and the whole answer.

    With `timeout=(2, 5)` the answer has 5 s for itself.
    """

    def send(self, request: PreparedRequest, *words: Any, **options: Any) -> Response:
        """Send a request, which has a time limit."""
        timeout = options.get("timeout")
        assert timeout is not None, "an answer without a time limit"
        if not isinstance(timeout, tuple):
            options["timeout"] = Timeout(total=timeout)
        return super().send(request, *words, **options)

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        """As the base class, with connections that keep to one time limit."""
        super().init_poolmanager(*words, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _TimedHttpPool, "https": _TimedHttpsPool}
