"""What shrinking leaves of a pair."""

from __future__ import annotations

from typing import Any

from tests.oracle.pairs import Pair, loaded_chain
from tests.oracle.shrink import shrunk


def test_links_that_several_calls_of_one_kind_ask_are_left_out() -> None:
    serve = [{"to": "captcha", "timeout": "1s"}, {"to": "flags", "fallback": [{"skip": {}}]}]
    links: dict[str, Any] = {
        "gateway": {
            "role": "gateway",
            "calls": {"authorise": {"to": "processor"}, "serve": serve},
        },
        "processor": {"role": "processor", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
        "captcha": {"role": "service"},
        "flags": {"role": "service"},
    }
    steps = [{"at": "0s", "rate": "10/s"}, {"at": "100ms", "rate": "0/s"}]
    experiment = {"experiment": "small", "load": {"arrivals": {"steps": steps}}, "faults": []}
    chain = {"chain": "small", "entry": "gateway", "links": links}

    def has_captcha(pair: Pair) -> bool:
        return "captcha" in loaded_chain(pair.chain).links

    small = shrunk(Pair(chain=chain, experiment=experiment, seed=1), has_captcha)
    assert small.chain["links"] == {
        "gateway": {
            "role": "gateway",
            "calls": {"authorise": {"to": "issuer"}, "serve": [{"to": "captcha"}]},
        },
        "issuer": {"role": "issuer"},
        "captcha": {"role": "service"},
    }
