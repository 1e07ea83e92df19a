"""What can be switched by hand."""

from __future__ import annotations

import pytest

from harness.board.switches import DEFAULTS, MEANINGS, Place, fault_of, places_of, typed, written
from harness.model.chain import Chain
from harness.model.fault import HOP_KINDS, LINK_KINDS
from harness.model.loading import load_chain
from harness.payments.errors import UserError


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("card-ecommerce").model


def named(places: list[Place], name: str) -> set[str]:
    (place,) = [one for one in places if one.name == name]
    return {one.kind for one in place.toggles}


def test_every_kind_of_fault_has_a_switch_with_a_meaning() -> None:
    assert set(DEFAULTS) == set(MEANINGS) == {*HOP_KINDS, *LINK_KINDS}


def test_every_link_and_provider_has_switches(chain: Chain) -> None:
    places = places_of(chain, "embedded")
    assert [(one.target, one.name) for one in places] == [
        *(("provider", name) for name in chain.providers), *(("link", name) for name in chain.links)
    ]  # fmt: skip
    assert named(places, "processor-a") == set(DEFAULTS)


def test_an_edge_has_no_switch_for_what_speaks_of_payments(chain: Chain) -> None:
    kinds = named(places_of(chain, "embedded"), "edge")
    assert set(DEFAULTS) - kinds == {"decline", "wrong_answer", "stale_answer", "stuck_pending"}


def test_a_real_toxiproxy_has_no_switch_for_what_only_our_engine_does(chain: Chain) -> None:
    kinds = named(places_of(chain, "toxiproxy"), "processor-a")
    assert set(DEFAULTS) - kinds == {"refuse"}


def test_an_isolated_links_crash_forgets(chain: Chain) -> None:
    links = dict(chain.links)
    links["issuer"] = links["issuer"].model_copy(update={"isolate": True})
    places = places_of(chain.model_copy(update={"links": links}), "embedded")
    (issuer,) = [one for one in places if one.name == "issuer"]
    (crash,) = [one for one in issuer.toggles if one.kind == "crash"]
    assert crash.values == {"forgets": "true"}


def switch(chain: Chain, kind: str, values: dict[str, str], name: str = "processor-a") -> object:
    return fault_of(
        chain, "embedded", target="link", name=name, kind=kind, values=values, fault_id="x-1"
    ).parameters


def test_a_typed_value_is_what_the_fault_has(chain: Chain) -> None:
    assert switch(chain, "latency", {"delay": " 1.5s ", "jitter": ""}).delay == 1.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("latency", {"delay": "300"}, "has no unit|is not a duration"),
        ("latency", {}, "delay"),
        ("http_error", {"status": "200"}, "greater than or equal to 400"),
        ("down", {"share": "150%"}, "more than 100%"),
        ("decline", {"code": "zz"}, "unknown response code"),
        ("down", {"speed": "1s"}, "speed"),
        ("bandwidth", {"rate": "1500B/s"}, "whole kB/s"),
        ("nonsense", {}, "no fault 'nonsense'"),
        ("down", {"share": "1" * 101}, "longer than"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_sentence(
    chain: Chain, kind: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        switch(chain, kind, values)


def test_an_unknown_place_is_refused(chain: Chain) -> None:
    with pytest.raises(UserError, match="unknown link 'procesor-a'"):
        switch(chain, "down", {}, "procesor-a")
    with pytest.raises(UserError, match="link or a provider"):
        fault_of(chain, "embedded", target="hop", name="a -> b", kind="down", values={},
                 fault_id="x")  # fmt: skip


def test_values_are_typed_as_they_are_written() -> None:
    assert typed(written({"delay": "400ms", "share": "50%"})) == {"delay": "400ms", "share": "50%"}
    assert typed("") == {}
    for text in ("a: {b: c}", "}{", "a: [1"):
        with pytest.raises(UserError):
            typed(text)
