"""Filters: the blocks, transactions and logs that a client has not seen yet, as geth answers.

eth_newFilter ─▶ id ─▶ eth_getFilterChanges ─▶ what is new since ─▶ … ─▶ eth_uninstallFilter
                                    └─ unused for 5 min, or the node restarted: not found

After a reorganisation the new blocks are reported, and the logs of the old ones as `removed`.
Source: geth, eth/filters/api.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from paychain.protocol.dialects.json_rpc.logs import Log, LogFilter
from paychain.protocol.dialects.json_rpc.moment import Moment
from paychain.protocol.dialects.json_rpc.values import INVALID_PARAMS, SERVER_ERROR, RpcError

LASTS_S = 300  # seconds after which an unused filter is dropped, as geth does (eth/filters)
MAX_FILTERS = 10_000
Kind = Literal["blocks", "pending", "logs"]


@dataclass(slots=True, kw_only=True)
class _Filter:
    """One filter. `seen`: the last block reported; `replaced`: the reorganisations reported."""

    kind: Kind
    used_s: int
    seen: int
    replaced: int
    logs: LogFilter | None = None
    waiting: frozenset[str] = frozenset()  # pending transactions already reported
    reported: list[tuple[int, Log]] = field(default_factory=list)  # with heights, until final

    def changes(self, moment: Moment) -> list[Any]:
        """What is new since the last call."""
        copy = moment.copy
        if copy.is_empty:  # the node denies all transactions
            return []
        if self.kind == "pending":
            known = frozenset(name for name, sent in copy.sent.items() if sent.raw)
            fresh = [name for name in copy.sent if name in known and name not in self.waiting]
            self.waiting = known
            return fresh
        lowest = min(copy.replaced[self.replaced :], default=self.seen + 1)
        first = max(min(lowest, self.seen + 1), copy.oldest)
        self.seen, self.replaced = copy.head, len(copy.replaced)
        if self.kind == "blocks":
            return [copy.block_hash(height) for height in range(first, copy.head + 1)]
        return self._logs_since(moment, first)

    def _logs_since(self, moment: Moment, first: int) -> list[Log]:
        assert self.logs is not None  # this is a log filter
        gone = [{**log, "removed": True} for height, log in self.reported if height >= first]
        fresh = self.logs.between(moment, *_within(moment, self.logs, first))
        final = moment.copy.final
        self.reported = [(height, log) for height, log in self.reported if final < height < first]
        new = ((int(log["blockNumber"], 16), log) for log in fresh)
        self.reported += [(height, log) for height, log in new if height > final]
        return gone + fresh


def _within(moment: Moment, logs: LogFilter, first: int) -> tuple[int, int]:
    """The range of new blocks that the filter covers.

    A filter without a first block, or from the latest one, covers all later blocks.
    """
    lowest, highest = first, moment.copy.head
    if _is_number(logs.from_block):
        lowest = max(lowest, moment.height(logs.from_block, 0))
    if _is_number(logs.to_block):
        highest = min(highest, moment.height(logs.to_block, 0))
    return lowest, highest


def _is_number(tag: Any) -> bool:
    return tag not in (None, "latest", "pending", "safe", "finalized")


@dataclass(slots=True)
class Filters:
    """The filters of one node. `now_s`: its clock, in seconds since 1970."""

    now_s: Callable[[], int]
    _filters: dict[str, _Filter] = field(default_factory=dict)  # by id
    _made: int = 0

    def add(self, moment: Moment, kind: Kind, logs: LogFilter | None = None) -> str:
        """Create a filter and return its id. Raises RpcError above MAX_FILTERS."""
        self._drop_old()
        if len(self._filters) >= MAX_FILTERS:
            raise RpcError(SERVER_ERROR, "too many filters")
        copy = moment.copy
        name = f"0x{hashlib.sha256(f'filter {self._made}'.encode()).hexdigest()[:32]}"
        self._made += 1
        self._filters[name] = _Filter(
            kind=kind,
            used_s=self.now_s(),
            seen=copy.head,
            replaced=len(copy.replaced),
            logs=logs,
            waiting=frozenset(copy.sent) if kind == "pending" else frozenset(),
        )
        return name

    def find(self, params: Sequence[Any]) -> _Filter:
        """The filter with an id. Raises RpcError if there is none."""
        self._drop_old()
        found = self._filters.get(_id(params))
        if found is None:
            raise RpcError(SERVER_ERROR, "filter not found")
        found.used_s = self.now_s()
        return found

    def remove(self, params: Sequence[Any]) -> bool:
        """Remove a filter. Returns whether it existed."""
        return self._filters.pop(_id(params), None) is not None

    def _drop_old(self) -> None:
        now_s = self.now_s()
        for name, each in list(self._filters.items()):
            if now_s - each.used_s > LASTS_S:
                del self._filters[name]


def _id(params: Sequence[Any]) -> str:
    if not params:
        raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
    return params[0] if isinstance(params[0], str) else ""


def _new_logs(filters: Filters, moment: Moment, params: Sequence[Any]) -> str:
    wanted = LogFilter.read(params[0] if params else {})
    if _is_number(wanted.from_block) and _is_number(wanted.to_block):
        wanted.heights(moment)
    return filters.add(moment, "logs", wanted)


def _changes(filters: Filters, moment: Moment, params: Sequence[Any]) -> list[Any]:
    return filters.find(params).changes(moment)


def _all_logs(filters: Filters, moment: Moment, params: Sequence[Any]) -> list[Log]:
    wanted = filters.find(params).logs
    if wanted is None:
        raise RpcError(SERVER_ERROR, "filter not found")
    lowest, highest = wanted.heights(moment)
    moment.require(lowest)
    return wanted.between(moment, lowest, highest)


FILTERS: dict[str, Callable[[Filters, Moment, Sequence[Any]], Any]] = {
    "eth_newFilter": _new_logs,
    "eth_newBlockFilter": lambda filters, moment, _: filters.add(moment, "blocks"),
    "eth_newPendingTransactionFilter": lambda filters, moment, _: filters.add(moment, "pending"),
    "eth_getFilterChanges": _changes,
    "eth_getFilterLogs": _all_logs,
    "eth_uninstallFilter": lambda filters, _moment, params: filters.remove(params),
}
