"""The cluster that --cluster names, for as long as a command needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.processes.cluster import Cluster


@contextmanager
def opened(address: str | None) -> Iterator[Cluster | None]:
    """A connection to the cluster, None without an address. Raises UserError."""
    if address is None:
        yield None
        return
    from paychain.processes.cluster import Cluster

    cluster = Cluster(address, lambda line: say(line, is_error=True))
    try:
        yield cluster
    finally:
        cluster.close()
