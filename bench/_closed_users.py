"""Locust's usual closed users for bench/stall.py: each waits for its answer, then for its pace."""

from __future__ import annotations

import json
import os
from pathlib import Path

from locust import FastHttpUser, constant_throughput, events, task

waits_ms: list[float] = []


class Usual(FastHttpUser):
    """As Locust's documentation shows it."""

    wait_time = constant_throughput(float(os.environ["BENCH_RATE"]))

    @task
    def buy(self) -> None:
        self.client.post("/authorise", data=b"{}", name="authorise")


@events.request.add_listener
def keep(response_time: float, exception: object, **_: object) -> None:
    assert exception is None
    waits_ms.append(response_time)


@events.quitting.add_listener
def tell(environment: object, **_: object) -> None:
    total = environment.stats.total  # type: ignore[attr-defined]  # Locust's environment
    summary = [total.get_response_time_percentile(share) for share in (0.5, 0.99)]
    figures = {"waits_ms": waits_ms, "summary_ms": [*summary, total.max_response_time]}
    Path(os.environ["BENCH_OUT"]).write_text(json.dumps(figures))
