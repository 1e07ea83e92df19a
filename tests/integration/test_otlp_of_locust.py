"""Locust's own OpenTelemetry, as a collector receives it from the load process of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.support.chains import corner_shop, experiment
from tests.support.cli import paychain
from tests.support.runs import declare, result_in, run_in


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """The address of a collector, and the metrics that it was sent."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/metrics"
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", received
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_what_locust_measures_reaches_a_collector_with_the_name_of_the_run(tmp_path: Path) -> None:
    declare(tmp_path, shop=corner_shop(), quick=experiment(before="300ms", after="300ms"))
    with collector() as (url, received):
        done = paychain(
            tmp_path,
            *("run", "shop.yaml", "quick.yaml", "--out", "runs", "--quiet", "--exit-zero"),
            variables={
                "LOCUST_ENABLE_OPENTELEMETRY": "1",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
            },
        )
    assert done.exit_code == 0, done.stderr
    run = run_in(tmp_path)
    (of_resource,) = received[-1].resource_metrics
    attributes = {each.key: each.value.string_value for each in of_resource.resource.attributes}
    assert attributes["service.name"] == "locust"
    assert attributes["paychain.run"] == run.name
    metrics = {each.name: each for scope in of_resource.scope_metrics for each in scope.metrics}
    points = metrics["locust.client.duration"].histogram.data_points
    assert sum(point.count for point in points) == result_in(run)["load"]["recorded"]
