"""paychain check: every mistake of every file, a review, and the JSON Schemas for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli import names
from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import Map
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.engine.ability import Kind
    from paychain.model.chain import Chain
    from paychain.model.loading import Loaded
    from paychain.model.renaming import Names
    from paychain.payments.errors import UserError
    from paychain.report.ci.review import CheckReport, MistakeFound


class Format(StrEnum):
    """How what was found is printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="chains and experiments, by name or path",
            autocompletion=names.files,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit with 1 when a finding is not accepted")
    ] = False,
    format: Annotated[
        Format, typer.Option("--format", help="how to print what was found")
    ] = Format.TEXT,
    schema: Annotated[
        str | None,
        typer.Option(help="print a JSON Schema and exit: chain, experiment, result or assurance"),
    ] = None,
    toxiproxy: Annotated[
        str | None,
        typer.Option(help="fault engine to check against, as in paychain run"),
    ] = None,
    map_: Map = None,
) -> None:
    """Check chain and experiment files, each experiment together with the chain before it.

    If there are mistakes, only they are printed. Otherwise the review lists how the chain can fail,
    what can lose money first, each finding with its remedy. Findings are warnings unless --strict
    is given; a chain accepts one with accepts: [{finding: …, at: …, because: …}].

    Example: paychain check chains/card-ecommerce.yaml chaos/steady.yaml
    """
    from paychain.engine.choice import choose
    from paychain.model.renaming import read_names
    from paychain.payments.errors import UserError

    if schema is not None:
        if files:
            what = f"--schema only prints a schema; it does not check {files[0]}"
            raise UserError(what, hint="omit --schema to check it")
        _print_schema(schema)
        return
    if not files:
        raise UserError("nothing to check", hint="name chain and experiment files")
    report, lines = _checked(files, choose(toxiproxy).kind, read_names(map_ or ()))
    _print(report, lines, format)
    if report.mistakes:
        raise typer.Exit(ExitCode.USAGE)
    if strict and report.open_findings:
        raise typer.Exit(ExitCode.FAIL)


def _checked(files: list[str], engine: Kind, names: Names) -> tuple[CheckReport, list[str]]:
    """What is wrong with the files, and the text about those without mistakes."""
    from paychain.payments.errors import UserError
    from paychain.report.ci.review import CheckReport

    report, lines = CheckReport(), list[str]()
    chain: Loaded[Chain] | None = None
    for name in files:
        try:
            if _is_experiment(name):
                lines += _check_experiment(name, chain, engine, names, report)
            else:
                chain = None  # experiments behind a chain with mistakes are checked without it
                chain, text = _check_chain(name, report)
                lines += text
            report.files.append(name)
        except UserError as error:
            # The other files are still checked: a user sees every mistake at once.
            report.mistakes += _mistakes(name, error)
    return report, lines


def _print(report: CheckReport, lines: list[str], format: Format) -> None:
    """Text goes to both streams: mistakes to the error stream, and nothing beside them."""
    from importlib.metadata import version

    from paychain.declaration.quantity import count
    from paychain.report.ci.review import as_github, as_json, as_sarif

    match format:
        case Format.JSON:
            print(as_json(report))
        case Format.SARIF:
            print(as_sarif(report, version("paychain")))
        case Format.GITHUB:
            text = as_github(report)
            print(text, end="\n" if text else "")
        case Format.TEXT if report.mistakes:
            for mistake in report.mistakes:
                place = f"{mistake.file}:{mistake.line}:{mistake.column}: " if mistake.line else ""
                say(f"{place}{mistake}", is_error=True)
            say(f"{count(len(report.mistakes), 'mistake')}; nothing was run", is_error=True)
        case Format.TEXT:
            say(*lines)


def _mistakes(name: str, error: UserError) -> list[MistakeFound]:
    """The mistakes of one file; one without a place when it could not be read at all."""
    from paychain.model.loading import FileMistakes
    from paychain.report.ci.review import MistakeFound

    if isinstance(error, FileMistakes):
        return [
            MistakeFound(
                file=error.path,
                line=mistake.line,
                column=mistake.column,
                what=mistake.what,
                hint=mistake.hint,
            )
            for mistake in error.mistakes
        ]
    return [MistakeFound(file=name, line=0, column=0, what=error.what, hint=error.hint)]


def _print_schema(name: str) -> None:
    import json

    from paychain.model.schemas import MODELS, schema_of
    from paychain.payments.errors import UserError
    from paychain.report.result import json_schema

    schemas = [*MODELS, "result"]
    if name not in schemas:
        raise UserError(f"no schema '{name}'", hint=f"available: {', '.join(schemas)}")
    print(json.dumps(json_schema() if name == "result" else schema_of(name), indent=2))


def _check_experiment(
    name: str, chain: Loaded[Chain] | None, engine: Kind, names: Names, report: CheckReport
) -> list[str]:
    from paychain.declaration.quantity import count
    from paychain.engine.ability import refuse_unsupported
    from paychain.model.loading import load_experiment
    from paychain.model.review import review
    from paychain.model.waits import unsettled
    from paychain.report.text.review import finding_lines

    loaded = load_experiment(
        name,
        chain.model if chain is not None else None,
        names,
        shares_names=True,
        needs_tolerances=True,
    )
    refuse_unsupported(loaded, engine)
    experiment = loaded.model
    alone = "" if chain is not None else "; not checked against a chain: name one before it"
    scripts = f"{count(len(experiment.scripts), 'script')}, " if experiment.scripts else ""
    lines = [
        f"ok: {name}: {count(len(experiment.faults), 'fault')}, {scripts}"
        f"{experiment.load_lasts:g} s of load{alone}"
    ]
    if chain is None:
        return lines
    if (short := unsettled(chain.model, experiment)) is not None:
        lines.append(f"  {chain.place(*short.path)}: {short.what}; {short.hint}")
    # The chain's own findings are reported already: what is new needs both files.
    known = review(chain)
    together = [finding for finding in review(chain, loaded) if finding not in known]
    report.findings += together
    return lines + (finding_lines(together) if together else [])


def _check_chain(name: str, report: CheckReport) -> tuple[Loaded[Chain], list[str]]:
    from paychain.declaration.quantity import count
    from paychain.model.loading import load_chain
    from paychain.model.review import review, stale_accepts
    from paychain.report.text.review import finding_lines

    loaded = load_chain(name)
    chain, findings = loaded.model, review(loaded)
    report.findings += findings
    lines = [f"ok: {name}: {count(len(chain.links), 'link')}, {count(len(chain.hops()), 'hop')}"]
    lines += finding_lines(findings)
    for number in stale_accepts(chain, findings):
        item = chain.accepts[number]
        place = loaded.place("accepts", number)
        lines.append(f"{place}: accepted, but not found any more: {item.finding} at {item.at}")
    return loaded, lines


def _is_experiment(name: str) -> bool:
    """A file is recognised by its top-level keys, a name by the experiments that are available."""
    from pathlib import Path

    from paychain.declaration.text import read_text
    from paychain.model.files import available

    path = Path(name)
    if path.is_file():
        text, _ = read_text(path)
        keys = [line.split(":")[0] for line in text.splitlines() if line and line[0].isalpha()]
        return "experiment" in keys
    return name in available("experiment")
