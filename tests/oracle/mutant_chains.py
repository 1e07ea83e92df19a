"""The short chains on which mutants live, each with what its mutants need and nothing else."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from paychain.declaration.yaml_text import parse
from paychain.environment.simulated_run import SimulatedRun, simulate_run
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from tests.support.chains import as_yaml, checked, experiment

LOAD_LASTS, EACH = "300ms", 3  # 6 payments at 20/s, and every third is a mutant's
_QUICK = {"answers_in": {"median": "1ms", "p99": "2ms"}}
_CAPTURES = {"captures": {"after": "100ms"}}
_REFUNDS = {**_CAPTURES, "refunds": {"share": "100%", "after": "100ms", "of": "100%"}}


def _chain(
    gateway: dict[str, Any] | None = None,
    *,
    calls: dict[str, Any] | None = None,
    issuer: dict[str, Any] | None = None,
    processor: dict[str, Any] | None = None,
    scheme: dict[str, Any] | None = None,
    scheme_call: dict[str, Any] | None = None,
    authorise: dict[str, Any] | None = None,
    others: dict[str, Any] | None = None,
    entry: str = "gateway",
) -> str:
    onward = {"to": "scheme", "timeout": "800ms"}
    return as_yaml(
        {
            "chain": "mutants",
            "deadline": "4s",
            "entry": entry,
            "links": {
                "gateway": {
                    "role": "gateway",
                    **_QUICK,
                    **(gateway or {}),
                    "calls": {
                        **(calls or {}),
                        "authorise": {
                            "to": "processor",
                            "timeout": "1s",
                            "on_unknown": "reverse",
                            **(authorise or {}),
                        },
                    },
                },
                "processor": {
                    "role": "processor",
                    **_QUICK,
                    **(processor or {}),
                    "calls": {"authorise": onward},
                },
                "scheme": {
                    "role": "scheme",
                    **_QUICK,
                    **(scheme or {}),
                    "calls": {
                        "authorise": {"to": "issuer", "timeout": "600ms", **(scheme_call or {})}
                    },
                },
                "issuer": {"role": "issuer", **_QUICK, **(issuer or {})},
                **(others or {}),
            },
        }
    )


_WEBHOOKS = {"webhooks": {"to": "gateway", "delay": _QUICK["answers_in"]}}
_EDGE = {"edge": {"role": "edge", **_QUICK, "forwards_to": "gateway"}}
_LIMIT = {"up_to": "10.00"}
CHAINS: dict[str, str] = {
    "shop": _chain(_REFUNDS),
    "plain": _chain(),
    "captures": _chain(_CAPTURES),
    "rest": _chain({"captures": {"after": "100ms", "of": "50%"}}),
    "cancels": _chain({"cancels": {"share": "100%", "after": "100ms"}}),
    "expires": _chain(
        {"expires_after": "30ms"},
        processor={"expires_after": "30ms"},
        scheme={"expires_after": "30ms"},
        issuer={"expires_after": "30ms"},
    ),
    "webhooks": _chain(_CAPTURES, processor=_WEBHOOKS),
    "disputes": _chain(
        _CAPTURES,
        processor=_WEBHOOKS,
        issuer={"disputes": {"share": "100%", "after": "100ms"}},
    ),
    "partial": _chain(
        {"accepts_partial": True}, issuer={"partial_approvals": {"share": "100%", "of": "50%"}}
    ),
    "stand-in": _chain(
        scheme_call={"fallback": [{"stand_in": {"up_to": "9999.00"}}]},
    ),
    "screened": _chain(
        calls={"screen": {"to": "fraud", "timeout": "1s", "fallback": [{"skip": _LIMIT}]}},
        others={"fraud": {"role": "fraud", **_QUICK}},
    ),
    "authenticated": _chain(
        calls={"authenticate": {"to": "acs", "timeout": "1s", "fallback": [{"exempt": _LIMIT}]}},
        others={"acs": {"role": "authentication", **_QUICK}},
    ),
    "queue": _chain(authorise={"fallback": [{"queue": {**_LIMIT, "pause": "100ms"}}]}),
    "stores": _chain(authorise={"fallback": [{"queue": {"pause": "100ms"}}]}),
    "queries": _chain(
        authorise={"on_unknown": "query", "query": {"attempts": 2, "pause": "100ms"}}
    ),
    "on-webhook": _chain({"captures": {"after": "100ms", "on": "webhook"}}, processor=_WEBHOOKS),
    "limited": _chain(scheme_call={"fallback": [{"stand_in": _LIMIT}]}),
    "declines": _chain(issuer={"declines": {"share": "100%"}}),
    "edge": _chain(entry="edge", others=_EDGE),
    "edge-declines": _chain(entry="edge", others=_EDGE, issuer={"declines": {"share": "100%"}}),
}


@lru_cache
def models(name: str) -> tuple[Chain, Experiment]:
    """A chain by name with its load: no fault, every amount above 10.00 EUR."""
    text = experiment(arrivals="20/s", warm_up="0s", before=LOAD_LASTS, after="0s")
    declared = parse(text).value
    declared["load"]["amounts"] = {"median": "40", "least": "12", "most": "900"}
    return checked(CHAINS[name]), Experiment.model_validate(declared)


def play_chain(name: str, seed: int = 1) -> tuple[Chain, SimulatedRun]:
    """Play a chain with whatever is planted in it now."""
    chain, calm = models(name)
    return chain, simulate_run(chain, calm, seed)


def is_affected(payment: str) -> bool:
    """Every third payment is a mutant's; an id is `p` and a number."""
    return int(payment[1:]) % EACH == 1
