"""How fast a search pays, and how large its batches are, as payments without a script show it."""

from __future__ import annotations

from paychain.environment.virtual import VirtualChain
from paychain.explore.live.chains import BASE, FIRST_RATE, SLOWED, WINDOW, Chains
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.model.loading import load_chain

CHAIN = load_chain("card-gives-up").model
ALONE_S = 0.05


def measured(**spec: float) -> Chains:
    """The chains of a search that knows what a payment takes where nothing else happens."""
    chains = Chains(
        CHAIN,
        LiveSpec(**spec),  # type: ignore[arg-type]
        lambda: VirtualChain(CHAIN, 1),
        LiveResult(),
        on_judged=lambda *_: None,
        on_changed=lambda *_: None,
        on_left=lambda _: None,
    )
    paid(chains, BASE, ALONE_S)
    return chains


def paid(chains: Chains, number: int, took_s: float) -> None:
    for _ in range(number):
        chains._note_paid(took_s, chains._rate)


def test_batches_are_short_until_it_is_known_what_the_service_can_do() -> None:
    chains = measured()
    assert chains._rate == FIRST_RATE
    seconds = []
    while chains._rate < chains._spec.rate:
        seconds.append(chains.scripts_at_once / chains._rate)
        paid(chains, WINDOW, ALONE_S)
    assert seconds
    assert max(seconds) <= 2.0
    assert chains.scripts_at_once == chains._spec.batch


def test_a_service_that_was_too_slow_once_gets_long_batches_and_fewer_controls() -> None:
    chains = measured(rate=6.0)
    short = chains.scripts_at_once
    paid(chains, WINDOW, 10 * SLOWED * ALONE_S)
    slower = chains._rate
    assert slower < 6.0
    assert chains.scripts_at_once > 2 * short
    paid(chains, WINDOW, ALONE_S)
    assert chains._rate > slower
    assert chains.scripts_at_once > 2 * short
