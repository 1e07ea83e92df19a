"""What a run and a process that waits on another machine say to each other before the run."""

from __future__ import annotations

import msgspec


class Hello(msgspec.Struct, frozen=True):
    """The process that waits. Times are of its own monotonic clock."""

    session: str  # random name of this process; proofs are for it alone
    chain_sha256: str
    links: list[str]
    is_taken: bool
    received_ns: int
    answered_ns: int


class BeginRequest(msgspec.Struct, frozen=True):
    """Body of POST /begin. `epoch_ns`: time zero of the run on the clock of the waiting machine."""

    seed: int
    epoch_ns: int
