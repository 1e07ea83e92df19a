"""Gateways of different companies share no keys, and the review does not advise to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import load_chain
from paychain.model.review import review

CHAIN = """\
chain: biller
providers: {{one: {{kind: {kind}}}, two: {{kind: {kind}}}}}
entry: front
links:
  front: {{role: edge, calls: {{forward: {{to: a, timeout: 4s, fallback: [{{to: b}}]}}}}}}
  a: {{role: gateway, {by}: {first}, outbox: disk, calls: {{authorise: {{to: issuer, on_unknown: reverse}}}}}}
  b: {{role: gateway, {by}: {second}, outbox: disk, calls: {{authorise: {{to: issuer, on_unknown: reverse}}}}}}
  issuer: {{role: issuer}}
"""  # noqa: E501  (a call a line)


@pytest.mark.parametrize(
    ("kind", "by", "first", "second", "remedy"),
    [
        ("processor", "provider", "one", "two", "on_unknown: reverse"),
        ("service", "providers", "[one]", "[two, one]", "on_unknown: reverse"),
        ("processor", "provider", "one", "one", "shares_keys: true"),
        ("cloud", "provider", "one", "two", "shares_keys: true"),
    ],
)
def test_only_gateways_that_may_be_one_company_are_said_to_share_keys(
    tmp_path: Path, kind: str, by: str, first: str, second: str, remedy: str
) -> None:
    path = tmp_path / "biller.yaml"
    path.write_text(CHAIN.format(kind=kind, by=by, first=first, second=second))
    found = [each for each in review(load_chain(str(path))) if each.kind == "failover_on_unknown"]
    assert [str(each.remedy).partition("forward.")[2] for each in found] == [remedy]
