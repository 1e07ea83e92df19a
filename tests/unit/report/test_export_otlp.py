"""A run for other tools: what they read has what the run recorded.

Traces are read by OpenTelemetry's own models, tables by DuckDB.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Decision, HopRecord, Movement, PaymentRecord
from paychain.report.export.parquet import RECORDS, TABLES, columns_of
from tests.support.chains import experiment, shop
from tests.support.cli import invoked
from tests.support.runs import declare, run_in

IDS = {"traceId", "spanId", "parentSpanId"}


def in_base64(value: Any) -> Any:
    """OTLP/JSON writes ids in hexadecimal, Protobuf's own JSON in base64."""
    if isinstance(value, list):
        return [in_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(each)).decode() if key in IDS else in_base64(each)
        for key, each in value.items()
    }


def spans_of(text: str) -> list[tuple[str, Span]]:
    """Every span with the service that made it, read strictly."""
    found = []
    for line in text.splitlines():
        request = ParseDict(in_base64(json.loads(line)), ExportTraceServiceRequest())
        for resource in request.resource_spans:
            (service,) = (
                each.value.string_value
                for each in resource.resource.attributes
                if each.key == "service.name"
            )
            found += [(service, span) for scope in resource.scope_spans for span in scope.spans]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("traced")
    down = "{at: 0s, for: 500ms, target: {link: processor-a}, down: {}}"
    declare(home, shop=shop(), quick=experiment(down, warm_up="0s", before="500ms", after="500ms"))
    made = invoked(home, "run", "shop.yaml", "quick.yaml", "--virtual", "--out", "runs")
    assert made.exit_code == 0, made.stderr
    return home


def test_tables_read_back_have_what_the_run_says(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    run = run_in(folder)
    said = invoked(folder, "export", str(run), "--parquet", "it's tables")
    assert said.exit_code == 0, said.stderr
    result = json.loads((run / "result.json").read_text())
    home = folder / "it's tables"
    assert {file.name for file in home.iterdir()} == {f"{table}.parquet" for table in TABLES}

    def rows(sql: str) -> list[Any]:
        with duckdb.connect() as db:
            for table in TABLES:
                db.from_parquet(str(home / f"{table}.parquet")).create_view(table)
            return list(db.execute(sql).fetchall())

    ((name, verdict, payments),) = rows("SELECT run, verdict, recorded FROM runs")
    assert (name, verdict, payments) == (run.name, result["verdict"], result["load"]["recorded"])
    (whole,) = (phase for phase in result["phases"] if phase["kind"] == "all")
    assert rows(
        "SELECT COUNT(*), SUM(amount_minor), COUNT(*) FILTER (WHERE outcome = 'approved') "
        "FROM payments WHERE NOT warm_up AND run = (SELECT run FROM runs)"
    ) == [(whole["offered"], whole["amount_offered"], whole["approved"])]
    assert rows("SELECT SUM(amount_minor) FROM movements WHERE link = 'issuer'") == [
        (sum(result["money"]["books"]["issuer"].values()),)
    ]
    store = RunStore.open(run / "run.db")
    for table, kind in RECORDS.items():
        records = list(store.rows(kind))
        fields = ", ".join(f'"{field}"' for field in kind.__struct_fields__)
        read = rows(f"SELECT {fields} FROM {table}")
        assert read == [msgspec.structs.astuple(record) for record in records], table
    store.close()


def test_the_documentation_lists_every_table_with_its_columns() -> None:
    page = (Path(__file__).parents[3] / "docs" / "tables.md").read_text()
    for table in TABLES:
        columns = ", ".join(f"`{name}` {kind}" for name, kind in columns_of(table).items())
        assert f"## `{table}`" in page
        assert columns in page, f"{table}: {columns}"


def test_an_export_of_nothing_and_into_a_file_are_mistakes(folder: Path) -> None:
    run = run_in(folder)
    nothing = invoked(folder, "export", str(run))
    assert nothing.exit_code == 2
    assert "--parquet DIR" in nothing.stderr
    (folder / "taken").write_text("")
    into_a_file = invoked(folder, "export", str(run), "--parquet", "taken")
    assert into_a_file.exit_code == 2
    assert "taken" in into_a_file.stderr


def test_a_url_of_another_scheme_is_no_file_name(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = invoked(folder, "export", str(run_in(folder)), "--otlp", "ftp://collector")
    assert done.exit_code == 2
    assert "'ftp' is neither http nor https" in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_every_record_of_the_run_is_in_its_traces(folder: Path) -> None:
    run = run_in(folder)
    said = invoked(folder, "export", str(run), "--otlp", "traces.jsonl")
    assert said.exit_code == 0, said.stderr
    spans = spans_of((folder / "traces.jsonl").read_text())
    assert f"wrote {len(spans):,} spans" in said.stdout
    store = RunStore.open(run / "run.db")
    hops, payments = list(store.rows(HopRecord)), list(store.rows(PaymentRecord))
    noted = sum(1 for kind in (Decision, Movement) for each in store.rows(kind) if each.payment)
    store.close()
    assert sum(span.kind == Span.SPAN_KIND_CLIENT for _, span in spans) == len(hops) > 0
    paid = [span for _, span in spans if span.name == "payment"]
    assert len(paid) == len(payments) == len({span.trace_id for span in paid})
    assert sum(len(span.events) for span in paid) == noted

    by_id = {span.span_id: span for _, span in spans}
    assert len(by_id) == len(spans)
    for service, span in spans:
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        if span.kind == Span.SPAN_KIND_CLIENT:
            parent = by_id[span.parent_span_id]
            assert parent.trace_id == span.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
        else:
            assert service in ("customer", "paychain faults")
    (fault,) = (span for service, span in spans if service == "paychain faults")
    assert 490e6 <= fault.end_time_unix_nano - fault.start_time_unix_nano <= 510e6
    refused = [span for _, span in spans if span.status.message == "refused"]
    assert refused
    for span in refused:
        assert fault.start_time_unix_nano <= span.start_time_unix_nano <= fault.end_time_unix_nano


@contextmanager
def collector(status: int) -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json":
                bodies.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_collector_gets_the_same(folder: Path) -> None:
    run = str(run_in(folder))
    invoked(folder, "export", run, "--otlp", "traces.jsonl")
    with collector(200) as (url, bodies):
        assert invoked(folder, "export", run, "--otlp", url).exit_code == 0
    written = [json.loads(line) for line in (folder / "traces.jsonl").read_text().splitlines()]
    assert [json.loads(body) for body in bodies] == written


def test_what_cannot_be_written_or_sent_is_said(folder: Path) -> None:
    run = str(run_in(folder))
    with collector(415) as (url, _):
        refused = invoked(folder, "export", run, "--otlp", url)
    assert (refused.exit_code, "answered 415" in refused.stderr) == (2, True)
    gone = invoked(folder, "export", run, "--otlp", url)
    assert (gone.exit_code, "does not answer" in gone.stderr) == (2, True)
    nowhere = invoked(folder, "export", run, "--otlp", "away/traces.jsonl")
    assert (nowhere.exit_code, "cannot write" in nowhere.stderr) == (2, True)
    assert invoked(folder, "export", "runs", "--otlp", "x").exit_code == 2
