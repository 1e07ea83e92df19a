"""The review of a chain with own services: it reasons from what they claim, and only from that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.model.review import ReviewFinding, review
from tests.support.chains import experiment
from tests.support.own_chains import own_shop

STRUCTURE = {"single_link", "single_provider", "shared_provider"}


def found(folder: Path, text: str, declared: str | None = None) -> list[ReviewFinding]:
    (folder / "shop.yaml").write_text(text)
    chain = load_chain(str(folder / "shop.yaml"))
    loaded: Loaded[Any] | None = None
    if declared is not None:
        (folder / "x.yaml").write_text(declared)
        loaded = load_experiment(str(folder / "x.yaml"), chain.model)
    return [finding for finding in review(chain, loaded) if finding.kind not in STRUCTURE]


def claiming(**claims: Any) -> str:
    call = {"to": "processor-a", "fallback": [{"to": "processor-b"}]}
    return own_shop(call={**call, "claims": claims} if claims else call)


def test_nothing_is_found_in_a_service_that_claims_nothing(tmp_path: Path) -> None:
    declared = experiment("{at: 0s, for: 90s, target: {link: processor-a}, down: {}}")
    assert found(tmp_path, claiming(), declared) == []
    assert found(tmp_path, claiming(timeout="1200ms", on_unknown="reverse"), declared) == []


def test_a_claim_that_loses_money_is_found_in_its_place(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, claiming(timeout="1200ms", on_unknown="give_up"))
    assert finding.kind == "failover_on_unknown"
    assert finding.remedy is not None
    assert finding.remedy.key == "links.shop.calls.authorise.claims.on_unknown"
    assert finding.hint.startswith("change its code, and then its claim: ")
    assert ": change the service's code, then set links.shop.calls." in str(finding.remedy)
    line, column = map(int, finding.place.split(":")[-2:])
    text = (tmp_path / "shop.yaml").read_text().splitlines()
    assert text[line - 1][column - 1 :].startswith("on_unknown")


def test_a_query_is_not_claimed_where_the_provider_has_none(tmp_path: Path) -> None:
    claims = {"timeout": "1200ms", "on_unknown": "query"}
    call = {"to": "processor-a", "claims": claims}
    onward = {"authorise": {"to": "issuer", "timeout": "1s", "on_unknown": "reverse"}}

    def queries(dialect: str) -> list[str]:
        links = {"processor-a": {"role": "processor", "dialect": dialect, "calls": onward}}
        text = yaml.safe_load(own_shop(call=call, links=links, env={"PROVIDERS": ""}))
        del text["links"]["processor-b"]
        text["links"]["shop"]["service"]["env"] = {"PROVIDERS": "{url:processor-a}"}
        return [
            each.remedy.key
            for each in found(tmp_path, yaml.safe_dump(text, sort_keys=False))
            if each.kind == "query_not_offered" and each.remedy is not None
        ]

    assert queries("stripe") == []
    assert queries("adyen") == ["links.shop.calls.authorise.claims.on_unknown"]


def test_the_remedy_of_a_claim_can_be_followed(tmp_path: Path) -> None:
    text = claiming(timeout="500ms", retry={"attempts": 4, "on": ["timeout"]})
    kinds = {finding.kind for finding in found(tmp_path, text)}
    assert kinds == {"timeout_inversion", "amplified_retries", "deadline_too_short"}
    for finding in found(tmp_path, text):
        assert finding.remedy is not None
        chain = yaml.safe_load(text)
        place: Any = chain
        *keys, last = finding.remedy.key.split(".")
        for key in keys:
            place = place[key]
        place[last] = yaml.safe_load(finding.remedy.value)
        changed = yaml.safe_dump(chain, sort_keys=False)
        assert finding.kind not in {other.kind for other in found(tmp_path, changed)}


def test_a_breaker_that_is_claimed_has_to_be_able_to_open(tmp_path: Path) -> None:
    text = claiming(breaker={"minimum_calls": 1_000, "window": "1s"})
    (finding,) = found(tmp_path, text, experiment(arrivals="10/s"))
    assert finding.kind == "breaker_cannot_open"
    assert finding.remedy is not None
    assert finding.remedy.key == "links.shop.calls.authorise.claims.breaker.minimum_calls"


def test_the_mocks_around_a_service_are_reviewed_as_ever(tmp_path: Path) -> None:
    """What the customers do is there to try the service, and is nobody's mistake."""
    processor = {
        "role": "processor",
        "idempotency": "none",
        "calls": {"authorise": {"to": "issuer", "timeout": "1s"}},
    }
    text = own_shop(
        links={"processor-a": processor},
        call={"to": "processor-a", "claims": {"retry": {"attempts": 2, "on": ["timeout"]}}},
    )
    text = yaml.safe_dump(
        {**yaml.safe_load(text), "customer": {"retry": {"after": "1s", "key": "new"}}}
    )
    chain = yaml.safe_load(text)
    del chain["links"]["processor-b"]
    chain["links"]["shop"]["service"]["env"] = {"PROVIDERS": "{url:processor-a}"}
    kinds = {(finding.kind, finding.at) for finding in found(tmp_path, yaml.safe_dump(chain))}
    assert kinds == {
        ("retry_without_key", "shop.authorise"),
        ("no_idempotency", "processor-a"),
    }
