"""The map of a chain that is wider than the page, calls that failed, and tables of many nodes."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import msgspec

from paychain.analysis.measures.measures import FallbackMeasure
from paychain.report.drawings.chain_map import WIDTH, chain_map
from paychain.report.drawings.condensed import condensed
from paychain.report.result import CallEdge, DeclaredFallback, LinkNode, Result
from paychain.report.text.used_fallbacks import unused_fallbacks, used_fallbacks
from tests.support.report_results import result


def row(length: int, broke_at: int) -> Result:
    """Links in a row, with payments that broke between two of them."""
    names = [f"link-{number}" for number in range(length)]
    known = result()
    hop, broken = known.hops[0], known.breaks[0]
    pairs = list(pairwise(names))
    return result(
        chain=msgspec.structs.replace(
            known.chain,
            entries=names[:1],
            links=[LinkNode(name, "processor", "", "") for name in names],
            edges=[CallEdge(caller, "authorise", callee, 0) for caller, callee in pairs],
        ),
        hops=[
            msgspec.structs.replace(
                hop,
                caller=caller,
                callee=callee,
                failed=30 if number == broke_at else 0,
            )
            for number, (caller, callee) in enumerate(pairs)
        ],
        breaks=[
            msgspec.structs.replace(broken, caller=names[broke_at], callee=names[broke_at + 1])
        ],
        faults=[],
    )


def width(drawing: str) -> float:
    return float(ElementTree.fromstring(drawing).attrib["viewBox"].split()[2])


def test_forty_links_fit_the_page_with_the_place_where_payments_broke() -> None:
    drawing = chain_map(row(40, broke_at=19))
    assert width(drawing) < 2 * WIDTH  # 6,900 px otherwise
    assert "Chain map: 40 links" in drawing
    for name in ("link-0", "link-19", "link-20", "18 links", "18 links (2)", "link-39"):
        assert f">{name}</text>" in drawing, name
    assert "link-7, link-8" in drawing  # in the title of the box that stands for them


def test_what_was_injected_or_shorter_than_three_links_is_not_condensed() -> None:
    names = [link.name for link in condensed(row(6, broke_at=2)).chain.links]
    assert names == ["link-0", "link-1", "link-2", "link-3", "link-4", "link-5"]


def test_links_that_only_pass_a_failure_back_are_one_box() -> None:
    """A fault on link 19: 30 calls failed on every hop before it, and none behind it."""
    known = row(40, broke_at=19)
    failing = [
        msgspec.structs.replace(hop, failed=30 if number < 19 else 0)
        for number, hop in enumerate(known.hops)
    ]
    fault = msgspec.structs.replace(result().faults[0], links=["link-19"])
    passed_back = msgspec.structs.replace(known, hops=failing, breaks=[], faults=[fault])
    names = [link.name for link in condensed(passed_back).chain.links]
    assert names == ["link-0", "18 links", "link-19", "19 links", "link-39"]
    # A link that fails more often than the one behind it did something itself.
    failing[7] = msgspec.structs.replace(failing[7], failed=31)
    names = [link.name for link in condensed(passed_back).chain.links]
    assert names[:4] == ["link-0", "6 links", "link-7", "link-8"]


def test_a_map_that_is_a_little_wider_than_the_page_shrinks() -> None:
    wide = {length: width(drawn(length)) / WIDTH for length in range(3, 12)}
    shrinking = [length for length in wide if 'class="shrinks"' in drawn(length)]
    assert shrinking == [length for length, times in wide.items() if 1 < times <= 1.25]
    assert len(shrinking) > 0


def drawn(length: int) -> str:
    return chain_map(row(length, broke_at=1))


def test_a_chain_that_fits_is_drawn_as_it_is() -> None:
    assert "links</text>" not in chain_map(row(5, broke_at=3))


def test_failed_calls_are_not_drawn_as_normal_flow() -> None:
    drawing = chain_map(row(3, broke_at=1))
    assert "link-1 → link-2: 30 of" in drawing
    assert "30 of " in drawing
    sound = chain_map(_without_failures(row(3, broke_at=1)))
    assert "calls failed" not in sound


def _without_failures(of: Result) -> Result:
    return msgspec.structs.replace(
        of, hops=[msgspec.structs.replace(hop, failed=0) for hop in of.hops]
    )


def many(number: int, *, zones: int) -> Result:
    """A wallet, so many nodes behind it in zones of the same size, and a ledger behind them."""
    known = result()
    nodes = [f"node-{each}" for each in range(1, number + 1)]
    size = number // zones
    links = [LinkNode("wallet", "wallet", "", "")]
    links += [
        LinkNode(name, "node", f"zone-{each // size}", "", providers=[f"zone-{each // size}"])
        for each, name in enumerate(nodes)
    ]
    pairs = [*(("wallet", name) for name in nodes), *((name, "base") for name in nodes)]
    return result(
        chain=msgspec.structs.replace(
            known.chain,
            entries=["wallet"],
            links=[*links, LinkNode("base", "ledger", "", "")],
            edges=[CallEdge(caller, "read", callee, 0) for caller, callee in pairs],
            providers={f"zone-{each}": "cloud" for each in range(zones)},
        ),
        hops=[
            msgspec.structs.replace(
                known.hops[0],
                caller=caller,
                callee=callee,
                operation="read",
                payments=10,
                executions=20,
                failed=3 if callee in nodes[:size] else 0,
                short_circuited=0,
            )
            for caller, callee in pairs
        ],
        breaks=[],
        faults=[msgspec.structs.replace(known.faults[0], id="gone", links=nodes[:size])],
    )


def test_many_nodes_are_a_box_for_each_zone_and_the_one_that_failed_is_coloured() -> None:
    drawing = chain_map(many(20, zones=4))
    _, _, _, height = ElementTree.fromstring(drawing).attrib["viewBox"].split()
    assert float(height) < 500  # 1,600 px otherwise
    assert "Chain map: 22 links, 20 of them in 4 zones" in drawing
    for name in ("node-1 to -5", "node-16 to -20", "15 of 100 failed", "zone-0 · 5"):
        assert f">{name}</text>" in drawing, name
    assert drawing.count("affected by gone") == 1
    assert drawing.count('fill="#fbe9d8"') == 1
    # A few have room for a box each, and what is alone in its zone keeps its name.
    assert ">node-5</text>" in chain_map(many(5, zones=1))
    assert ">node-6</text>" in chain_map(many(6, zones=6))


def test_fallbacks_of_many_nodes_are_a_row_for_each_zone() -> None:
    known = many(20, zones=4)
    calls = [f"node-{number}.read" for number in range(1, 21)]
    retry = FallbackMeasure(
        call="",
        kind="retry",
        to="base",
        activations=3,
        succeeded=1,
        success=0.5,
        payments=2,
        amount_saved=10,
        amount_lost=5,
        added_p50_ms=4.0,
        added_p95_ms=None,
        detection_s=None,
        failover_s=None,
        failback_s=None,
        first_use_s=None,
    )
    one = msgspec.structs.replace(retry, call="wallet.transfer", to="node-7", added_p50_ms=9.0)
    shown = msgspec.structs.replace(
        known,
        chain=msgspec.structs.replace(
            known.chain, fallbacks=[DeclaredFallback(call, "retry", "base") for call in calls]
        ),
        fallbacks=[one, *(msgspec.structs.replace(retry, call=call) for call in calls[:7])],
    )
    rows = used_fallbacks(shown)
    assert [(row.call, row.to, row.activations) for row in rows] == [
        ("wallet.transfer", "node-7", 3),
        ("node-1 to -5.read", "base", 15),
        ("node-6 to -10.read", "base", 6),
    ]
    assert (rows[1].success, rows[1].amount_saved, rows[1].added_p50_ms) == (0.5, 50, 4.0)
    assert [row.call for row in unused_fallbacks(shown)] == [
        "node-11 to -15.read",
        "node-16 to -20.read",
    ]
