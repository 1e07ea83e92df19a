"""Log filters: addresses, topics and a range of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paychain.protocol.dialects.json_rpc import shapes
from paychain.protocol.dialects.json_rpc.moment import Moment
from paychain.protocol.dialects.json_rpc.values import (
    SERVER_ERROR,
    RpcError,
    invalid,
    read_hash,
)
from paychain.protocol.dialects.json_rpc.words import mistaken

MAX_LOGS = 10_000  # in one answer
MAX_TOPICS = 4
Log = dict[str, Any]
_Choice = frozenset[str] | None  # None: anything


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The addresses, topics and range of blocks of a filter, the blocks as the client gave them."""

    addresses: _Choice
    topics: Sequence[_Choice]
    from_block: Any
    to_block: Any
    block_hash: str | None = None

    @classmethod
    def read(cls, wanted: Any) -> LogFilter:
        """Read a filter from a parameter. Raises RpcError if it is not one."""
        if not isinstance(wanted, dict):
            raise invalid(0, "a filter must be an object")
        given = wanted.get("topics") or []
        if not isinstance(given, list):
            raise invalid(0, "topics must be a list")
        return cls(
            _choices(wanted.get("address")),
            [_choices(each) for each in given],
            wanted.get("fromBlock"),
            wanted.get("toBlock"),
            wanted.get("blockHash"),
        )

    def heights(self, moment: Moment) -> tuple[int, int]:
        """The lowest and highest height it covers. Raises RpcError for an invalid range."""
        words = moment.network.words
        if len(self.topics) > MAX_TOPICS:
            raise mistaken(words, "topics")
        if self.block_hash is not None and (self.from_block, self.to_block) != (None, None):
            raise mistaken(words, "both")
        if "pending" in (self.from_block, self.to_block) and words.is_careful:
            raise RpcError(SERVER_ERROR, "pending logs are not supported")
        if self.block_hash is not None:
            found = moment.copy.height_of(read_hash(self.block_hash, 0))
            if found is None:
                raise RpcError(SERVER_ERROR, "unknown block")
            return found, found
        lowest = moment.height(self.from_block, 0)
        highest = moment.height(self.to_block, 0)
        if lowest > highest:
            raise mistaken(words, "range")
        return lowest, highest

    def between(self, moment: Moment, lowest: int, highest: int) -> list[Log]:
        """The matching logs from one height to another. Raises RpcError above MAX_LOGS."""
        found = [
            log
            for height in sorted(moment.copy.blocks)
            if lowest <= height <= highest
            for name in moment.copy.shown(height)
            for log in shapes.logs_of(moment, moment.copy.sent[name], height)
            if self._names(log)
        ]
        if len(found) > MAX_LOGS:
            raise RpcError(-32005, f"query returned more than {MAX_LOGS} results")
        return found

    def _names(self, log: Log) -> bool:
        if self.addresses is not None and log["address"] not in self.addresses:
            return False
        shown: list[str] = log["topics"]
        return len(self.topics) <= len(shown) and all(
            allowed is None or topic in allowed
            for topic, allowed in zip(shown, self.topics, strict=False)
        )


def _choices(given: Any) -> _Choice:
    """The values that one position of a filter allows. Raises RpcError."""
    if given is None or given == []:
        return None
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(each, str) for each in listed):
        raise invalid(0, "addresses and topics must be hex strings")
    return frozenset(each.lower() for each in listed)
