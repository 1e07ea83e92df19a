"""Payments/s of one Locust process in a closed loop against a server that answers at once:
bare requests, payments read from the body, and payments with their records, in turns."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import Answer
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer

KINDS = ("bare", "paying", "recorded")
ROUNDS, SECONDS, USERS = 5, 5, 40
LOCUSTFILE = Path(__file__).with_name("_locustfile.py")
_ANSWER = encode(Answer(Outcome.APPROVED, "00", "issuer", "p-1", 2_500))


async def serve() -> None:
    """Print the port, answer everything with an approval until killed."""

    async def approve(_: HttpRequest) -> HttpResponse:
        return HttpResponse(200, _ANSWER, {"content-type": "application/json"})

    print(await HttpServer(approve).start("127.0.0.1"), flush=True)
    await asyncio.Event().wait()


def measured(kind: str, port: int, out: Path) -> tuple[float, float]:
    """Requests per second of one Locust run, and its CPU time per request in microseconds."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(LOCUSTFILE),
            "--headless",
            "-u",
            str(USERS),
            "-r",
            str(USERS),
            "-t",
            f"{SECONDS}s",
            "--host",
            f"http://127.0.0.1:{port}",
            "--loglevel",
            "ERROR",
            "--only-summary",
        ],
        env={**os.environ, "BENCH_KIND": kind, "BENCH_OUT": str(out)},
        check=True,
        timeout=60,
        capture_output=True,
    )
    figures = json.loads(out.read_text())
    assert figures["failures"] == 0
    return float(figures["rate"]), float(figures["cpu_us"])


def main() -> None:
    command = [sys.executable, "-c", "from bench.load import run; run()"]
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            for number in range(ROUNDS):
                for kind in KINDS:
                    found[kind].append(measured(kind, port, Path(folder) / f"{kind}-{number}.json"))
        finally:
            server.kill()
    for kind in KINDS:
        rates, cpu = zip(*found[kind], strict=True)
        against = [
            statistics.median(
                each / other for (each, _), (other, _) in zip(found[kind], found[base], strict=True)
            )
            for base in ("bare", "paying")
        ]
        print(
            f"{kind:<9} {statistics.median(rates):7,.0f} payments/s, {against[0]:.3f} of bare, "
            f"{against[1]:.3f} of paying; {statistics.median(cpu):.0f} us of CPU each"
        )


def run() -> None:
    uvloop.run(serve())


if __name__ == "__main__":
    main()
