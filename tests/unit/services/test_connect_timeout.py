"""A connection that takes too long: nothing was sent, so nothing is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain
from paychain.model.review import review
from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult
from tests.support.virtual_links import VirtualLinks, on_links

CHAIN = """\
chain: connecting
currency: EUR
deadline: 10s
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: psp, timeout: 3s, CONNECT,
      on_unknown: reverse, fallback: [{to: standby}]}}}
  psp: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  standby: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""


@pytest.mark.parametrize(
    ("connect", "result", "ends"),
    # In virtual time a connection takes a few tenths of a millisecond, to either processor.
    [
        ("connect_timeout: 0.001ms", HopResult.REFUSED, HopResult.TECHNICAL),
        ("connect_timeout: 5ms", HopResult.APPROVED, HopResult.APPROVED),
    ],
)
def test_a_connect_time_out_is_not_executed(
    connect: str, result: HopResult, ends: HopResult
) -> None:
    async def scenario(links: VirtualLinks) -> None:
        assert (await links.pay()).result is ends
        await links.drain()

    links, _ = on_links(CHAIN.replace("CONNECT", connect), scenario)
    first = next(hop for hop in links.of(HopRecord) if hop.callee == "psp")
    assert first.result is result
    took_s = (first.ended_ns - first.started_ns) / 1e9
    assert took_s < 0.2  # not the 3 s of the whole call
    # Nothing was sent, so nothing is unknown, and nothing is reversed.
    assert "reversal_sent" not in links.decisions("gateway")
    assert links.broken() == {}
    assert bool(links.book("psp")) == (result is HopResult.APPROVED)


def test_a_connect_time_out_is_shorter_than_the_call(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN.replace("CONNECT", "connect_timeout: 3s"), "utf-8")
    with pytest.raises(FileMistakes, match="the call times out before its connection does"):
        load_chain(str(path))


def test_the_review_counts_the_tries_that_get_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    retry = "connect_timeout: 2s, retry: {attempts: 3, on: [refused], backoff: 1s}"
    path.write_text(CHAIN.replace("CONNECT", retry), "utf-8")
    (finding,) = [
        finding for finding in review(load_chain(str(path))) if finding.kind == "deadline_too_short"
    ]
    # Two routes, each: two connections of 2 s, pauses of 1 s and 2 s, the last try of 3 s: 10 s.
    assert "add up to 20.01 s" in finding.what
