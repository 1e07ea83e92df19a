"""paychain export: a run's records, in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paychain.cli.options import RunFolder
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.analysis.store.store import RunStore

SEND_S = 30.0  # one request to a collector


def export(
    run: RunFolder,
    otlp: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            help="OpenTelemetry traces: a file in the collector's JSON lines, or the URL of a "
            "collector, such as http://127.0.0.1:4318",
        ),
    ],
) -> None:
    """Write the payments of a run as traces: every call a span, every decision an event.

    Example: paychain export reports/20261123T200000Z-card-ecommerce-steady --otlp traces.jsonl
    """
    from paychain.analysis.store.store import RunStore
    from paychain.payments.errors import UserError
    from paychain.report.export.otlp import OtlpWriter
    from paychain.report.outputs import STORE_NAME
    from paychain.report.result import read

    result = read(run)
    path = run / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {run}", hint="name a run directory with its records")
    writer = OtlpWriter(run.resolve().name, result.chain.name, result.started_at)
    store = RunStore.open(path)
    try:
        if otlp.startswith(("http://", "https://")):
            sent = _send(otlp, writer.requests(store))
            say(f"sent {sent:,} spans to {otlp}")
        else:
            sent = _write(Path(otlp), writer.requests(store))
            say(f"wrote {sent:,} spans to {otlp}")
        _say_sample(store)
    finally:
        store.close()


def _say_sample(store: RunStore) -> None:
    if store.kept_one_in > 1:
        say(f"the run kept one in {store.kept_one_in} of the payments with nothing to tell")


def _write(path: Path, requests: Iterable[dict[str, Any]]) -> int:
    import msgspec

    from paychain.payments.errors import UserError

    spans = 0
    try:
        with path.open("wb") as file:
            for request in requests:
                file.write(msgspec.json.encode(request) + b"\n")
                spans += _spans(request)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror})", hint="name another") from error
    return spans


def _send(url: str, requests: Iterable[dict[str, Any]]) -> int:
    import requests as http

    from paychain.payments.errors import UserError
    from paychain.report.export.otlp import TRACES_PATH

    target = url.rstrip("/")
    target += "" if target.endswith(TRACES_PATH) else TRACES_PATH
    spans = 0
    with http.Session() as session:
        for request in requests:
            try:
                answer = session.post(target, json=request, timeout=SEND_S)
            except http.RequestException as error:
                raise UserError(
                    f"{target} does not answer ({type(error).__name__})",
                    hint="name a collector that takes OTLP over HTTP",
                ) from error
            if not answer.ok:
                raise UserError(
                    f"{target} answered {answer.status_code}: {answer.text[:200]}",
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
