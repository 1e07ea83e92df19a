"""A chain whose gateway is a user's process: the small shop of `own_shop.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.chains import Declared, as_yaml

SHOP = Path(__file__).with_name("own_shop.py")
COMMAND = [sys.executable, str(SHOP)]
# How customers pay the small shop in our own JSON.
PAYS = {
    "request": {
        "method": "POST",
        "path": "/pay",
        "json": {
            "payment": "{payment}",
            "amount_minor": "{amount_minor}",
            "currency": "{currency}",
            "instrument": {"number": "{card.number}", "scheme": "{card.scheme}"},
            "merchant": "{merchant}",
        },
    },
    "approved": {"status": "200-299", "where": {"outcome": "approved"}, "amount": "amount_minor"},
    "declined": {"status": "200-299", "where": {"outcome": "declined"}, "code": "code"},
}
PROVIDERS = {"PROVIDERS": "{url:processor-a} {url:authorise/processor-b}"}


def own_shop(
    *,
    service: Declared | None = None,
    env: Mapping[str, str] | None = None,
    shop: Declared | None = None,
    call: Declared | None = None,
    links: Mapping[str, Declared] | None = None,
    **chain: Any,
) -> str:
    """The YAML of shop → processor-a or processor-b → issuer; the shop is an own service.

    `service` takes the place of its command; with `env` or nothing it is the small shop of
    `own_shop.py` with these variables. `shop`, `call`, `links` and further words add to the link,
    its call, the links and the chain.
    """
    onward = {"authorise": {"to": "issuer", "timeout": "1s", "on_unknown": "reverse"}}
    processor = {"role": "processor", "dialect": "paychain", "calls": onward}
    started = {
        "command": COMMAND,
        "env": {**PROVIDERS, **(env or {})},
        "ready": {"http": "/health", "within": "15s"},
    }
    return as_yaml(
        {
            "chain": "own-shop",
            "entry": "shop",
            "deadline": "3s",
            **chain,
            "links": {
                "shop": {
                    "role": "gateway",
                    "dialect": "paychain",  # it takes our JSON
                    "service": started if service is None else service,
                    "calls": {
                        "authorise": call
                        or {"to": "processor-a", "fallback": [{"to": "processor-b"}]}
                    },
                    **(shop or {}),
                },
                "processor-a": processor,
                "processor-b": processor,
                "issuer": {"role": "issuer"},
                **(links or {}),
            },
        }
    )
