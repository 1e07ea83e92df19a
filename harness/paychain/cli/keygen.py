"""paychain keygen: a key pair to sign runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def keygen(
    name: Annotated[
        Path, typer.Argument(help="file for the private key; the public key goes to NAME.pub")
    ],
) -> None:
    """Create an Ed25519 key pair. Publish the public key separately from the runs it signs.

    Example: paychain keygen resilience.key
    """
    from paychain.report.evidence.dsse import new_key

    public = name.with_name(f"{name.name}.pub")
    print(f"key {new_key(name, public)}")
    print(f"private: {name} (keep it secret)\npublic:  {public} (publish it)")
