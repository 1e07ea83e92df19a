"""paychain keygen: a key pair to sign runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def keygen(
    name: Annotated[Path, typer.Argument(help="file of the private key; NAME.pub is public")],
) -> None:
    """Make an Ed25519 key pair. Publish the public key apart from the runs it signs.

    Example: paychain keygen resilience.key
    """
    from harness.report.dsse import new_key

    public = name.with_name(f"{name.name}.pub")
    print(f"key {new_key(name, public)}")
    print(f"private: {name} (keep it secret)\npublic:  {public} (publish it)")
