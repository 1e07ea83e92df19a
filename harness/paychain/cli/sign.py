"""paychain sign: evidence that a run's files are as they were when it was signed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.options import RunFolder
from paychain.cli.say import key_of, say
from paychain.processes.tokens import SIGNING_KEY_VARIABLE


def sign(
    run: RunFolder,
    key: Annotated[
        Path | None,
        typer.Option(help=f"private key file (PEM); default: the key in {SIGNING_KEY_VARIABLE}"),
    ] = None,
    timestamp_url: Annotated[
        str | None, typer.Option(help="URL of an RFC 3161 time-stamping service (extra: timestamp)")
    ] = None,
) -> None:
    """Sign a run, whatever its verdict, as the next run in the history of its folder.

    Files that were changed together before are signed as they are; only run --sign has no such gap.

    Example: paychain sign reports/20261123T200000Z-3fa91c-shop-steady --key resilience.key
    """
    from paychain.payments.errors import UserError
    from paychain.report.evidence.dsse import private_key, read_private_key
    from paychain.report.evidence.files import sign_run

    if key is not None:
        signing = key_of(key, read_private_key)
    elif os.environ.get(SIGNING_KEY_VARIABLE):
        signing = private_key(os.environ[SIGNING_KEY_VARIABLE].encode(), SIGNING_KEY_VARIABLE)
    else:
        raise UserError("no signing key", hint=f"use --key FILE or set {SIGNING_KEY_VARIABLE}")
    say(f"signed: {sign_run(run, signing)}")
    if timestamp_url is not None:
        from paychain.report.evidence.timestamp import stamp

        say(f"stamped: {stamp(run, timestamp_url)}")
