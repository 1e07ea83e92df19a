"""Other machines of a run, each in a line: on the page and in the document."""

from __future__ import annotations

import msgspec

from paychain.analysis.store.facts import HostFacts
from paychain.report.html.page import render
from paychain.report.result import Result
from paychain.report.text.hosts import host_lines
from tests.support.report_results import result

WITH_ENGINE = HostFacts(
    name="m1",
    address="10.0.0.5",
    links=["processor", "scheme"],
    clock_offset_ms=-12.344,
    clock_uncertainty_ms=0.081,
    clock_drift_ms=0.5,
    hops=["gateway.authorise.processor"],
)
WITHOUT = HostFacts(
    name="m2",
    address="10.0.0.6",
    links=["issuer"],
    clock_offset_ms=3.0,
    clock_uncertainty_ms=0.2,
)


def spread() -> Result:
    return msgspec.structs.replace(result(), hosts=[WITH_ENGINE, WITHOUT])


def test_a_machine_says_what_ran_there_which_proxies_it_held_and_how_far_its_clock_was() -> None:
    assert host_lines(spread()) == [
        (
            "m1",
            "10.0.0.5 ran processor, scheme; its fault engine carried 1 hop into them; "
            "clock −12.34 ± 0.08 ms, drift +0.50 ms",
        ),
        ("m2", "10.0.0.6 ran issuer; clock +3.00 ± 0.20 ms"),
    ]


def test_every_machine_is_named_on_the_page() -> None:
    page = render(spread())
    assert '<th scope="row">Machine m1</th><td>10.0.0.5 ran processor, scheme;' in page
    assert '<th scope="row">Machine m2</th>' in page
    assert "Machine" not in render(result())
