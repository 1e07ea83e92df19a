"""paychain keygen: a key pair to sign runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.say import say


def keygen(
    name: Annotated[
        Path,
        typer.Argument(
            metavar="NAME", help="file for the private key; the public key goes to NAME.pub"
        ),
    ],
) -> None:
    """Create an Ed25519 key pair. Publish the public key separately from the runs it signs.

    Example: paychain keygen resilience.key
    """
    from paychain.payments.errors import UserError
    from paychain.report.evidence.dsse import new_key

    if not name.name:
        raise UserError(f"{name} is a folder", hint="name a file in it for the private key")
    public = name.with_name(f"{name.name}.pub")
    say(
        f"key {new_key(name, public)}",
        f"private: {name} (keep it secret)",
        f"public:  {public} (publish it)",
    )
