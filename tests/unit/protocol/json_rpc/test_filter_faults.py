"""A node's filters under faults: what was worked on stays done, although nobody hears of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from paychain.protocol.dialects.json_rpc.filters import FILTERS
from paychain.wire.http import WireError
from tests.support.rpc_links import Asker, on_nodes

pytest.importorskip("rlp", reason="the extra rpc is not installed")
LATER_S = 10.0  # after the wait for an answer that is lost
FAULTS: dict[str, dict[str, Any]] = {
    "before": {"kind": "http_error", "status": 503},
    "after": {"kind": "http_error", "status": 500, "after_work": True},
    "lost": {"kind": "lost_answer"},
}


def left_by(method: str, fault: str = "") -> list[Any]:
    """What a filter of blocks has to say after a method was asked for, and the next filter's id."""
    seen: list[Any] = []

    async def scenario(nodes: Asker) -> None:
        blocks = await nodes.result("eth_newBlockFilter")
        logs = await nodes.result("eth_newFilter", {})
        of_one = {"eth_getFilterChanges": blocks, "eth_uninstallFilter": blocks}
        of_one["eth_getFilterLogs"] = logs
        await asyncio.sleep(2)
        fields = dict(FAULTS.get(fault, {}))
        if fields:
            nodes.inject(**fields)
        if fault != "unasked":
            with suppress(WireError, msgspec.DecodeError):
                params = [of_one[method]] if method in of_one else [{}]
                await nodes.ask(method, *params)
        if fields:
            nodes.heal(fields["kind"])
        await asyncio.sleep(LATER_S - asyncio.get_running_loop().time())
        answer = await nodes.ask("eth_getFilterChanges", blocks)
        seen.append(answer.get("error", answer.get("result")))
        seen.append(await nodes.result("eth_newBlockFilter"))

    on_nodes(scenario)
    return seen


@pytest.mark.parametrize("method", sorted(FILTERS))
def test_a_filter_is_worked_on_unless_the_error_comes_before(method: str) -> None:
    good, unasked = left_by(method), left_by(method, "unasked")
    assert (good == unasked) is (method == "eth_getFilterLogs")
    assert left_by(method, "before") == unasked
    assert left_by(method, "after") == left_by(method, "lost") == good
