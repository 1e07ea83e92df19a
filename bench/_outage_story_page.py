"""docs/outage-story.md from what was recorded, and the record."""

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
node providers, logins, captchas, support bots and card vaults failed with them, healthy as they
were. This page has every system of that story as a chain, with its outages: what came of each, in
virtual time and for real. Chains that are wrong on purpose are said to be so; they are there to
show that the mistake is found.

It is generated: `python -m bench outage_story` runs what has changed, `--real` also for real.
Seed 1. Any line can be run by itself: `paychain run CHAIN OUTAGE --virtual`.

A run fails when a limit of its outage's file is missed or a money rule is broken. Outages are
compressed and timeouts are not, so a share of payments says what a policy does and not what
happened to anybody that day.
"""
_REAL = """\

*For real* means real processes and sockets. *The same*: verdict, broken money rules and break
points (which link failed to reach which) are those of the virtual run. Where a load is given, both
were run with it instead of the outage's own: on a machine that other work keeps busy the outage's
load shows the machine and not the chain.
"""
_ALONE = """\

## Each third party taken away

One link is down for six seconds, under the load of the standard fault. What only helps must not
cost a sale; what must fail closed costs sales and no money. The same as
`paychain matrix CHAIN --links ROLE --fault down`.

| chain | link | role | state | what was seen |
|---|---|---|---|---|
"""
_TAIL = """\

## What is weak

- No report shows that the ledger of TON stopped on 2025-11-18. What is replayed on its chain is an
  app behind the edge provider; the ledger's own halts are those of August 2024, and sources differ
  by an hour on when the first began and by two on when the second ended.
- The providers' own words on 2025-11-18 (edge) and 2025-10-20 (node providers) were not read:
  secondary articles quote them. Wallets that showed balances of zero that day are not replayed.
- How Infura's outage of 2020 ended, and how many of its requests failed from 08:04, is assumed.
- The exchange's outage of 2026-05-07 is replayed from articles that quote its post-mortem.
- Of distributed operators (Gaimin and others) no uptime, churn or hosting figure is published.
  What their chains assume is in the chains.
- Figures of providers (confirmations, limits) change: check them before copying a chain.
- Of UPI only the debit is played, with the roles of cards: there is no credit, and no payment that
  is deemed to have succeeded. Clock times of 2025-04-12 differ between reports.
- Of Pix the look-ups are played and the debit, with the roles of cards; of ISO 8583 what a host
  takes for a repeat. Neither has an outage of that kind on record: the rules are published, and
  what they make of a slow directory or of many payments follows. Fees that rise are assumed.
- Not replayed is what no chain can say. Answers that are matched by a trace number alone need lines
  for many requests at a time (ISO 8583); instant transfers need holds that end after ten seconds
  although the transfer may still be made.
"""


class Run(msgspec.Struct, kw_only=True):
    """What a run showed. `reason`: the first of a run that did not pass."""

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
            return f"the same{load}"
        chance = f" (other seeds as the real run: {self.seeds_as_real} of 4)"
        return "; ".join(self.differences) + load + chance


class Alone(msgspec.Struct, kw_only=True):
    """One link taken away."""

    chain: str
    link: str
    role: str
    files: str
    state: str
    text: str


class Story(msgspec.Struct, kw_only=True):
    """All that was recorded."""

    cells: list[Cell] = []
    alone: list[Alone] = []


def read_story() -> Story:
    """What was recorded; nothing at first."""
    return msgspec.json.decode(RECORD.read_bytes(), type=Story) if RECORD.exists() else Story()


def write_story(story: Story) -> None:
    """Keep it, readable in a diff."""
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
