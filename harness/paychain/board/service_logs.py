"""The output of own services, which outlives a recorded run, kept in the folder of that run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from paychain.analysis.store.facts import ServiceFacts
from paychain.environment.running_chain import ChainReport

LOGS = "logs"


def with_logs(report: ChainReport, scratch: Path, folder: Path) -> ChainReport:
    """A chain's report whose services have their output, as far as it goes, in a run's folder.

    `scratch`: where the processes of the session write.
    """
    return replace(
        report, services=[_with_log(service, scratch, folder) for service in report.services]
    )


def _with_log(service: ServiceFacts, scratch: Path, folder: Path) -> ServiceFacts:
    source = scratch.parent / service.log
    if not service.log or not source.is_file():
        return service
    kept = folder / LOGS / source.name
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, kept)
    return msgspec.structs.replace(service, log=f"{LOGS}/{source.name}")
