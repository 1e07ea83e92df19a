"""paychain export: a run's records, in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paychain.cli.options import RunFolder
from paychain.cli.say import said_when_slow, say

if TYPE_CHECKING:
    from paychain.analysis.store.store import RunStore
    from paychain.report.result import Result

_COLLECTORS = ("http://", "https://")  # how the URL of a collector begins
SEND_S = 30.0  # one request to a collector
MAX_SHOWN_BYTES = 200  # of its answer


def export(
    run: RunFolder,
    otlp: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="OpenTelemetry traces: a file in the collector's JSON lines, or the URL of a "
            "collector, such as http://127.0.0.1:4318",
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Parquet files, a table each, into this folder (extra: parquet)",
        ),
    ] = None,
) -> None:
    """Export a run's records for other tools: as traces, tables, or both.

    Each payment is a trace, each call a span, each decision an event. Tables have a row per record.

    Example: paychain export reports/20261123T200000Z-3fa91c-shop-steady --otlp traces.jsonl
    """
    from paychain.analysis.store.store import RunStore
    from paychain.payments.errors import UserError
    from paychain.report.outputs import STORE_NAME
    from paychain.report.result import read

    if otlp is None and parquet is None:
        raise UserError("nothing to write", hint="give --otlp FILE|URL or --parquet DIR")
    if otlp is not None:
        _refuse_other_scheme(otlp)
    result = read(run)
    path = run / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {run}", hint="name a run directory with its records")
    name = run.resolve().name
    store = RunStore.open(path)
    try:
        if otlp is not None:
            _write_traces(result, name, store, otlp)
        if parquet is not None:
            _write_tables(result, name, store, parquet)
        _say_sample(store)
    finally:
        store.close()


def _refuse_other_scheme(otlp: str) -> None:
    """Raise UserError for a URL that is no collector's: it would be the name of a file."""
    from paychain.payments.errors import UserError

    scheme, separator, _ = otlp.partition("://")
    if separator and "/" not in scheme and f"{scheme.lower()}://" not in _COLLECTORS:
        raise UserError(
            f"cannot send to {otlp}: '{scheme}' is neither http nor https",
            hint="name a file, or the URL of a collector such as http://127.0.0.1:4318",
        )


def _write_traces(result: Result, name: str, store: RunStore, otlp: str) -> None:
    from paychain.report.export.otlp import OtlpWriter

    writer = OtlpWriter(name, result.chain.name, result.started_at)
    if otlp.lower().startswith(_COLLECTORS):
        sent = _send(otlp, writer.requests(store))
        say(f"sent {sent:,} spans to {otlp}")
    else:
        sent = _write(Path(otlp), writer.requests(store))
        say(f"wrote {sent:,} spans to {otlp}")


def _write_tables(result: Result, name: str, store: RunStore, folder: Path) -> None:
    from paychain.report.export.parquet import write

    tables = dict(write(result, name, store, folder))
    say(f"wrote {sum(tables.values()):,} rows in {len(tables)} tables to {folder}")


def _say_sample(store: RunStore) -> None:
    if store.kept_one_in > 1:
        say(f"the run kept one in {store.kept_one_in} of its uneventful payments")


def _write(path: Path, requests: Iterable[dict[str, Any]]) -> int:
    import msgspec

    from paychain.payments.errors import UserError

    spans = 0
    try:
        with said_when_slow(f"waiting for somebody to read {path}"):
            file = path.open("wb")
        with file:
            for request in requests:
                file.write(msgspec.json.encode(request) + b"\n")
                spans += _spans(request)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror})", hint="name another") from error
    return spans


def _send(url: str, requests: Iterable[dict[str, Any]]) -> int:
    import requests as http

    from paychain.payments.errors import UserError
    from paychain.processes.posting import no_answer, post
    from paychain.report.export.otlp import TRACES_PATH

    target = url.rstrip("/")
    target += "" if target.endswith(TRACES_PATH) else TRACES_PATH
    spans = 0
    with http.Session() as session:
        for request in requests:
            try:
                answer = post(
                    session, target, json=request, within_s=SEND_S, max_bytes=MAX_SHOWN_BYTES
                )
            except http.RequestException as error:
                raise UserError(
                    f"{target} {no_answer(error, SEND_S)}",
                    hint="name a collector that takes OTLP over HTTP",
                ) from error
            if not answer.is_success:
                said = answer.content.decode("utf-8", "replace")
                raise UserError(
                    f"{target} answered {answer.status}: {said}",
                    hint="name a collector that takes OTLP over HTTP as JSON",
                )
            spans += _spans(request)
    return spans


def _spans(request: dict[str, Any]) -> int:
    return sum(
        len(scope["spans"])
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
    )
