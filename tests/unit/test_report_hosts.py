"""Other machines of a run, each in a line: on the page and in the document."""

from __future__ import annotations

import msgspec
from report_results import result

from harness.report.hosts import host_lines
from harness.report.html import render
from harness.report.result import HostFacts, Result

WITH_ENGINE = HostFacts(
    "m1", "10.0.0.5", ["processor", "scheme"], -12.344, 0.081, 0.5, ["gateway.authorise.processor"]
)
WITHOUT = HostFacts("m2", "10.0.0.6", ["issuer"], 3.0, 0.2)


def spread() -> Result:
    return msgspec.structs.replace(result(), hosts=[WITH_ENGINE, WITHOUT])


def test_a_machine_says_what_ran_there_which_proxies_it_held_and_how_far_its_clock_was() -> None:
    assert host_lines(spread()) == [
        ("m1", "10.0.0.5 ran processor, scheme; a fault engine there on the 1 hop into "
               "them; clock −12.34 ± 0.08 ms; +0.50 ms more at the end"),
        ("m2", "10.0.0.6 ran issuer; clock +3.00 ± 0.20 ms"),
    ]  # fmt: skip


def test_every_machine_is_named_on_the_page() -> None:
    page = render(spread())
    assert '<th scope="row">Machine m1</th><td>10.0.0.5 ran processor, scheme;' in page
    assert '<th scope="row">Machine m2</th>' in page
    assert "Machine" not in render(result())
