"""What is behind a link: over one operation or any, and a ring that a file may still declare."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.model.links_behind import behind, called_by
from paychain.model.policy import Call


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
