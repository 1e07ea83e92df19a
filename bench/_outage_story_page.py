"""docs/outage-story.md from the recorded results, and the record itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from paychain.report.result import Result

PAGE = Path(__file__).parents[1] / "docs" / "outage-story.md"
RECORD = Path(__file__).with_name("outage_story.json")
_PASSED = {"pass": "passed", "fail": "**failed**", "inconclusive": "inconclusive"}
_HEAD = """\
# The outage story, system by system

On 2025-11-18 an edge provider failed, and on 2025-10-20 a region of a cloud. Exchanges, wallets,
node providers, logins, captchas, support bots and card vaults failed with them although they were
healthy themselves. This page lists every system of that story as a chain, with its outages, and the
result of each, in virtual time and for real. Some chains are deliberately wrong, and marked as
such; they show that the mistake is found.

The page is generated: `python -m bench outage_story` runs what has changed, with `--real` also for
real. The seed is 1. Each row can be run alone: `paychain run CHAIN OUTAGE --virtual`.

A run fails when a limit in its outage's file is missed or a money rule is broken. Outages are
compressed and timeouts are not, so a share of payments shows what a policy does, not what
anybody experienced that day.
"""
_REAL = """\

*For real* means real processes and sockets. *The same* means that verdict, broken money rules and
break points (which link failed to reach which) are those of the virtual run. A rule is *not
judged* for payments that are still in progress when a real run has to end; virtual time waits for
them. Where a load is given, both runs had it instead of the outage's own: on a machine that is busy
with other work, the outage's load would show the machine and not the chain.
"""
_ALONE = """\

## Each third party down in turn

One link is down for six seconds, under the load of the standard fault. A link that a sale does not
depend on must not cost one; a link that must fail closed costs sales but no money.
`paychain matrix CHAIN --links ROLE --fault down` does the same.

| chain | link | role | state | observed |
|---|---|---|---|---|
"""
_TAIL = """\

## Weak points

- No report shows that the ledger of TON stopped on 2025-11-18. Its chain replays an app behind the
  edge provider; the ledger's own halts are those of August 2024, and sources differ by one hour on
  when the first began and by two on when the second ended.
- The providers' own statements on 2025-11-18 (edge) and 2025-10-20 (node providers) were not read,
  only secondary articles that quote them. Wallets that showed balances of zero that day are not
  replayed.
- How Infura's outage of 2020 ended, and how many of its requests failed from 08:04, is assumed.
- The exchange's outage of 2026-05-07 is replayed from articles that quote its post-mortem.
- `depin-many-gateway` in the edge's outage was run for real at 6 payments per second. At 10 it
  passed as well, with a difference of one payment from the virtual run. At the outage's own 40 its
  24 links, which share a process, do not keep up on two busy cores: a look at the ledger takes
  350 ms instead of 7, timeouts lead to more requests, and no payment succeeds any more, not even
  after the last fault. That run is inconclusive: it shows the machine.
- Whether that row passes in virtual time depends on chance, too: it does with the seeds 1 and 2
  (98.1 % and 99.9 %), and not with seed 4 (94.3 %). There the one node that lies was alone in
  taking a transfer, and kept it; the other two that were asked were off. Three looks have to show
  that, and the gateway answered few of them: 289 later transfers waited for ten seconds, behind
  one nonce.
- Distributed operators (Gaimin and others) publish no figures on uptime, churn or hosting. Their
  chain files state what is assumed.
- Figures of providers (confirmations, limits) change: check them before you copy a chain.
- UPI's outage is replayed only on the debit, with the roles of cards; transfers that are deemed to
  be made have a chain of their own (`upi-payment`), with no outage of that kind on record. Clock
  times of 2025-04-12 differ between reports.
- Pix is represented by the lookups and the debit, with the roles of cards; ISO 8583 by what a host
  treats as a repeat. Neither has an outage of that kind on record: the rules are published, and
  what they do to a slow directory or under many payments follows from them. Fee spikes are assumed.
- SEPA Instant has no outage of that kind on record: its stories follow from the rail's time limits.
  None of the outages touches its chain, whose banks are at other providers.
- What chains cannot express is not replayed. Answers that are matched by a trace number alone need
  connections that carry many requests at a time (ISO 8583).
"""


class Run(msgspec.Struct, kw_only=True):
    """Outcome of a run. `reason`: the first one, of a run that did not pass."""

    verdict: str
    reason: str
    rules: dict[str, int]  # payments by broken money rule
    breaks: dict[str, int]  # payments by hop
    payments: int

    @classmethod
    def of(cls, result: Result) -> Run:
        """From a result."""
        breaks: dict[str, int] = {}
        for place in result.breaks:
            hop = f"{place.caller} → {place.callee}"
            breaks[hop] = breaks.get(hop, 0) + place.payments
        return cls(
            verdict=str(result.verdict),
            reason="" if result.verdict == "pass" else "; ".join(result.reasons[:1]),
            rules={rule.rule: rule.findings for rule in result.money.rules if rule.findings},
            breaks=breaks,
            payments=result.load.recorded,
        )

    @property
    def in_words(self) -> str:
        """Verdict and reason, broken rules, break points."""
        parts = [_PASSED[self.verdict] + (f": {self.reason}" if self.reason else "")]
        if self.rules:
            broken = ", ".join(f"`{rule}` ({count:,})" for rule, count in self.rules.items())
            parts.append(f"broken: {broken}")
        if self.breaks:
            hops = ", ".join(f"{hop} ({count:,})" for hop, count in self.breaks.items())
            parts.append(f"payments broke at {hops}")
        return "; ".join(parts)


class Cell(msgspec.Struct, kw_only=True):
    """One chain in one outage. `files`: a digest of both files at the time of the runs.

    `arrivals`: the load of the real run and of the virtual one that it is compared with; "" the
    outage's own. `seeds_as_real`: other virtual runs that do not differ from the real one.
    """

    chain: str
    experiment: str
    files: str
    virtual: Run
    real: Run | None = None
    arrivals: str = ""
    differences: list[str] = []
    seeds_as_real: int = 0

    @property
    def beside(self) -> str:
        """The real run beside the virtual one."""
        if self.real is None:
            return "not run"
        load = f", at {self.arrivals}" if self.arrivals else ""
        if not self.differences:
            return f"the same{load}{self._not_judged}"
        chance = f" (other seeds as the real run: {self.seeds_as_real} of 4)"
        return "; ".join(self.differences) + load + chance

    @property
    def _not_judged(self) -> str:
        """The rules that only the virtual run could judge for all payments that break them."""
        broken = self.real.rules if self.real is not None else {}
        rules = ", ".join(f"`{rule}`" for rule in self.virtual.rules if rule not in broken)
        return f"; not judged: {rules}" if rules else ""


class Alone(msgspec.Struct, kw_only=True):
    """One link taken down."""

    chain: str
    link: str
    role: str
    files: str
    state: str
    text: str


class Story(msgspec.Struct, kw_only=True):
    """Everything recorded."""

    cells: list[Cell] = []
    alone: list[Alone] = []


def read_story() -> Story:
    """The record; empty at first."""
    return msgspec.json.decode(RECORD.read_bytes(), type=Story) if RECORD.exists() else Story()


def write_story(story: Story) -> None:
    """Write the record so that its diffs are readable."""
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n")


def page(story: Story, rows: Sequence[tuple[str, tuple[str, str], str]]) -> str:
    """The whole page. `rows`: system, chain and outage, and what it shows; only what was run."""
    cells = {(cell.chain, cell.experiment): cell for cell in story.cells}
    lines = [_HEAD]
    recorded = [row for row in rows if row[1] in cells]
    for system, of in groupby(recorded, key=lambda row: row[0]):
        lines.append(f"## {system}\n")
        lines.append("| chain | outage | what it shows | in virtual time | for real |")
        lines.append("|---|---|---|---|---|")
        for _, key, shows in of:
            cell = cells[key]
            found = f"{cell.virtual.in_words} | {cell.beside}"
            lines.append(f"| `{key[0]}` | `{key[1]}` | {shows} | {found} |")
        lines.append("")
    text = "\n".join(lines).rstrip("\n") + "\n" + _REAL + _ALONE
    for each in story.alone:
        text += f"| `{each.chain}` | {each.link} | {each.role} | {each.state} | {each.text} |\n"
    return text + _TAIL
