"""paychain worker: a load process for a run on another machine."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    master: Annotated[str, typer.Option(help="HOST[:PORT] of the run, as in its --master")],
    name: Annotated[
        str, typer.Option(help="name of this worker in the run; default: the host name")
    ] = "",
) -> None:
    """Generate a share of the load of a run whose master is on another machine.

    No files are needed: plan, share and start time arrive over the network, and records return
    over it. Exit code 0: the master has every record; 3: it does not.

    Example: paychain worker --master 10.0.0.5:5557
    """
    import os
    import signal
    import socket
    import subprocess

    from paychain.load.distributed.spread import address_of, check_token
    from paychain.load.locust import processes
    from paychain.processes.scratch import scratch_folder
    from paychain.processes.tokens import TOKEN_VARIABLE
    from paychain.processes.variables import child_environment

    host, port = address_of(master)
    token = os.environ.get(TOKEN_VARIABLE, "")
    check_token(host, token)
    with scratch_folder() as folder:
        command = processes.worker(folder, name or socket.gethostname(), host, port, token)
        with subprocess.Popen(  # noqa: S603  (our own command, no shell)
            command.words,
            env={**child_environment(), **command.environment},
            cwd=command.folder,
            start_new_session=True,
        ) as process:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: process.terminate())
            code = process.wait()
    raise typer.Exit(code if code >= 0 else 128 - code)
