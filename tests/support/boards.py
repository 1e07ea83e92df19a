"""A board that runs: `paychain load` of a small chain in a folder of its own."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from paychain.board.guard import HEADER
from tests.support.chains import corner_shop
from tests.support.cli import Running, running
from tests.support.runs import declare

CHAIN = corner_shop(
    chain="corner-shop",
    title="A corner shop",
    deadline="3s",
    timeout="2s",
    processor_timeout="1s",
    providers={"acme": {"kind": "cloud"}},
    processor={"provider": "acme"},
)
LOAD = ("load", "corner-shop.yaml")
STARTED_WITHIN_S = 60


@dataclass
class Board:
    """Where it is, the folder it was started in, and a client that has opened it.

    `opens`: the address with the token.
    """

    url: str
    opens: str
    folder: Path
    process: Running
    client: requests.Session = field(default_factory=requests.Session)

    def key(self) -> str:
        """What our own pages send back."""
        page = self.client.get(f"{self.url}/paychain/", timeout=20).text
        return page.partition('name="paychain" content="')[2].partition('"')[0]

    def do(self, **action: Any) -> requests.Response:
        """Ask for something as the page does."""
        return self.client.post(
            f"{self.url}/paychain/do", json=action, headers={HEADER: self.key()}, timeout=60
        )

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        found: dict[str, Any] = self.client.get(f"{self.url}/paychain/state", timeout=20).json()
        return found


@contextmanager
def board(folder: Path, *words: str, exit_code: int = 0) -> Iterator[Board]:
    """Start it, and end it as Ctrl-C does, unless it has ended; with that exit code."""
    declare(folder, **{"corner-shop": CHAIN})
    with running(folder, *LOAD, "--port", "0", *words) as process:
        process.wait_for("Ctrl-C", STARTED_WITHIN_S)
        # The name of the machine, where the board listens on all addresses, need not lead to it.
        found = re.search(r"board   http://.+:(\d+)(/paychain/\?token=\S+)", process.output)
        assert found is not None, process.output
        url = f"http://127.0.0.1:{found[1]}"
        made = Board(url, url + found[2], folder, process)
        try:
            made.client.get(made.opens, timeout=20).raise_for_status()
            yield made
        finally:
            process.send(signal.SIGINT)
            assert process.exit_code() == exit_code, process.output
