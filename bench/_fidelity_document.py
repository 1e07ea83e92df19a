"""docs/fidelity.md: which pairs agree, as a matrix, and everything about those that do not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import UTC, datetime

from bench._beside import P50_MS, P50_SHARE, POINTS, Compared, Pair

AGREES, CHANCE, DIFFERS, UNTOUCHED, NOT_RUN = "✓", "≈", "✗", "○", "–"


def document(
    wanted: Sequence[Pair],
    done: dict[Pair, Compared],
    failed: dict[Pair, str],
    conditions: str,
    explained: dict[Pair, str],
    others: int,
    medians_explained: dict[str, str] | None = None,
) -> str:
    """The whole page. `others` is how many pairs there are that were not wanted.

    `medians_explained`: by experiment, why medians of it differ.
    """
    marks = [_mark(each) for each in done.values()]
    medians = [both for each in done.values() for both in each.medians]
    near = len(medians) - sum(len(each.slower) for each in done.values())
    lines = [
        "# Real runs compared with virtual runs",
        "",
        f"Written by `make fidelity` on {datetime.now(UTC):%Y-%m-%d}. {conditions}",
        "",
        "A pair of a chain and an experiment agrees when the verdict, the money rules that are "
        "broken and the break points (which link failed to reach which) are the same, and success "
        f"differs by at most {POINTS:g} points in each phase with enough payments. A rule is left "
        "out where only the virtual run could judge the payments that break it: a real run ends "
        "with payments in progress, virtual time waits for them. "
        f"**{marks.count(AGREES) + marks.count(UNTOUCHED)} of {len(done)} pairs agree.** "
        f"In {marks.count(CHANCE)} more, the real run differs from the usual virtual run only in "
        "ways in which other virtual runs of the pair differ as well: runs in which events that "
        "are due within 2 ms happen in another order (`--interleaving 1` to 8), or with other "
        "seeds (2 to 9). There a money rule, a break point or a share depends on few payments: "
        "those in flight when a fault begins, or those on a connection that a share of a fault "
        "happens to select. "
        f"{marks.count(DIFFERS)} differ otherwise.",
        "",
        f"The median latency is within {P50_SHARE:.0%} or {P50_MS:g} ms in {near} of "
        f"{len(medians)} phases.",
    ]
    lines += ["", *_matrix(wanted, done), "", *_chains(done)]
    lines += _details(wanted, done, explained)
    lines += _medians(wanted, done, medians_explained or {})
    lines += _again(wanted, done)
    missing = [pair for pair in wanted if pair not in done]
    if missing:
        lines += ["", "## Not compared", ""]
        lines += [f"- {pair}: {failed.get(pair, 'not run')}" for pair in missing]
    if others > 0:
        lines += ["", f"{others} further pairs were not run: `python -m bench fidelity --all`."]
    return "\n".join(lines) + "\n"


def _mark(pair: Compared) -> str:
    if pair.differences:
        return CHANCE if pair.is_chance else DIFFERS
    return UNTOUCHED if pair.untouched else AGREES


def _matrix(wanted: Sequence[Pair], done: dict[Pair, Compared]) -> list[str]:
    chains = sorted({pair.chain for pair in wanted})
    experiments = list(dict.fromkeys(pair.experiment for pair in wanted))
    lines = [
        f"{AGREES} agrees; {UNTOUCHED} agrees, but a fault affected no traffic in either run; "
        f"{CHANCE} differs as other virtual runs do; {DIFFERS} differs; {NOT_RUN} not compared; "
        "empty: the experiment targets a link that the chain does not have, or the pair was not "
        "selected. A number counts the phases with a median outside the limits.",
        "",
        "| experiment | " + " | ".join(chain.removeprefix("card-") for chain in chains) + " |",
        "|---|" + "---|" * len(chains),
    ]
    for experiment in experiments:
        cells = [_cell(Pair(chain, experiment), wanted, done) for chain in chains]
        lines.append(f"| {experiment} | " + " | ".join(cells) + " |")
    return lines


def _cell(pair: Pair, wanted: Sequence[Pair], done: dict[Pair, Compared]) -> str:
    if pair not in done:
        return NOT_RUN if pair in wanted else ""
    outside = len(done[pair].slower)
    return _mark(done[pair]) + (f" {outside}" if outside else "")


def _chains(done: dict[Pair, Compared]) -> list[str]:
    lines = [
        "| chain | pairs | agree | as other virtual runs do | differ | medians in the limits "
        "| virtual minus real, median phase |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for chain in sorted({pair.chain for pair in done}):
        these = [each for pair, each in done.items() if pair.chain == chain]
        marks = [_mark(each) for each in these]
        medians = [both for each in these for both in each.medians]
        near = len(medians) - sum(len(each.slower) for each in these)
        apart = statistics.median(virtual - real for real, virtual in medians)
        lines.append(
            f"| {chain} | {len(these)} | {marks.count(AGREES) + marks.count(UNTOUCHED)} "
            f"| {marks.count(CHANCE)} | {marks.count(DIFFERS)} | {near} of {len(medians)} "
            f"| {apart:+.1f} ms |"
        )
    return lines


def _details(
    wanted: Sequence[Pair], done: dict[Pair, Compared], explained: dict[Pair, str]
) -> list[str]:
    lines: list[str] = []
    for mark, title in (
        (DIFFERS, "Disagreements"),
        (CHANCE, "Differences that depend on few payments"),
    ):
        these = [done[pair] for pair in wanted if pair in done and _mark(done[pair]) == mark]
        if these:
            lines += ["", f"## {title}", ""]
        for each in these:
            lines.append(f"- **{each.pair}**")
            lines += [
                f"  - {difference.text}; {difference.as_real} of {each.others} other virtual runs "
                "match the real one"
                for difference in each.differences
            ]
            if each.pair in explained:
                lines.append(f"  - {explained[each.pair]}")
            elif mark == DIFFERS:
                lines.append("  - not explained")
    untouched = [done[pair] for pair in wanted if pair in done and done[pair].untouched]
    if untouched:
        lines += ["", "## Faults that affected no traffic", ""]
        lines.append(
            "In both runs the fault was active and affected nothing: agreement says nothing "
            "about it. `refuse` rejects new connections, and links keep theirs open."
        )
        lines.append("")
        lines += [f"- {each.pair}: {', '.join(each.untouched)}" for each in untouched]
    return lines


def _medians(
    wanted: Sequence[Pair], done: dict[Pair, Compared], explained: dict[str, str]
) -> list[str]:
    these = [done[pair] for pair in wanted if pair in done and done[pair].slower]
    if not these:
        return []
    lines = ["", "## Medians outside the limits", ""]
    for name in dict.fromkeys(each.pair.experiment for each in these):
        lines.append(f"- **{name}**: {explained.get(name, 'not explained')}")
        for each in these:
            if each.pair.experiment == name:
                pairs = [f"{real:.1f} and {virtual:.1f} ms" for real, virtual in each.slower]
                lines.append(f"  - {each.pair.chain}: real and virtual {', '.join(pairs)}")
    return lines


def _again(wanted: Sequence[Pair], done: dict[Pair, Compared]) -> list[str]:
    several = [done[pair] for pair in wanted if pair in done and len(done[pair].real_runs) > 1]
    if not several:
        return []
    lines = [
        "",
        "## Run again",
        "",
        "These pairs differed, or had a median outside the limits, when they first ran next to "
        "other work on the same machine. They were run again alone, and the last run counts. Each "
        "real run, in order, compared with the virtual run:",
        "",
    ]
    for each in several:
        words = ["agrees" if agreed else "differs" for agreed in each.real_runs]
        lines.append(f"- {each.pair}: {', then '.join(words)}")
    return lines
