"""A run as Parquet files, a table each: for DuckDB, pandas, Spark, or wherever a team keeps data.

    runs.parquet        one row: chain, experiment, verdict, seed, when it began
    findings.parquet    what broke a money rule, as result.json lists it
    payments.parquet    a row per record, its fields as columns: see RECORDS
    hops.parquet        …

Every table has the column `run`, so that those of several runs can be read together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from paychain.analysis.store.store import RunStore
from paychain.payments.errors import UserError
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import (
    Decision,
    EngineEvent,
    FaultSwitch,
    HopRecord,
    LinkSwitch,
    Movement,
    PaymentRecord,
    Stall,
)
from paychain.report.result import Result

if TYPE_CHECKING:
    import duckdb

RECORDS: dict[str, type[Any]] = {
    "payments": PaymentRecord,
    "hops": HopRecord,
    "movements": Movement,
    "decisions": Decision,
    "fault_switches": FaultSwitch,
    "link_switches": LinkSwitch,
    "engine_events": EngineEvent,
    "stalls": Stall,
    "exchanges": HttpExchange,
    "received_requests": ReceivedRequest,
}
MEMORY = "300MB"  # that DuckDB may use
_TYPES: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}


class RunRow(msgspec.Struct, kw_only=True, frozen=True):
    """The one row of `runs`."""

    chain: str
    experiment: str
    verdict: str
    reasons: list[str]
    seed: int
    command: str
    started_at: str  # ISO 8601
    ended_at: str
    recorded: int  # payments: of a long run not all of them are in the table
    kept_one_in: int  # of the uneventful payments, one in this many is in the tables


class FindingRow(msgspec.Struct, kw_only=True, frozen=True):
    """A row of `findings`: one payment that broke a money rule; of each rule the first hundred."""

    rule: str
    payment: str
    amount: int  # wrong, minor units
    text: str
    references: list[str]


TABLES: dict[str, type[Any]] = {"runs": RunRow, "findings": FindingRow, **RECORDS}


def write(result: Result, name: str, store: RunStore, folder: Path) -> Iterator[tuple[str, int]]:
    """Write every table into a folder, which is made; yields each table with its rows.

    `name` is the run's. What is there under the same names is replaced. Raises UserError when
    DuckDB is not installed, or cannot write them.
    """
    try:
        import duckdb
    except ImportError as error:
        hint = "pip install 'paychain[parquet]'"
        raise UserError("Parquet files need an extra package", hint=hint) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as db:
            # What it needs is built in: nothing is fetched from anywhere.
            db.execute("SET autoinstall_known_extensions = false")
            db.execute(f"SET memory_limit = '{MEMORY}'")
            for table, rows in _tables(result, store).items():
                yield table, _write_table(db, folder, table, name, rows())
    except (OSError, duckdb.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise UserError(f"cannot write into {folder} ({why})", hint="name another") from error


def _tables(result: Result, store: RunStore) -> dict[str, Callable[[], Iterable[Any]]]:
    return {
        "runs": lambda: [_run(result, store)],
        "findings": lambda: _findings(result),
        **{table: partial(store.rows, kind) for table, kind in RECORDS.items()},
    }


def _run(result: Result, store: RunStore) -> RunRow:
    return RunRow(
        chain=result.chain.name,
        experiment=result.experiment.name,
        verdict=result.verdict,
        reasons=result.reasons,
        seed=result.seed,
        command=result.command,
        started_at=result.started_at,
        ended_at=result.ended_at,
        recorded=result.load.recorded,
        kept_one_in=store.kept_one_in,
    )


def _findings(result: Result) -> Iterator[FindingRow]:
    for rule in result.money.rules:
        for found in rule.payments:
            yield FindingRow(
                rule=rule.rule,
                payment=found.payment,
                amount=found.amount,
                text=found.text,
                references=found.references,
            )


def _write_table(
    db: duckdb.DuckDBPyConnection, folder: Path, table: str, run: str, rows: Iterable[Any]
) -> int:
    """Write one table; returns its rows. They go over a file beside it, and not over memory."""
    lines, target = folder / f"{table}.jsonl", folder / f"{table}.parquet"
    columns = ", ".join(f"{_text(name)}: '{kind}'" for name, kind in columns_of(table).items())
    source = (
        f"read_json({_text(str(lines))}, columns = {{{columns}}}, format = 'newline_delimited')"
    )
    try:
        with lines.open("wb") as file:
            for row in rows:
                values = {"run": run, **msgspec.structs.asdict(row)}
                file.write(msgspec.json.encode(values) + b"\n")
        copy = f"COPY (FROM {source}) TO {_text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        ((written,),) = db.execute(copy).fetchall()
    finally:
        lines.unlink(missing_ok=True)
    return int(written)


def columns_of(table: str) -> dict[str, str]:
    """The columns of a table, each with its type in SQL."""
    kind = TABLES[table]
    hints = get_type_hints(kind)
    return {"run": "VARCHAR"} | {name: _type(hints[name]) for name in kind.__struct_fields__}


def _type(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is UnionType:  # with None: every column may be empty
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        return _type(hint)
    if origin is list:
        (item,) = get_args(hint)
        return f"{_type(item)}[]"
    if origin is Literal:
        return "VARCHAR"
    return next(name for kind, name in _TYPES.items() if issubclass(hint, kind))


def _text(value: str) -> str:
    """A text as SQL has it."""
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
