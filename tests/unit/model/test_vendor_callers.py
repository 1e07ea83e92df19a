"""A provider's API is called by own services alone; anything else is a mistake with its place."""

from __future__ import annotations

import pytest

from paychain.model.chain import Chain
from paychain.model.checks import check_chain


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("shop", "shop is a mock, and mocks do not speak stripe"),
        ("psp", "customers do not speak stripe: it is the API of a payment provider"),
    ],
)
def test_nobody_but_an_own_service_calls_a_providers_api(entry: str, what: str) -> None:
    links = {
        "psp": {"role": "processor", "dialect": "stripe", "calls": {"authorise": {"to": "bank"}}},
        "bank": {"role": "issuer"},
    }
    if entry == "shop":
        links["shop"] = {"role": "gateway", "calls": {"authorise": {"to": "psp"}}}
    chain = Chain.model_validate({"chain": "wrong", "entry": entry, "links": links})
    found = [each for each in check_chain(chain) if each.path[-1] == "dialect"]
    assert [each.what for each in found] == [what]


@pytest.mark.parametrize("receiver", ["directory", "till"])
def test_nobody_but_an_own_service_gets_a_providers_webhooks(receiver: str) -> None:
    links = {
        "shop": {
            "role": "gateway",
            "service": {"command": "./shop", "ready": {"http": "/health"}},
            "calls": {"authorise": {"to": "psp"}, "serve": {"to": "directory"}},
        },
        "psp": {
            "role": "processor",
            "dialect": "stripe",
            "webhooks": {"to": receiver},
            "calls": {"authorise": {"to": "bank"}},
        },
        "till": {"role": "gateway", "calls": {"authorise": {"to": "bank"}}},
        "directory": {"role": "service", "lookups": {"bucket": 10}},
        "bank": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "wrong", "entry": "shop", "links": links})
    found = [each for each in check_chain(chain) if each.path[:3] == ("links", "psp", "webhooks")]
    what = f"{receiver} is a mock, and mocks do not read webhooks of stripe"
    assert [each.what for each in found] == [what]
