"""paychain sign: evidence that a run's files are as they were when it ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

KEY_VARIABLE = "PAYCHAIN_SIGNING_KEY"


def sign(
    run: Annotated[Path, typer.Argument(help="a run directory")],
    key: Annotated[
        Path | None, typer.Option(help=f"private key (PEM); {KEY_VARIABLE} without it")
    ] = None,
    timestamp_url: Annotated[
        str | None, typer.Option(help="an RFC 3161 time-stamping service (extra: timestamp)")
    ] = None,
) -> None:
    """Sign a run, whatever its verdict, as the next one of its folder.

    Example: paychain sign reports/20261123T200000Z-card-ecommerce-steady --key resilience.key
    """
    from harness.payments.errors import UserError
    from harness.report.dsse import private_key, read_private_key
    from harness.report.evidence import sign_run

    if key is not None:
        signing = read_private_key(key)
    elif os.environ.get(KEY_VARIABLE):
        signing = private_key(os.environ[KEY_VARIABLE].encode(), KEY_VARIABLE)
    else:
        raise UserError("no key to sign with", mend=f"give --key FILE or set {KEY_VARIABLE}")
    print(f"signed: {sign_run(run, signing)}")
    if timestamp_url is not None:
        from harness.report.timestamp import stamp

        print(f"stamped: {stamp(run, timestamp_url)}")
