"""What gives a call a second target: changes that can be followed as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.advice.standby import second_target
from paychain.model.loading import load_chain
from paychain.model.review import remedy_in, review
from tests.support.remedies import follow

ONE_PATH = """\
chain: shop
deadline: 20s
providers: {cloud: {kind: cloud}}
entry: front
links:
  front: {role: edge, calls: {forward: {to: gateway, timeout: 9s, on_unknown: reverse}}}
  gateway: {role: gateway, calls: {authorise: {to: psp, timeout: 4s, on_unknown: reverse}}}
  psp:
    role: processor
    provider: cloud
    calls: {authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}
  issuer: {role: issuer}
"""
ISSUED = "calls: {authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}"
STANDBY = (
    "  issuer: {",
    f"  gateway-b: {{role: gateway, calls: {{authorise: {{to: psp-b, timeout: 4s}}}}}}\n"
    f"  psp-b: {{role: processor, {ISSUED}}}\n  issuer: {{",
)
BOTH = ("entry: front", "entry: [front, gateway-b]")
GIVES_UP = ("{to: psp, timeout: 4s, on_unknown: reverse}", "{to: psp, timeout: 4s}")
DECLINES = ("4s, on_unknown: reverse}", '4s, on_unknown: reverse, fallback: [{decline: "91"}]}')
AUTHORISE = "links.gateway.calls.authorise"
TWIN = f"set links.psp-2: {{role: processor, {ISSUED}}}"
TO_TWIN = f"add to {AUTHORISE}.fallback: {{to: psp-2}}"


@pytest.mark.parametrize(
    ("edits", "call", "expected"),
    [
        ([], "gateway.authorise", [TWIN, TO_TWIN]),
        ([GIVES_UP], "gateway.authorise", [TWIN, TO_TWIN, f"set {AUTHORISE}.on_unknown: reverse"]),
        ([STANDBY, BOTH], "gateway.authorise", [f"add to {AUTHORISE}.fallback: {{to: psp-b}}"]),
        # What a link does by itself comes last.
        (
            [DECLINES],
            "gateway.authorise",
            [TWIN, f"set {AUTHORISE}.fallback: [{{to: psp-2}}, {{decline: '91'}}]"],
        ),
        # A card has one bank.
        ([], "psp.authorise", []),
    ],
)
def test_a_call_gets_a_second_target(
    tmp_path: Path, edits: list[tuple[str, str]], call: str, expected: list[str]
) -> None:
    file = tmp_path / "shop.yaml"
    text = ONE_PATH
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    chain = load_chain(str(file))
    remedies = [remedy_in(chain, change) for change in second_target(chain, *call.split("."))]
    assert [str(remedy).partition(" ")[2] for remedy in remedies] == expected
    for remedy in remedies:
        follow(remedy, file)
    found = {(each.kind, each.at) for each in review(load_chain(str(file)))}
    assert ("failover_on_unknown", "gateway.authorise") not in found
    assert not expected or ("single_link", "psp") not in found


def test_nodes_have_no_calls_in_the_file_that_could_get_one() -> None:
    chain = load_chain("depin-many-gateway")
    for link in ("node-gateway", "node-1"):
        for operation in chain.model.links[link].calls:
            assert second_target(chain, link, operation) == []
