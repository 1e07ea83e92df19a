"""paychain worker: one of the load processes of a run that another machine conducts."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    master: Annotated[str, typer.Option(help="HOST[:PORT] that `paychain run --master` named")],
    name: Annotated[
        str, typer.Option(help="how the run calls this worker [this machine's name]")
    ] = "",
) -> None:
    """Make a share of the payments of a run whose master waits elsewhere.

    It needs no file of the master's machine: plan, share and start come over the network, and the
    records go back over it. Ends with the run: 0 when every record arrived there, else 3.

    Example: paychain worker --master 10.0.0.5:5557
    """
    import os
    import signal
    import socket
    import subprocess
    import tempfile
    from pathlib import Path

    from harness.load import processes
    from harness.load.spread import address_of, check_token

    host, port = address_of(master)
    token = os.environ.get(processes.TOKEN_VARIABLE, "")
    check_token(host, token)
    with tempfile.TemporaryDirectory(prefix="paychain-worker-") as folder:
        command = processes.worker(
            Path(folder), name or socket.gethostname(), host, port, token
        )  # fmt: skip
        with subprocess.Popen(  # noqa: S603  (words of ours, no shell)
            command.words, env={**os.environ, **command.environment}, start_new_session=True
        ) as process:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: process.terminate())
            code = process.wait()
    raise typer.Exit(code if code >= 0 else 128 - code)
