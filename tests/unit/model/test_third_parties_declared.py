"""Several calls of one operation, third parties and several providers, as a file declares them."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.loading import FileMistakes, load_chain
from paychain.model.named_calls import operation_of
from paychain.model.places import InLinkPlace, affected_links, place_of
from paychain.model.review import review
from paychain.model.review.providers import shared_providers
from paychain.report.drawings.chain_mermaid import chain_mermaid
from paychain.report.drawings.chain_plan import chain_plan
from paychain.report.text.chain_tree import chain_lines
from paychain.runs.declared import chain_facts

PAGE = """\
chain: page
entry: gateway
providers:
  cdn: {kind: edge}
  region: {kind: cloud}
  vendor: {kind: service}
links:
  gateway:
    role: gateway
    calls:
      serve: [{to: captcha, fallback: [{skip: {}}]}, {to: support, aside: true}]
      tokenise: {to: vault, fallback: [{to: vault-direct}]}
      authorise: {to: psp, timeout: 3s}
  captcha: {role: service, provider: cdn}
  support: {role: service}
  vault: {role: vault, providers: [vendor, cdn, region]}
  vault-direct: {role: vault, providers: [vendor, region]}
  psp: {role: processor, calls: {authorise: {to: issuer, timeout: 2s}}}
  issuer: {role: issuer}
"""


@pytest.fixture
def chain() -> Chain:
    return Chain.model_validate(parse(PAGE).value)


def mistakes(tmp_path: Path, old: str, new: str) -> list[str]:
    assert old in PAGE
    path = tmp_path / "page.yaml"
    path.write_text(PAGE.replace(old, new))
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


def test_each_call_of_a_list_has_a_name_and_a_hop_of_its_own(chain: Chain) -> None:
    assert list(chain.links["gateway"].calls) == [
        "serve-captcha",
        "serve-support",
        "tokenise",
        "authorise",
    ]
    names = [hop.name for hop in chain.hops() if hop.caller == "gateway"]
    assert names[:2] == ["gateway.serve-captcha.captcha", "gateway.serve-support.support"]
    assert [operation_of(name) for name in ("serve-captcha", "serve", "screen-a-b", "void")] == [
        "serve",
        "serve",
        "screen",
        "void",
    ]


def test_a_fault_is_on_one_call_of_a_list(chain: Chain) -> None:
    def placed(kind: str) -> Fault:
        target = {"call": "gateway.serve-captcha"}
        return Fault.model_validate({"at": "0s", "for": "1s", "target": target, kind: {}})

    assert place_of(chain, placed("down")).hops == ("gateway.serve-captcha.captcha",)
    assert place_of(chain, placed("lost_answer")).spots == (
        InLinkPlace("captcha", caller="gateway", operation="serve-captcha"),
    )


def test_a_fault_of_a_provider_is_on_every_link_that_names_it_in_whatever_way(
    chain: Chain,
) -> None:
    def of(provider: str) -> Fault:
        target = {"provider": provider}
        return Fault.model_validate({"at": "0s", "for": "1s", "target": target, "down": {}})

    links = {name: affected_links(chain, of(name).target) for name in chain.providers}
    assert links == {
        "cdn": ("captcha", "vault"),
        "region": ("vault", "vault-direct"),
        "vendor": ("vault", "vault-direct"),
    }
    assert place_of(chain, of("cdn")).hops == (
        "gateway.serve-captcha.captcha",
        "gateway.tokenise.vault",
    )


def test_two_routes_share_who_runs_and_who_hosts_them(chain: Chain) -> None:
    (finding,) = shared_providers(chain)
    both = "vault and its fallback vault-direct both need region and vendor"
    assert finding.what == f"gateway.tokenise: {both}"


def test_every_view_of_a_chain_names_all_providers_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text(PAGE)
    loaded = load_chain(str(tmp_path / "page.yaml"))
    findings = review(loaded)
    lines = "\n".join(chain_lines(loaded.model, findings))
    assert "vault (vault, vendor, cdn, region)" in lines
    assert "serve-support → support (service): 10 s, not waited for" in lines
    assert "cdn (edge): captcha, vault" in lines
    assert "vendor, cdn, region" in chain_plan(loaded.model, findings)
    assert 'subgraph p3["vendor, cdn, region"]' in chain_mermaid(loaded.model, findings)
    nodes = {node.name: node for node in chain_facts(loaded).links}
    assert nodes["vault"].depends_on == ("vendor", "cdn", "region")
    assert nodes["captcha"].depends_on == ("cdn",)
    assert nodes["support"].depends_on == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "{to: captcha, fallback",
            "{to: captha, fallback",
            "11:20: unknown link 'captha'; did you mean 'captcha'?",
        ),
        (
            "{to: captcha, fallback: [{skip: {}}]}",
            "{to: captcha, timeout: 3}",
            "11:38: '3' has no unit; write 3s or 3ms",
        ),
        (
            "{to: support, aside: true}",
            "{to: captcha}",
            "11:7: two serve calls go to 'captcha' first; keep one of them",
        ),
        (
            "authorise: {to: psp, timeout: 3s}",
            "authorise: [{to: psp}]",
            "11:7: 'authorise' cannot be a list of calls; give one call and fallback:, or use "
            "serve or screen",
        ),
        (
            "authorise: {to: psp, timeout: 3s}",
            "authorise: {to: psp, timeout: 3s, aside: true}",
            "13:48: a payment waits for authorise; aside is for: serve",
        ),
        (
            "{to: support, aside: true}",
            "{to: support, aside: true, fallback: [{skip: {}}]}",
            "11:99: the call is not waited for: there is nothing to skip; remove it, or aside:",
        ),
        (
            "{to: vault, fallback: [{to: vault-direct}]}",
            "{to: captcha, fallback: [{to: vault}, {to: vault-direct}]}",
            "12:22: 'captcha' has the role service, not vault; tokenise is for the role vault",
        ),
        (
            "{to: vault, fallback: [{to: vault-direct}]}",
            "{to: vault, fallback: [{to: vault-direct}, {default: safe}]}",
            "12:70: default is not a fallback for tokenise; it is for serve",
        ),
        (
            "calls: {authorise: {to: issuer, timeout: 2s}}",
            "calls: {serve: [{to: captcha}], authorise: {to: issuer, timeout: 2s}}",
            "18:42: the role processor never calls 'serve'; declare it on a link with the role "
            "gateway",
        ),
        (
            "providers: [vendor, region]",
            "providers: [vendor, regio]",
            "17:51: unknown provider 'regio'; did you mean 'region'?",
        ),
        (
            "providers: [vendor, region]",
            "providers: [vendor, vendor]",
            "17:51: 'vendor' is named twice; keep one",
        ),
        (
            "providers: [vendor, region]",
            "provider: vendor, providers: [region]",
            "17:41: the link has both provider and providers; name all of them in providers:",
        ),
        (
            "captcha: {role: service, provider: cdn}",
            "captcha: {role: service, provider: cdn, screens: sanctions}",
            "14:52: the role service has no 'screens'; it is for: fraud",
        ),
        (
            "calls: {authorise: {to: issuer, timeout: 2s}}",
            "calls: {authorise: {to: issuer, timeout: 2s}}, webhooks: {to: captcha}",
            "18:88: captcha ignores webhooks; name a gateway, or a service with lookups:",
        ),
        (
            "vault: {role: vault,",
            "vault: {role: vault, lookups: {bucket: 9},",
            "16:33: the role vault has no 'lookups'; it is for: service",
        ),
        (
            "{to: vault, fallback: [{to: vault-direct}]}",
            "{to: vault, fallback: [{to: vault-direct}], trace: {}}",
            "12:68: a repeat of tokenise is recognised by its key; trace is for: authorise",
        ),
        (
            "fallback: [{skip: {}}]",
            "fallback: [{skip: {up_to: 0}}]",
            "11:55: a limit of 0 lets no payment through; write an amount above 0",
        ),
    ],
)
def test_a_mistake_has_its_place_in_the_list(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert expected in mistakes(tmp_path, old, new)


def test_a_finding_and_its_remedy_have_their_place_in_the_list(tmp_path: Path) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(PAGE.replace("{to: captcha, fallback: [{skip: {}}]}", "{to: captcha}"))
    (finding,) = [each for each in review(load_chain(str(path))) if "captcha" in each.at][:1]
    assert finding.place == f"{path}:11:15"
    assert str(finding.remedy) == (
        f"{path}:11: set links.gateway.calls.serve[0].fallback: [{{skip: {{}}}}]"
    )
