"""What can be switched by hand."""

from __future__ import annotations

import pytest

from paychain.board.switches import SwitchTarget, fault_of, places_of, typed, written
from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from tests.support.chains import checked
from tests.support.own_chains import own_shop

OF_A_STATE = {name for name, kind in KINDS.items() if issubclass(kind, StateFaultKind)}
# What a link of a card chain can have that shares its process with others.
SHARED = set(KINDS) - {"freeze"} - OF_A_STATE
STATES = [
    (chain, link)
    for chain in (load_chain(name).model for name in ("crypto-onramp", "upi-payment"))
    for link in chain.links
]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("card-ecommerce").model


def named(places: list[SwitchTarget], name: str) -> set[str]:
    (place,) = [each for each in places if each.name == name]
    return {toggle.kind for toggle in place.toggles}


def test_every_kind_of_fault_has_a_switch_with_a_meaning(chain: Chain) -> None:
    for kind, parameters in KINDS.items():
        assert parameters.facts.meaning
        for values in parameters.facts.switch:
            if kind in OF_A_STATE:
                own, name = next(found for found in STATES if has(*found, kind))
                assert switch(own, kind, dict(values), name)
            else:
                own = chain if kind in SHARED else alone(chain, "processor-a")
                assert switch(own, kind, dict(values))


def has(chain: Chain, link: str, kind: str) -> bool:
    parameters = KINDS[kind].model_construct()
    return parameters.limitation(link, chain.links[link]) is None


def alone(chain: Chain, link: str) -> Chain:
    """The chain with a link that has a process of its own."""
    changed = chain.links[link].model_copy(update={"isolate": True})
    return chain.model_copy(update={"links": {**chain.links, link: changed}})


def test_every_link_and_provider_has_switches(chain: Chain) -> None:
    places = places_of(chain, "embedded")
    assert [(place.target, place.name) for place in places] == [
        *(("provider", name) for name in chain.providers),
        *(("link", name) for name in chain.links),
    ]
    assert named(places, "processor-a") == SHARED
    assert named(places_of(alone(chain, "issuer"), "embedded"), "issuer") == SHARED | {"freeze"}


def test_an_edge_has_no_switch_for_what_speaks_of_payments(chain: Chain) -> None:
    kinds = named(places_of(chain, "embedded"), "edge")
    assert kinds == SHARED - {"decline", "wrong_answer", "stale_answer", "stuck_pending"}


def test_a_real_toxiproxy_has_no_switch_for_what_only_our_engine_does(chain: Chain) -> None:
    kinds = named(places_of(chain, "toxiproxy"), "processor-a")
    assert kinds == SHARED - {"refuse"}


def test_an_own_service_has_the_switches_of_its_hops_and_of_its_process() -> None:
    chain = checked(own_shop())
    for link, kinds in (("shop", {"crash", "freeze", "latency"}), ("issuer", {"decline"})):
        assert kinds <= named(places_of(chain, "embedded"), link)
    assert not named(places_of(chain, "embedded"), "shop") & {"decline", "lost_answer"}


def test_an_isolated_links_crash_forgets(chain: Chain) -> None:
    places = places_of(alone(chain, "issuer"), "embedded")
    (issuer,) = [place for place in places if place.name == "issuer"]
    (crash,) = [toggle for toggle in issuer.toggles if toggle.kind == "crash"]
    assert crash.values == {"forgets": "true"}


def switch(chain: Chain, kind: str, values: dict[str, str], name: str = "processor-a") -> object:
    return fault_of(
        chain, "embedded", target="link", name=name, kind=kind, values=values, fault_id="x-1"
    ).parameters


def test_a_typed_value_is_what_the_fault_has(chain: Chain) -> None:
    assert switch(chain, "latency", {"delay": " 1.5s ", "jitter": ""}).delay == 1.5  # type: ignore[attr-defined]  # of a latency


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("latency", {"delay": "300"}, "has no unit|is not a duration"),
        ("latency", {}, "delay"),
        ("http_error", {"status": "200"}, "greater than or equal to 400"),
        ("down", {"share": "150%"}, "more than 100%"),
        ("decline", {"code": "zz"}, "unknown response code"),
        ("down", {"speed": "1s"}, "speed"),
        ("bandwidth", {"rate": "1500B/s"}, "whole kB/s"),
        ("nonsense", {}, "unknown fault 'nonsense'"),
        ("down", {"share": "1" * 101}, "longer than"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_sentence(
    chain: Chain, kind: str, values: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        switch(chain, kind, values)


def test_an_unknown_place_is_refused(chain: Chain) -> None:
    with pytest.raises(UserError, match="unknown link 'procesor-a'"):
        switch(chain, "down", {}, "procesor-a")
    with pytest.raises(UserError, match="unknown target 'hop'"):
        fault_of(
            chain, "embedded", target="hop", name="a -> b", kind="down", values={}, fault_id="x"
        )


def test_values_are_typed_as_they_are_written() -> None:
    assert typed(written({"delay": "400ms", "share": "50%"})) == {"delay": "400ms", "share": "50%"}
    assert typed("") == {}
    for text in ("a: {b: c}", "}{", "a: [1"):
        with pytest.raises(UserError):
            typed(text)
