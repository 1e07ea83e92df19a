"""Laws of the review: it never fails, and less of a chain never carries more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.model.chain import Chain
from harness.model.checks import check_chain
from harness.model.loading import Loaded
from harness.model.review import review
from harness.model.review.finding import WHY
from harness.model.review.providers import largest_payment
from harness.model.text import Document
from harness.report.chain_mermaid import chain_mermaid
from harness.report.chain_plan import chain_plan
from harness.report.chain_tree import chain_lines

PROCESSORS = ["a", "b", "c"]
steps = st.lists(
    st.sampled_from(
        [
            {"to": "b"}, {"to": "c"}, {"split": {"b": 1, "c": 2}}, {"stand_in": {"up_to": "20.00"}},
            {"queue": {"up_to": "30.00"}}, {"queue": {}}, {"decline": "91"},
        ]
    ),
    max_size=3,
)  # fmt: skip
calls = st.fixed_dictionaries(
    {"timeout": st.sampled_from(["200ms", "1s", "5s"])},
    optional={
        "retry": st.sampled_from([{}, {"attempts": 5, "on": ["timeout"]},
                                  {"budget": {"share": "10%"}}]),
        "breaker": st.just({}),
        "bulkhead": st.just({"size": 3, "queue": 2, "per": "scheme"}),
        "hedge": st.sampled_from([{"after": "100ms"}, {"after": "100ms", "to": "c"}]),
        "on_unknown": st.sampled_from(["reverse", "query", "resend"]),
        "passes_deadline": st.booleans(),
    },
)  # fmt: skip


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    provider = st.sampled_from([None, "x", "y"])
    links: dict[str, Any] = {
        "gateway": {"role": "gateway", "provider": draw(provider), "calls": {
            "authorise": {"to": "a", **draw(calls), "fallback": draw(steps)}}},
        "issuer": {"role": "issuer", "provider": draw(provider),
                   "idempotency": draw(st.sampled_from(["none", "keyed", "checkout"]))},
    }  # fmt: skip
    if draw(st.booleans()):
        links["edge"] = {"role": "edge", "forwards_to": "gateway"}
    used = str(links["gateway"])
    for name in PROCESSORS:
        if name == "a" or f"'{name}'" in used:
            links[name] = {"role": "processor", "provider": draw(provider), "calls": {
                "authorise": {"to": "issuer", **draw(calls), "hedge": None}}}  # fmt: skip
    chain = Chain.model_validate(
        {
            "chain": "drawn", "entry": "edge" if "edge" in links else "gateway", "links": links,
            "providers": {"x": {"kind": "cloud"}, "y": {"kind": "carrier"}},
        }
    )  # fmt: skip
    assume(not check_chain(chain))
    return chain


@settings(max_examples=150, deadline=None)
@given(chain=chains())
def test_every_chain_can_be_reviewed_and_drawn(chain: Chain) -> None:
    findings = review(Loaded(chain, Path("drawn.yaml"), "", Document()))
    assert {one.kind for one in findings} <= set(WHY)
    assert all(one.what and one.mend for one in findings)
    assert f"review: {len(findings) or 'nothing'}" in "\n".join(chain_lines(chain, findings))
    assert all(name in chain_plan(chain, findings) for name in chain.links)
    assert chain_mermaid(chain, findings).startswith("flowchart")


@settings(max_examples=150, deadline=None)
@given(chain=chains(), data=st.data())
def test_less_of_a_chain_never_carries_more(chain: Chain, data: st.DataObject) -> None:
    gone = data.draw(st.frozensets(st.sampled_from(sorted(chain.links))))
    more = gone | data.draw(st.frozensets(st.sampled_from(sorted(chain.links))))
    assert largest_payment(chain, more) <= largest_payment(chain, gone)
    assert largest_payment(chain, frozenset({chain.entry})) == 0
