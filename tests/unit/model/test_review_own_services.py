"""The review of a chain with own services: it reasons from what they claim, and only from that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.model.review import ReviewFinding, review
from tests.support.chains import experiment
from tests.support.own_chains import own_shop
from tests.support.paths import ROOT

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
        "dialect": "paychain",
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


# -- payment providers -----------------------------------------------------------------------------
def with_provider(*, processor: str = "", call: str = "to: scheme", scheme: str = "") -> str:
    """An own service that pays at two mocks of providers, which have a scheme and an issuer."""
    return f"""
chain: shop
entry: shop
deadline: 20s
links:
  shop:
    role: gateway
    service: {{command: shop}}
    pays: {{request: {{path: /orders, json: {{order: "{{order}}"}}}}, approved: {{status: 200}},
      declined: {{status: 402}}}}
    calls:
      authorise:
        to: stripe
        fallback: [{{to: adyen}}]
        claims: {{timeout: 2s, on_unknown: reverse}}
  stripe: {{role: processor, dialect: stripe{processor}, calls: {{authorise: {{{call}}}}}}}
  adyen: {{role: processor, dialect: adyen, calls: {{authorise: {{to: scheme}}}}}}
  scheme: {{role: scheme{scheme}, calls: {{authorise: {{to: issuer}}}}}}
  issuer: {{role: issuer}}
"""


def kinds_at(folder: Path, text: str) -> set[tuple[str, str]]:
    return {(finding.kind, finding.at) for finding in found(folder, text)}


def test_nothing_is_found_in_how_a_providers_mock_works_by_default(tmp_path: Path) -> None:
    """Outboxes, timeouts and policies inside a provider: no user could change them."""
    assert kinds_at(tmp_path, with_provider()) == set()


def test_what_is_declared_of_a_provider_is_reviewed(tmp_path: Path) -> None:
    assert kinds_at(tmp_path, with_provider(processor=", outbox: memory")) == {
        ("memory_outbox", "stripe")
    }
    assert kinds_at(tmp_path, with_provider(scheme=", outbox: memory")) == {
        ("memory_outbox", "scheme")
    }
    # The service waits for 2 s, and this provider is said to work for longer.
    slow = with_provider(call="to: scheme, timeout: 8s")
    assert kinds_at(tmp_path, slow) == {("timeout_inversion", "shop.authorise")}
    brief = with_provider(call="to: scheme, timeout: 1s, reversal: {give_up_after: 5s}")
    assert kinds_at(tmp_path, brief) == {("reversal_given_up_early", "stripe.authorise")}


def test_what_a_mock_of_the_user_calls_too_is_no_providers(tmp_path: Path) -> None:
    text = with_provider().replace("entry: shop", "entry: [shop, other]")
    other = (
        "  other: {role: gateway, outbox: disk, calls: {authorise: {to: scheme, timeout: 11s}}}\n"
    )
    kinds = kinds_at(tmp_path, text.replace("  issuer:", f"{other}  issuer:"))
    assert ("memory_outbox", "scheme") in kinds
    assert ("memory_outbox", "stripe") not in kinds


def test_a_mock_whose_dialect_nobody_declared_is_found_until_it_is_declared(
    tmp_path: Path,
) -> None:
    def without(dialect: str) -> set[tuple[str, str]]:
        return kinds_at(tmp_path, with_provider().replace(", dialect: stripe", dialect))

    assert ("dialect_not_declared", "stripe") in without("")
    for declared in (", dialect: paychain", ", dialect: adyen"):
        assert not any(kind == "dialect_not_declared" for kind, _ in without(declared))


def test_nothing_is_found_in_what_a_provider_sends_to_a_service(tmp_path: Path) -> None:
    """A mock learns only from webhooks what happens later; what a service asks, its code says."""
    example = ROOT / "examples" / "shop-python" / "chain-sound.yaml"
    declared = yaml.safe_load(example.read_text())
    assert declared["links"]["stripe"]["webhooks"]["give_up_after"] == "6s"
    assert found(tmp_path, yaml.safe_dump(declared)) == []
    declared["links"]["shop"] = {"role": "gateway", "calls": {"authorise": {"to": "stripe"}}}
    declared["links"] = {name: declared["links"][name] for name in ("shop", "stripe", "issuer")}
    stripe = {"role": "processor", "calls": {"authorise": {"to": "issuer"}}}
    declared["links"]["stripe"] = stripe | {"webhooks": {"to": "shop", "give_up_after": "6s"}}
    del declared["providers"]
    kinds = [finding.kind for finding in found(tmp_path, yaml.safe_dump(declared))]
    assert "webhook_given_up_early" in kinds
