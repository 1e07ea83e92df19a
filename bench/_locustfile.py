"""Closed-loop users for bench/load.py: bare requests, payments, and payments with records."""

from __future__ import annotations

import json
import os
import time
from itertools import count
from pathlib import Path

from locust import FastHttpUser, events, task

from paychain.load.locust.locustfile import PATIENCE_S, PayingUser
from paychain.load.locust.recorder import Recorder
from paychain.load.traffic.exchange import Try
from paychain.model.operations import CUSTOMER, ENTRY_OPERATION
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest

KIND, OUT = os.environ["BENCH_KIND"], Path(os.environ["BENCH_OUT"])
numbers = count(1)
recorder: list[Recorder] = []
BODY = encode(PaymentRequest("p", 2_500, "EUR", TEST_CARDS[0], "bench", key="p"))


def request_of(number: int) -> PaymentRequest:
    return PaymentRequest(f"p{number}", 2_500, "EUR", TEST_CARDS[0], "bench", key=f"p{number}")


class Bare(FastHttpUser):
    """What Locust can do: a constant body, nothing read."""

    abstract = KIND != "bare"

    @task
    def buy(self) -> None:
        self.client.post("/pay", data=BODY, name="pay")


class Paying(PayingUser):
    """A payment: encoded, sent, its outcome read; with `recorded` also journalled."""

    abstract = KIND == "bare"

    @task
    def buy(self) -> None:
        number = next(numbers)
        started = time.monotonic_ns()
        span = f"c{number:015x}"
        request = request_of(number)
        reply = self.pay(Try(request, span, PATIENCE_S, self.entries[0]))
        if KIND != "recorded":
            return
        if not recorder:
            recorder.append(Recorder(OUT.with_suffix(".spool")))
        ended = time.monotonic_ns()
        recorder[0].append(
            HopRecord(
                payment=request.payment,
                attempt=1,
                span=span,
                parent="",
                caller=CUSTOMER,
                operation=ENTRY_OPERATION,
                callee="gateway",
                route=0,
                try_number=1,
                started_ns=started,
                ended_ns=ended,
                result=reply.result,
                code=reply.code,
            )
        )
        recorder[0].append(
            PaymentRecord(
                payment=request.payment,
                intended_ns=started,
                started_ns=started,
                ended_ns=ended,
                outcome=Outcome.APPROVED,
                technical=False,
                code=reply.code,
                shown="approved",
                amount_minor=2_500,
                currency="EUR",
                scheme="visa",
                instrument="424242******4242",
                merchant="bench",
                decided_by="issuer",
                error=None,
                warm_up=False,
            )
        )


begun_cpu_s = [0.0]


@events.test_start.add_listener
def begin(**_: object) -> None:
    begun_cpu_s[0] = time.process_time()


@events.quitting.add_listener
def tell(environment: object, **_: object) -> None:
    if recorder:
        recorder[0].close()
    total = environment.stats.total  # type: ignore[attr-defined]  # Locust's environment
    span_s = total.last_request_timestamp - total.start_time
    cpu_us = (time.process_time() - begun_cpu_s[0]) * 1e6 / total.num_requests
    figures = {
        "rate": total.num_requests / span_s,
        "cpu_us": cpu_us,
        "failures": total.num_failures,
    }
    OUT.write_text(json.dumps(figures))
