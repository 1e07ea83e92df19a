"""Own services of a run in its reports: what they were, that one failed, and its last lines."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import msgspec

from paychain.analysis.measures.measures import Verdict
from paychain.analysis.store.facts import ServiceFacts, ServiceFailure
from paychain.report.ci.junit import junit_xml
from paychain.report.drawings.chain_map import chain_map
from paychain.report.drawings.chain_mermaid import chain_mermaid
from paychain.report.drawings.chain_plan import chain_plan
from paychain.report.html.page import render
from paychain.report.result import Result
from paychain.report.text.services import service_lines
from paychain.report.text.summary import summary_md
from paychain.report.text.terminal import terminal_lines
from tests.support.chains import checked
from tests.support.own_chains import own_shop
from tests.support.report_results import result

SOUND = ServiceFacts(name="shop", form="npm start", log="spool/logs/shop.log")
ELSEWHERE = ServiceFacts(name="vault", form="http://127.0.0.1:8080")
DIED = msgspec.structs.replace(
    SOUND,
    failures=[
        ServiceFailure(
            at_s=12.34, what="ended with exit code 139", lines=["pool <empty>", "segfault"]
        )
    ],
)


def run(*services: ServiceFacts, verdict: Verdict = Verdict.PASS) -> Result:
    return msgspec.structs.replace(result(), services=list(services), verdict=verdict)


def test_a_service_is_named_with_its_command_and_its_output() -> None:
    assert service_lines(run(SOUND, ELSEWHERE)) == [
        ("shop", "ran as npm start"),
        ("vault", "ran by itself at http://127.0.0.1:8080"),
    ]
    page = render(run(SOUND, ELSEWHERE))
    assert '<a href="spool/logs/shop.log">' in page
    assert "Own service vault" in page
    assert "Own service" not in render(result())


def test_a_service_that_ended_is_the_first_reason_with_its_last_lines() -> None:
    failed = run(DIED, verdict=Verdict.FAIL)
    lines = terminal_lines(failed)
    assert lines[1].strip().startswith("shop ended with exit code 139 at 12.3 s")
    at = lines.index("shop ended with exit code 139 at 12.3 s; its last lines:")
    assert lines[at + 1 : at + 3] == ["   pool <empty>", "   segfault"]
    assert "pool &lt;empty&gt;" in render(failed)
    assert "shop ended with exit code 139" in summary_md(failed)


def test_whether_a_service_went_on_is_a_check_of_its_own() -> None:
    def failures(finished: Result) -> dict[str, bool]:
        cases = fromstring(junit_xml(finished)).iter("testcase")
        return {case.get("name", ""): case.find("failure") is not None for case in cases}

    assert failures(run(SOUND))["service_shop"] is False
    assert failures(run(DIED, verdict=Verdict.FAIL))["service_shop"] is True


def with_own(*names: str) -> Result:
    """A run in which some links are own services."""
    whole = result()
    links = [msgspec.structs.replace(link, is_own=link.name in names) for link in whole.chain.links]
    chain = msgspec.structs.replace(whole.chain, links=links)
    return msgspec.structs.replace(whole, chain=chain)


def test_the_map_marks_own_services_and_says_how() -> None:
    plain, marked = chain_map(with_own()), chain_map(with_own("gateway"))
    assert "own service" not in plain
    assert "<title>gateway gateway own service</title>" in marked
    assert marked.count("<rect") == plain.count("<rect") + 1
    legend = "A second border marks an own service"
    assert legend in render(with_own("gateway"))
    assert legend not in render(with_own())


def test_the_drawings_of_a_declared_chain_mark_own_services() -> None:
    chain = checked(own_shop())
    for drawn in (chain_plan(chain, []), chain_mermaid(chain, [])):
        assert drawn.count("gateway, own service") == 1
