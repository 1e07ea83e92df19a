"""Metrics of a run while it goes on, as a Prometheus server reads them."""

from __future__ import annotations

import inspect
import json
import re
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from paychain.payments.errors import UserError
from paychain.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.processes.exposition import Exposition, address_of
from paychain.report.ci import prometheus
from paychain.runs.follower import Look
from paychain.runs.live_metrics import FAMILIES, LiveMetrics
from tests.support import fake_toxiproxy
from tests.support.cli import invoked
from tests.support.paths import ROOT

SPEC = {"chain": "shop", "experiment": "x", "seed": "1"}
RUN = {**SPEC, "run": "20261129T000000Z-shop-x"}
DASHBOARD = json.loads((ROOT / "docs/grafana.json").read_text("utf-8"))


def live(run: str = RUN["run"]) -> LiveMetrics:
    metrics = LiveMetrics(SPEC, ["lost", 'a "late" one'])
    metrics.begin(Path("reports", run))
    records = [paid(20), paid(40, technical=True, outcome=Outcome.UNKNOWN), paid(31_000)]
    metrics.add([*records, called(HopResult.APPROVED, 10), called(HopResult.TIMEOUT, 300)])
    metrics.add([breaker(DecisionKind.BREAKER_OPENED), breaker(DecisionKind.BREAKER_HALF_OPEN)])
    metrics.look(Look(1.5, "fault 1", ["lost"]))
    return metrics


def paid(ms: int, technical: bool = False, outcome: Outcome = Outcome.APPROVED) -> PaymentRecord:
    return PaymentRecord(
        payment="p1",
        intended_ns=1_000_000,
        started_ns=2_000_000,
        ended_ns=(1 + ms) * 1_000_000,
        outcome=outcome,
        technical=technical,
        code="",
        shown="",
        amount_minor=100,
        currency="EUR",
        scheme="visa",
        instrument="",
        merchant="",
        decided_by="",
        error=None,
        warm_up=False,
    )


def called(result: HopResult, ms: int) -> HopRecord:
    return HopRecord(
        payment="p1",
        attempt=1,
        span="a",
        parent="",
        caller="gateway",
        operation="authorise",
        callee="issuer",
        route=0,
        try_number=1,
        started_ns=0,
        ended_ns=ms * 1_000_000,
        result=result,
        code="",
    )


def breaker(kind: DecisionKind) -> Decision:
    return Decision(
        link="gateway",
        kind=kind,
        at_ns=0,
        payment="",
        attempt=0,
        operation="authorise",
        target="issuer",
        detail="",
    )


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name and own labels; each once."""
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.timestamp is None
            assert sample.labels.items() >= RUN.items()
            own = {name: value for name, value in sample.labels.items() if name not in RUN}
            key = sample.name, tuple(sorted(own.items()))
            assert key not in found
            found[key] = sample.value
    return found


def test_prometheus_reads_what_a_run_has_seen() -> None:
    found = samples(live().text())
    payments = "paychain_live_payments_total"
    assert found[payments, (("outcome", "approved"), ("technical", "false"))] == 2
    assert found[payments, (("outcome", "unknown"), ("technical", "true"))] == 1
    bucket = "paychain_live_payment_seconds_bucket"
    # 20 ms, 40 ms and 31 s
    ends = ("0.01", "0.025", "0.05", "30", "+Inf")
    assert [found[bucket, (("le", end),)] for end in ends] == [0, 1, 2, 2, 3]
    assert found["paychain_live_payment_seconds_sum", ()] == pytest.approx(31.06)
    way = (("callee", "issuer"), ("caller", "gateway"), ("operation", "authorise"))
    assert found["paychain_live_calls_total", (*way, ("result", "timeout"))] == 1
    assert found["paychain_live_call_seconds_total", way] == pytest.approx(0.31)
    assert found["paychain_live_fault_active", (("fault", "lost"),)] == 1
    assert found["paychain_live_fault_active", (("fault", 'a "late" one'),)] == 0
    state = "paychain_live_breaker_state"
    for word, value in (("open", 0), ("half_open", 1), ("closed", 0)):
        assert found[state, (*way, ("state", word))] == value
    assert found["paychain_live_phase", (("phase", "fault 1"),)] == 1
    names = {re.sub("_(bucket|sum|count)$", "", name) for name, _ in found}
    assert names == set(FAMILIES)


def test_series_of_two_runs_never_are_one() -> None:
    lines = [*live().text().splitlines(), *live("20261129T000001Z-shop-x").text().splitlines()]
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_before_a_run_has_its_folder_there_is_nothing_to_read() -> None:
    assert LiveMetrics(SPEC, ["lost"]).text() == ""


def test_metrics_are_served_until_the_run_is_over() -> None:
    with Exposition("127.0.0.1", 0, live().text) as served:
        place = urlsplit(served.url)
        connection = HTTPConnection(place.netloc, timeout=10)
        connection.request("GET", "/metrics?name=x")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert samples(answer.read().decode()) == samples(live().text())
        connection.close()
        assert place.port is not None
        with pytest.raises(UserError, match="cannot serve metrics at 127"):
            Exposition("127.0.0.1", place.port, str)
    with pytest.raises(OSError, match="refused"):
        HTTPConnection(place.netloc, timeout=10).connect()


def test_metrics_at_what_is_no_port_are_refused_in_words() -> None:
    with pytest.raises(UserError) as caught:
        Exposition("127.0.0.1", 70_000, str)
    what = "cannot serve metrics at 127.0.0.1:70000 (ports go from 0 to 65535)"
    assert str(caught.value) == f"{what}; choose another port"


@pytest.mark.parametrize(
    ("text", "address"),
    [("9464", ("127.0.0.1", 9464)), ("0.0.0.0:9464", ("0.0.0.0", 9464)), ("0", ("127.0.0.1", 0))],
)
def test_metrics_are_on_loopback_unless_a_host_is_given(text: str, address: object) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "metrics", "65536", "-1", "127.0.0.1:", "１"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a port for metrics"):
        address_of(text)


def test_a_virtual_run_serves_none(tmp_path: Any) -> None:
    done = invoked(tmp_path, "run", "card-ecommerce", "steady", "--virtual", "--metrics", "0")
    assert done.exit_code == 2
    assert "a virtual run ends before its metrics could be scraped" in done.stderr


def test_a_port_that_is_none_is_refused_before_a_server_is_asked_anything(tmp_path: Any) -> None:
    with fake_toxiproxy.serving() as server:
        done = invoked(
            tmp_path,
            *("run", "card-ecommerce", "steady"),
            *("--toxiproxy", server.url, "--metrics", "metrics"),
        )
    assert done.exit_code == 2
    assert "'metrics' is not a port for metrics" in done.stderr
    assert server.asked == []


def test_every_metric_of_the_dashboard_exists_and_every_live_one_is_on_it() -> None:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    queries += [each["query"] for each in DASHBOARD["templating"]["list"]]
    named = {name for query in queries for name in re.findall(r"\bpaychain_\w+", query)}
    known = set(re.findall(r'"(paychain_\w+)"', inspect.getsource(prometheus)))
    histogram = {"paychain_live_payment_seconds_bucket"}
    assert named - set(FAMILIES) - known == histogram
    assert set(FAMILIES) - named <= {"paychain_live_phase", "paychain_live_payment_seconds"}


def test_the_dashboard_asks_for_labels_that_its_metrics_have() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for name, matchers in re.findall(r"(paychain_live_\w+)\{([^}]*)\}", target["expr"]):
                labels = set(re.findall(r"(\w+)\s*(?:=|!)", matchers))
                family = FAMILIES[name.removesuffix("_bucket")]
                assert labels <= {*RUN, *family.labels}, (panel["title"], name)
