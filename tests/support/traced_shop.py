"""The small shop of `own_shop.py` that reports each of its calls as a client span (OTLP, JSON)."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
import time
from urllib.parse import urlsplit

import own_shop

RECEIVER = urlsplit(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]).netloc
_request = threading.local()
_plain = own_shop._ask


class TracedShop(own_shop.Shop):
    def do_POST(self) -> None:
        _request.trace = self.headers.get("traceparent", "").split("-")
        super().do_POST()


def _ask(url: str, request: dict[str, object]) -> dict[str, object] | None:
    started_ns = time.time_ns()
    answer = _plain(url, request)
    waited_s = (time.time_ns() - started_ns) / 1e9
    near = urlsplit(url)
    attributes = [
        {"key": "http.request.method", "value": {"stringValue": "POST"}},
        {"key": "url.full", "value": {"stringValue": f"{url}/authorise"}},
        {"key": "server.port", "value": {"intValue": near.port}},
    ]
    if answer is not None:
        attributes.append({"key": "http.response.status_code", "value": {"intValue": "200"}})
    else:
        words = "ReadTimeout" if waited_s >= own_shop.TIMEOUT_S else "ConnectionRefusedError"
        attributes.append({"key": "error.type", "value": {"stringValue": words}})
    span = {
        "traceId": _request.trace[1],
        "spanId": secrets.token_hex(8),
        "parentSpanId": _request.trace[2],
        "kind": 3,
        "startTimeUnixNano": str(started_ns),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": attributes,
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    threading.Thread(target=_export, args=(body,)).start()
    return answer


def _export(body: str) -> None:
    connection = http.client.HTTPConnection(RECEIVER, timeout=10)
    connection.request("POST", "/v1/traces", body, {"content-type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()


if __name__ == "__main__":
    own_shop._ask = _ask
    own_shop.Shop = TracedShop  # type: ignore[misc]  # main() takes it by its name
    own_shop.main()
