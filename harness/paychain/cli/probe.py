"""paychain probe: check a webhook handler with signed requests, without any YAML."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli import names
from paychain.cli.exit_codes import ExitCode
from paychain.cli.say import say
from paychain.payments.errors import UserError, meant, without_passwords

if TYPE_CHECKING:
    from paychain.probe.run import ProbeResult

MARKS = {True: "ok  ", False: "FAIL", None: "n/a "}


class ProbeFormat(StrEnum):
    """How what was found is printed."""

    TEXT = "text"
    JSON = "json"


Url = Annotated[str, typer.Argument(metavar="URL", help="where the handler listens")]
Dialect = Annotated[
    str,
    typer.Option(help="whose webhooks it handles, such as stripe", autocompletion=names.dialects),
]
_EXAMPLE = "write one such as http://127.0.0.1:8000/webhooks/stripe"
Secret = Annotated[
    str,
    typer.Option(
        envvar="PAYCHAIN_WEBHOOK_SECRET",
        help="secret with which the handler verifies signatures, such as whsec_…",
    ),
]
Order = Annotated[str, typer.Option(help="the merchant reference that the events are about")]
Amount = Annotated[str, typer.Option(help="amount of the order, such as 12.50")]
Currency = Annotated[str, typer.Option(help="currency of the order")]
CountCommand = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="command that prints how often the handler acted, such as a count of rows; "
        "reveals duplicates",
    ),
]
Timeout = Annotated[str, typer.Option(help="how long an answer may take")]
Format = Annotated[ProbeFormat, typer.Option("--format", help="how to print it")]
Junit = Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML")]


def probe(
    url: Url,
    dialect: Dialect,
    secret: Secret,
    order: Order = "paychain-probe",
    amount: Amount = "92.30",
    currency: Currency = "EUR",
    count: CountCommand = None,
    timeout: Timeout = "10s",
    format: Format = ProbeFormat.TEXT,
    junit: Junit = None,
) -> None:
    """Send a webhook handler every kind of event it must handle, valid and forged.

    Valid, repeated, out of order, forged, old, changed, huge and slow events. Exit code 1: the
    handler got one of them wrong; 3: nothing answers at the URL.

    Example: paychain probe http://127.0.0.1:8000/webhooks/stripe --dialect stripe --secret whsec_x
    """
    from paychain.declaration.quantity import duration_seconds
    from paychain.payments.money import assets, to_minor
    from paychain.probe.report import as_json, junit_xml
    from paychain.probe.run import counted_by
    from paychain.probe.run import probe as run_probes
    from paychain.probe.sender import Sender
    from paychain.probe.webhooks import ProbeWebhooks
    from paychain.processes.files import write_atomically

    _refuse_impossible(url, dialect, secret)
    if currency not in assets():
        raise UserError(f"unknown currency '{currency}'", hint=meant(currency, sorted(assets())))
    try:
        amount_minor = to_minor(amount, currency)
        sender = Sender(url=url, timeout_s=duration_seconds(timeout))
    except ValueError as error:
        raise UserError(str(error)) from error
    if amount_minor <= 0:
        raise UserError(f"nothing is paid with {amount} {currency}", hint="give an amount above 0")
    webhooks = ProbeWebhooks(
        dialect, secret, order=order, amount_minor=amount_minor, currency=currency
    )
    first = sender.send(webhooks.event("captured", "hello"))
    if not first.status:
        say(f"nothing answers at {url}: {first.error}")
        raise typer.Exit(ExitCode.INCONCLUSIVE)
    is_text = format is ProbeFormat.TEXT
    probed = run_probes(
        sender,
        webhooks,
        counted_by(count) if count is not None else None,
        _print if is_text else lambda _probed: None,
    )
    if not is_text:
        print(as_json(dialect, without_passwords(url), probed))
    if junit is not None:
        write_atomically(junit, junit_xml(dialect, probed))
    failed = sum(each.passed is False for each in probed)
    if is_text:
        print(f"{len(probed)} probes, {failed} failed" if failed else f"{len(probed)} probes: pass")
    if failed:
        raise typer.Exit(ExitCode.FAIL)


def _refuse_impossible(url: str, dialect: str, secret: str) -> None:
    """Raises UserError for what no handler could be probed with."""
    from paychain.payments.web_addresses import split_address
    from paychain.protocol.dialects.vendors import VENDORS
    from paychain.protocol.vendor import is_verified_by_api, secret_problem

    parts = split_address(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"'{url}' is not an address", hint=_EXAMPLE)
    if dialect not in VENDORS:
        raise UserError(f"unknown dialect '{dialect}'", hint=meant(dialect, VENDORS))
    if is_verified_by_api(VENDORS[dialect]):
        raise UserError(
            f"the handler verifies webhooks of {dialect} by calling its API; probe has none",
            hint=f"let the service receive them in a chain: dialect: {dialect}",
        )
    if not secret:
        raise UserError("--secret is empty", hint="copy it from the webhook's settings")
    wrong = secret_problem(VENDORS[dialect], secret)
    if wrong:
        raise UserError(f"--secret is {wrong}", hint="copy it from the webhook's settings")


def _print(probed: ProbeResult) -> None:
    say(f"{MARKS[probed.passed]}  {probed.name}: {probed.observed}")
    if probed.passed is False:
        say(f"        expected: {probed.expects}")
        say(f"        remedy: {probed.remedy}")
