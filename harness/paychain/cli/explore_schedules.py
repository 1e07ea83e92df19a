"""paychain explore: searches schedules of faults in virtual time, and prints what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paychain.cli.ctrl_c import ctrl_c_between_schedules
from paychain.cli.exit_codes import ExitCode
from paychain.cli.explore_confirm import Confirmed, confirmed, differences_line
from paychain.cli.explore_output import SearchProgress, nothing_found_lines, print_timeline
from paychain.cli.explore_remedies import outage_remedies
from paychain.cli.on_cluster import opened
from paychain.cli.say import say
from paychain.explore.findings import outage_lines, searched_line, write_outage
from paychain.explore.jobs import search_with_jobs
from paychain.explore.parts import share_of, write_part
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.spec import SearchSpec
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.virtual_services import experimental_note
from paychain.processes.interrupted import keeping
from paychain.processes.part import WHOLE, Part
from paychain.runs.spec import run_command


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a search runs, and what is done with its findings."""

    chain: str  # as it was named
    loaded: Loaded[Chain]
    out: Path
    jobs: int | None  # None: one, or one for each thread of the cluster
    cluster: str | None
    part: Part
    confirm_on: str | None  # the chain on which findings are replayed

    @property
    def on_chain(self) -> str:
        """Where findings are replayed, in words, if that is another chain than was searched."""
        return f" on {self.confirm_on}" if self.confirm_on not in (None, self.chain) else ""


def explore_schedules(spec: SearchSpec, options: SearchOptions) -> ExitCode:
    """Search, write the findings to files, print them, and replay them if requested."""
    asked = _asked(spec, options.loaded.sha256)
    if options.part != WHOLE:
        spec = share_of(spec, options.part)
    if note := experimental_note(spec.chain):
        say(note)
    result = _searched(spec, options)
    # All files first: what was found is kept even if a replay is interrupted.
    written = [
        (outage, write_outage(outage, spec, options.out)) for outage in result.found.values()
    ]
    if options.part != WHOLE:
        part_file = write_part(result, spec, options.part, asked, options.out)
        say(f"part {options.part}: {part_file}")
    with keeping(f"what was found is in {options.out}"):
        replays = _print_found(written, spec, options)
    say(("searched " if result.found else "nothing found in ") + searched_line(result))
    if not result.found:
        say(*nothing_found_lines(result))
    elif options.on_chain:
        say(differences_line(options.chain, str(options.confirm_on), replays))
    elif options.confirm_on is None:
        say("add --confirm to replay the findings on real processes")
    if result.was_interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAIL if result.found else ExitCode.PASS


def _asked(spec: SearchSpec, chain_sha256: str) -> dict[str, str]:
    """What the parts of one search have in common."""
    return {
        "chain": chain_sha256,
        "budget_s": str(spec.budget_s),
        "schedules": str(spec.max_schedules),
        "seed": str(spec.seed),
        "rules": " ".join(sorted(spec.rules)),
        "kinds": " ".join(sorted(spec.kinds)),
        "payments": str(spec.payments),
        "success": spec.success.text if spec.success is not None else "",
        "works_again_s": str(spec.works_again_s),
        "interleavings": str(spec.interleavings),
    }


def _searched(spec: SearchSpec, options: SearchOptions) -> SearchResult:
    show = SearchProgress()
    with opened(options.cluster) as workers, ctrl_c_between_schedules() as check_ctrl_c:

        def on_progress(result: SearchResult) -> None:
            show(result)
            check_ctrl_c()

        searches = options.jobs or (workers.threads if workers is not None else 1)
        try:
            return search_with_jobs(spec, searches, on_progress, workers)
        finally:
            show.clear()


def _print_found(
    written: Sequence[tuple[SmallestOutage, Path]], spec: SearchSpec, options: SearchOptions
) -> list[Confirmed]:
    """Print each outage with its file; return the results of the replays, if any were requested."""
    replays = []
    for outage, path in written:
        say(*outage_lines(outage))
        print_timeline(outage)
        remedies = outage_remedies(outage, path, options.loaded)
        say(*(f"    remedy: {remedy}" for remedy in remedies))
        command = run_command(
            options.chain,
            str(path),
            seed=spec.seed,
            virtual=True,
            interleaving=outage.interleaving,
        )
        say(f"    reproduce: {command}")
        if options.confirm_on is not None:
            replay = confirmed(options.confirm_on, path, outage.rule, spec)
            replays.append(replay)
            say(f"    real run{options.on_chain}: {replay.text}")
    return replays
