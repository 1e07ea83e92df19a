"""A fault that the engine cannot do is refused with its place, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.engine.ability import Kind, refuse_mixed, refuse_unsupported
from paychain.faults.kind import HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec
from paychain.model.experiment import Experiment
from paychain.model.loading import FileMistakes, Loaded, load_chain, load_experiment
from paychain.payments.journal import EngineEvent

HEAD = "experiment: one\nload: {arrivals: 1/s, before: 1s, after: 1s}\nfaults:\n"


def loaded(folder: Path, *kinds: str) -> Loaded[Experiment]:
    lines = [f"  - {{at: 0s, for: 1s, target: {{link: issuer}}, {kind}}}\n" for kind in kinds]
    path = folder / "one.yaml"
    path.write_text(HEAD + "".join(lines) + "tolerances: {}\n")
    return load_experiment(str(path))


def mistakes(folder: Path, engine: Kind, *kinds: str) -> list[str]:
    """What is refused, as `line:column: what; hint`."""
    try:
        refuse_unsupported(loaded(folder, *kinds), engine)
    except FileMistakes as error:
        return [line.removeprefix(f"{folder / 'one.yaml'}:") for line in error.lines]
    return []


EVERY_KIND = [
    "down: {}",
    "down: {share: 30%}",
    "refuse: {}",
    "refuse: {share: 30%}",
    "blackhole: {}",
    "blackhole: {connections: new}",
    "latency: {delay: 10ms, jitter: 5ms}",
    "bandwidth: {rate: 5kB/s}",
    "bandwidth: {rate: 0B/s}",
    "slow_close: {delay: 1s}",
    "reset: {after: 5s}",
    "slice: {size: 10B, delay: 50us}",
    "cut_after: {after: 10B}",
    "http_error: {}",
    "decline: {}",
    "slow_answer: {delay: 1s}",
    "lost_answer: {}",
]


def test_the_embedded_engine_does_every_kind(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "embedded", *EVERY_KIND) == []


@pytest.mark.parametrize(
    ("shape", "column"),
    [
        ("flapping: {period: 1s, fault: {refuse: {}}}", 78),
        ("ramp: {steps: 2, fault: {refuse: {}}}", 72),
        ("relapse: {on: 1ms, healthy: 1ms, fault: {refuse: {}}}", 88),
        ("cache_expiry: {ttl: 1s, fault: {refuse: {}}}", 79),
    ],
)
def test_a_kind_inside_a_shape_is_named_where_it_stands(
    tmp_path: Path, shape: str, column: int
) -> None:
    (line,) = mistakes(tmp_path, "toxiproxy", shape)
    assert line.startswith(f"4:{column}: Toxiproxy does not support 'refuse'; ")
    assert 47 + shape.index("refuse") == column  # 46 characters stand before the shape


def test_a_real_server_is_not_asked_for_what_only_ours_can_do(tmp_path: Path) -> None:
    assert (
        mistakes(tmp_path, "toxiproxy", *EVERY_KIND)
        == [
            # the n-th fault is in line n + 3, and 46 characters stand before its kind
            "6:47: Toxiproxy does not support 'refuse'; "
            "use the embedded engine (--toxiproxy embedded)",
            "7:47: Toxiproxy does not support 'refuse'; "
            "use the embedded engine (--toxiproxy embedded)",
            "9:47: Toxiproxy does not support 'blackhole' of new connections only; "
            "use the embedded engine (--toxiproxy embedded)",
            "14:47: Toxiproxy is blocked while a reset waits 5 s; "
            "write at most 1s, or use the embedded engine (--toxiproxy embedded)",
            "4 mistakes; nothing was run",
        ][:4]
    )


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("latency: {delay: 300us}", "4:47: latency: delay is counted in whole milliseconds"),
        ("latency: {delay: 1ms, jitter: 1.5ms}", "jitter is counted in whole milliseconds"),
        ("bandwidth: {rate: 1500B/s}", "bandwidth: rate is counted in whole kB/s; write a whole"),
        ("slice: {size: 0B}", "4:61: size: '0B' is out of range; write more than 0B"),
        ("slice: {size: 1B, delay: 0.5us}", "delay is counted in whole microseconds"),
        # 31 more characters before the kind inside
        ("flapping: {period: 1s, fault: {slow_close: {delay: 1us}}}", "4:78: slow_close: delay"),
    ],
)
@pytest.mark.parametrize("engine", ["embedded", "toxiproxy"])
def test_a_quantity_is_refused_rather_than_rounded(
    tmp_path: Path, engine: Kind, kind: str, what: str
) -> None:
    (line,) = mistakes(tmp_path, engine, kind)
    assert what in line


def toxics(folder: Path, kind: str) -> list[ToxicSpec]:
    parameters = loaded(folder, kind).model.faults[0].parameters
    assert isinstance(parameters, HopFaultKind)
    return parameters.toxics()


def test_a_share_of_down_is_a_reset_before_anything_gets_through(tmp_path: Path) -> None:
    assert toxics(tmp_path, "down: {}") == []
    assert toxics(tmp_path, "down: {share: 30%}") == [
        ToxicSpec("reset_peer", "upstream", {"timeout": 0})
    ]


def test_a_share_is_drawn_once_for_a_connection(tmp_path: Path) -> None:
    """Two toxics with a toxicity of 0.5 each would affect 75 % of the connections."""
    assert [toxic.stream for toxic in toxics(tmp_path, "blackhole: {}")] == [
        "upstream",
        "downstream",
    ]
    assert [toxic.stream for toxic in toxics(tmp_path, "blackhole: {share: 50%}")] == ["upstream"]


def test_a_stall_is_a_rate_of_nothing(tmp_path: Path) -> None:
    assert toxics(tmp_path, "bandwidth: {rate: 0B/s}")[0].attributes == {"rate": 0}


def test_a_toxic_is_named_so_that_its_fault_is_found_again() -> None:
    name = ToxicSpec("latency", "downstream", {}).name("edge_tail")
    assert (
        EngineEvent(
            seq=1, at_ns=0, kind="toxic_hit", proxy="a", connection=1, toxic=name, detail=""
        ).fault
        == "edge_tail"
    )
    assert (
        EngineEvent(
            seq=1, at_ns=0, kind="closed", proxy="a", connection=1, toxic=None, detail=""
        ).fault
        == ""
    )


@pytest.mark.parametrize("name", ["a/b", "a b", "ü", "-a", "a?b"])
def test_a_fault_id_that_no_url_holds_is_a_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileMistakes):
        loaded(tmp_path, f"id: '{name}', down: {{}}")


CHAIN = """\
chain: shop
entry: issuer
hosts:
  m1: {address: 127.0.0.2, links: [issuer], engine: ENGINE}
links:
  issuer: {role: issuer}
"""


def test_a_machines_own_engine_does_not_go_with_a_real_server(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ENGINE", "true"))
    refuse_mixed(load_chain(str(path)), "embedded")
    with pytest.raises(FileMistakes) as refused:
        refuse_mixed(load_chain(str(path)), "toxiproxy")
    assert refused.value.lines == [
        f"{path}:4:45: m1 cannot use the embedded fault engine in a run that uses a Toxiproxy "
        "server; "
        "use the embedded engine (--toxiproxy embedded)"
    ]
    path.write_text(CHAIN.replace("ENGINE", "false"))
    refuse_mixed(load_chain(str(path)), "toxiproxy")
