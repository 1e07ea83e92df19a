"""The chain and the experiment that most tests need; a test names what matters to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from paychain.declaration.yaml_text import parse
from paychain.model.chain import Chain
from paychain.model.checks import check_chain

Declared = Mapping[str, Any]
AT_ONCE = {"answers_in": {"median": "0s", "p99": "0s"}}  # of every link, where asked for

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def shop(
    *,
    processors: Sequence[str] = ("processor-a", "processor-b"),
    on_unknown: str = "reverse",
    timeout: str = "600ms",
    processor_timeout: str = "300ms",
    deadline: str = "3s",
    authorise: Declared | None = None,
    gateway: Declared | None = None,
    processor: Declared | None = None,
    processor_authorise: Declared | None = None,
    issuer: Declared | None = None,
    links: Mapping[str, Declared] | None = None,
    answers_at_once: bool = False,
    **chain: Any,
) -> str:
    """The YAML of a shop: gateway → processor → issuer.

    The gateway pays over the first processor and fails over to the others in their order. The
    mappings add to what a link or a call declares: `authorise` to the gateway's call,
    `processor_authorise` to the processors'; `links` and further words add to the chain.
    """
    quick = AT_ONCE if answers_at_once else {}
    first, *others = processors
    call: dict[str, Any] = {"to": first, "timeout": timeout, "on_unknown": on_unknown}
    if others:
        call |= {"fallback": [{"to": name} for name in others]}
    onward = {"to": "issuer", "timeout": processor_timeout, **(processor_authorise or {})}
    gateway = dict(gateway or {})
    calls = {"authorise": {**call, **(authorise or {})}, **gateway.pop("calls", {})}
    declared = {
        "chain": "shop",
        "entry": "gateway",
        "deadline": deadline,
        **chain,
        "links": {
            "gateway": {"role": "gateway", **quick, **gateway, "calls": calls},
            **{
                name: {
                    "role": "processor",
                    **quick,
                    **(processor or {}),
                    "calls": {"authorise": onward},
                }
                for name in processors
            },
            "issuer": {"role": "issuer", **quick, **(issuer or {})},
            **(links or {}),
        },
    }
    return as_yaml(declared)


def corner_shop(**changes: Any) -> str:
    """The YAML of a shop with one processor: gateway → processor → issuer."""
    usual = {
        "processors": ("processor",),
        "on_unknown": "give_up",
        "timeout": "1s",
        "processor_timeout": "500ms",
        "deadline": "2s",
    }
    return shop(**{**usual, **changes})


def experiment(
    *faults: str,
    name: str = "quick",
    arrivals: str = "40/s",
    warm_up: str = "500ms",
    before: str = "1500ms",
    after: str = "2s",
    tolerances: str = "{}",
) -> str:
    """The YAML of an experiment of a few seconds; faults and tolerances are YAML themselves."""
    listed = "".join(f"  - {fault}\n" for fault in faults)
    return (
        f"experiment: {name}\n"
        f"load: {{arrivals: {arrivals}, warm_up: {warm_up}, before: {before}, after: {after}}}\n"
        + (f"faults:\n{listed}" if listed else "")
        + f"tolerances: {tolerances}\n"
    )


def as_yaml(declared: Declared) -> str:
    """A declaration as text."""
    return yaml.dump(
        _plain(declared),
        Dumper=_DUMPER,
        sort_keys=False,
        default_flow_style=None,
        width=100,
        allow_unicode=True,
    )


def checked(text: str) -> Chain:
    """The model of a chain; fails on a mistake in it."""
    chain = Chain.model_validate(parse(text).value)
    assert check_chain(chain) == []
    return chain


def _plain(value: Any) -> Any:
    """Copies, so that what is declared twice is not written as an anchor."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
