"""Own services of a run, each in a line, and what they wrote last before they failed."""

from __future__ import annotations

from paychain.analysis.store.facts import ServiceFacts
from paychain.report.result import Result


def service_lines(result: Result) -> list[tuple[str, str]]:
    """Name and line of every own service; empty in a chain of mocks."""
    return [(service.name, _line(service)) for service in result.services]


def failure_sentences(result: Result) -> list[str]:
    """What own services did by themselves that failed the run."""
    return [sentence for service in result.services for sentence in service.sentences]


def last_words(result: Result) -> list[tuple[str, list[str]]]:
    """Of each failure its sentence with the last lines of the service's output."""
    return [
        (sentence, failure.lines)
        for service in result.services
        for sentence, failure in zip(service.sentences, service.failures, strict=True)
        if failure.lines
    ]


def _line(service: ServiceFacts) -> str:
    how = "ran by itself at" if not service.log else "ran as"
    return "; ".join([f"{how} {service.form}", *service.sentences])
