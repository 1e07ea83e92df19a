"""One value of a YAML file changes, and nothing else of it moves."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from paychain.declaration.yaml_text import parse
from paychain.payments.errors import UserError
from paychain.placement.rewriting import Rewriting

NEW = {"url": "http://127.0.0.1:8200", "ports": {"stripe": 9100}}
BLOCK = """\
chain: shop  # ours
hosts:
  m1:
    address: 10.0.0.5
    # by hand
links:
  shop:
    service:
      command: [npm, start]
      env: {A: "1"}
      # a comment of the service
    role: gateway
  issuer: {role: issuer}  # the last
# the end
"""


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        BLOCK.replace("# the end\n", "").rstrip("\n"),
        BLOCK.replace("# the end", "..."),
        "{chain: shop, hosts: {}, links: {shop: {service: {command: a}, role: gateway}}}",
        "{chain: shop, hosts: {}, links: {shop: {service: {command: a}, role: gateway}},}\n",
        "x-a: &a {command: a}\nchain: s\nhosts: {}\nlinks: {shop: {service: *a, role: gateway}}\n",
        "x-a: &a [1]\nchain: s\nhosts: {}\nlinks:\n  shop:\n    role: gateway\n    service:\n"
        "      env: 1\n      command: *a\n",
        "chain: s\nhosts: {}\nlinks:\n  shop:\n    role: gateway\n    service: &b\n"
        "      command: |\n        npm\n        start\n  other: {service: *b}\n",
    ],
)
def test_what_is_set_and_added_is_there_and_all_else_as_before(text: str) -> None:
    before: dict[str, Any] = yaml.safe_load(text)
    rewriting = Rewriting(text)
    rewriting.set(("links", "shop", "service"), NEW)
    rewriting.put("hosts", {"m2": {"address": "b"}})
    rewriting.put("allow", ["10.0.0.0/8"])
    after = yaml.safe_load(rewriting.text())
    assert after["links"]["shop"]["service"] == NEW
    assert after["hosts"] == {"m2": {"address": "b"}}
    assert after["allow"] == ["10.0.0.0/8"]
    before["links"]["shop"].pop("service")
    after["links"]["shop"].pop("service")
    others = {key: after[key] for key in before if key != "hosts"}
    before.pop("hosts")
    # An alias of the service follows it.
    if "other" in before["links"]:
        assert others["links"].pop("other") == {"service": NEW}
        before["links"].pop("other")
    assert others == before


def test_every_key_stays_on_its_line() -> None:
    rewriting = Rewriting(BLOCK)
    rewriting.set(("links", "shop", "service"), NEW)
    rewriting.put("hosts", {})
    rewriting.put("allow", [])
    new, old = parse(rewriting.text()), parse(BLOCK)
    for path in [("links", "shop", "role"), ("links", "issuer", "role"), ("links",)]:
        assert new.place(path) == old.place(path)
    assert "# ours" in rewriting.text()
    assert "# by hand" in rewriting.text()


def test_a_merged_value_is_in_no_one_place() -> None:
    text = "x-b: &b {service: {command: a}}\nlinks: {shop: {<<: *b, role: gateway}}\n"
    with pytest.raises(UserError, match=r"links\.shop\.service is merged") as caught:
        Rewriting(text).set(("links", "shop", "service"), NEW)
    assert caught.value.hint == "write service: where it is used"
