"""What is behind a link: over one operation or any, and a ring that a file may still declare."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.model.links_behind import behind, called_by, callers
from paychain.model.policy import Call
from tests.support.chains import checked, shop


@dataclass
class Declared:
    calls: dict[str, Call] = field(default_factory=dict)
    forwards_to: str | None = None


def calling(**targets: str) -> Declared:
    return Declared({name: Call.model_validate({"to": to}) for name, to in targets.items()})


def test_what_is_behind_a_link_is_what_its_calls_reach() -> None:
    links = {
        "edge": Declared(forwards_to="shop"),
        "shop": calling(authorise="psp", authenticate="acs"),
        "psp": Declared(
            {"authorise": Call.model_validate({"to": "issuer", "fallback": [{"to": "other"}]})}
        ),
        "acs": calling(read="issuer"),
        "issuer": Declared(),
        "other": calling(authorise="issuer"),
    }
    assert behind(links, "edge") == ["shop", "psp", "acs", "issuer", "other"]
    assert behind(links, "edge", "authorise") == []
    assert behind(links, "shop", "authorise") == ["psp", "issuer", "other"]
    assert called_by(links, "edge", "forward") == ["shop"]
    assert behind(links, "issuer") == []


def test_a_ring_ends_and_a_name_that_is_no_links_has_nothing_behind_it() -> None:
    links = {"a": calling(authorise="b"), "b": calling(authorise="a", read="nobody")}
    assert behind(links, "a") == ["b", "a", "nobody"]


def test_callers_are_found_by_operation_in_declared_order() -> None:
    links = {
        "b": calling(authorise="psp"),
        "edge": Declared(forwards_to="b"),
        "a": calling(authorise="psp", capture="other"),
    }
    assert callers(links, "authorise") == {"psp": ["b", "a"]}
    assert callers(links, "forward") == {"b": ["edge"]}
    assert callers(links, "capture") == {"other": ["a"]}


def test_a_changed_copy_of_a_chain_has_hops_and_callers_of_its_own() -> None:
    chain = checked(shop(processors=("a", "b")))
    assert chain.authorised_by["a"] == ["gateway"]
    assert "gateway.authorise.b" in [hop.name for hop in chain.hops()]
    gateway = chain.links["gateway"]
    alone = gateway.calls["authorise"].model_copy(update={"to": "b", "fallback": []})
    changed = gateway.model_copy(update={"calls": {**gateway.calls, "authorise": alone}})
    copied = chain.model_copy(update={"links": {**chain.links, "gateway": changed}})
    assert "a" not in copied.authorised_by
    assert "gateway.authorise.a" not in [hop.name for hop in copied.hops()]
    assert "a" in chain.authorised_by
