"""Every system of the outage story: its chain, its outage, and the result.

`python -m bench outage_story` runs in virtual time what has not been run since its files changed,
and writes docs/outage-story.md. With `--real` it also runs for real, one after the other, and
compares verdicts, broken money rules and break points. Results are kept in
outage_story.json beside this file, so that each row can be run when a machine is free for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bench._beside import differences
from bench._outage_story_page import PAGE, Alone, Cell, Run, Story, page, read_story, write_story
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.files import available
from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.matrix import MatrixSpec, run_matrix, standard_faults
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

SEED = 1
OTHER_SEEDS = (2, 3, 4, 5)  # run where real and virtual differ, to see whether chance explains it
ALONE = "down"  # the standard fault that takes down each third party in turn


@dataclass(frozen=True)
class Row:
    """One chain in one outage. `names`: what the chain calls what the outage names."""

    system: str
    chain: str
    experiment: str
    shows: str
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the row."""
        return self.chain, self.experiment


CLOUDFLARE, AWS = "cloudflare-2025-11-18", "aws-us-east-1-2025-10-20"
INFURA, COINBASE = "infura-2020-11-11", "coinbase-2026-05-07"
BASE, BASE_LATER, TON = "base-2025-08-05", "base-2026-06-25", "ton-2024-08-27"
VAULT, UPI = "basis-theory-2025-11-18", "upi-2025-04-12"
ROWS = [
    Row(
        "BitMEX",
        "exchange-deposit",
        CLOUDFLARE,
        "The front end is down, the ledger is not: deposits are credited once, afterwards.",
    ),
    Row("BitMEX", "exchange-deposit", COINBASE, "The exchange itself stops, and is restored."),
    Row("card to asset", "crypto-onramp", CLOUDFLARE, "The edge in front of the sale fails."),
    Row(
        "card to asset",
        "crypto-onramp",
        AWS,
        "A processor and a node are hosted there; only what is final is captured.",
    ),
    Row(
        "Toncoin",
        "toncoin-payment",
        CLOUDFLARE,
        "The app in front of the ledger fails; TON's ledger produced blocks throughout.",
    ),
    Row("Toncoin", "toncoin-payment", TON, "The ledger itself halts, twice."),
    Row(
        "Toncoin",
        "exchange-pauses",
        "paused-withdrawals",
        "An exchange pauses withdrawals while the ledger is stalled; deposits continue.",
    ),
    Row(
        "Toncoin",
        "exchange-pauses-freed",
        "paused-withdrawals",
        "Deliberately wrong: it restores the balances of withdrawals that had begun.",
    ),
    Row(
        "Coinbase's Base",
        "stablecoin-payout",
        BASE,
        "No blocks, but nodes answer: nobody is paid meanwhile, everybody afterwards.",
    ),
    Row(
        "Coinbase's Base",
        "stablecoin-payout",
        BASE_LATER,
        "No blocks, and nodes refuse transfers: the same bytes are sent again.",
    ),
    *(
        Row("Coinbase's Base", chain, "fee-spike", shows)
        for chain, shows in (
            ("stablecoin-payout", "The wallet waits for lower fees, and its customers with it."),
            ("stablecoin-payout-replaced", "The wallet offers a higher fee, with the same nonce."),
            (
                "stablecoin-payout-replaced-anew",
                "Deliberately wrong: it signs again, and in the end both transfers are mined.",
            ),
        )
    ),
    Row(
        "Coinbase's Base",
        "stablecoin-payout",
        "reverted-transfers",
        "Blocks have transfers as failed ones: they are declined.",
    ),
    Row(
        "Coinbase's Base",
        "stablecoin-payout-any-receipt",
        "reverted-transfers",
        "Deliberately wrong: whatever is in a block is taken for made.",
    ),
    Row(
        "Coinbase",
        "stablecoin-payout",
        COINBASE,
        "The exchange is down, then restored: payouts that had begun are completed, each once.",
    ),
    Row(
        "Infura",
        "stablecoin-payout",
        INFURA,
        "The stale node holds payouts up; the failing one is replaced by the shop's own.",
    ),
    Row(
        "Infura",
        "stablecoin-payout-new-nonce",
        INFURA,
        "Deliberately wrong: it signs again when there is no answer.",
    ),
    *(
        Row("Infura", chain, "minority-fork", shows)
        for chain, shows in (
            (
                "exchange-deposit",
                "Of three nodes two must agree; the hot wallet believes one.",
            ),
            ("stablecoin-payout", "The wallet believes one node: what it reported vanishes."),
        )
    ),
    Row("Infura", "stablecoin-payout", AWS, "The second node is with another provider."),
    Row(
        "Infura",
        "exchange-deposit",
        INFURA,
        "Deposits and withdrawals need the same node; the second one is the exchange's own.",
        {"infura": "node-provider"},
    ),
    Row("Infura", "exchange-deposit", AWS, "The exchange is hosted there as well."),
    Row(
        "X, ChatGPT, captchas",
        "checkout-page",
        CLOUDFLARE,
        "What a sale does not depend on fails open; above a limit nobody pays without a captcha.",
    ),
    Row(
        "X, ChatGPT, captchas",
        "checkout-page-captcha-closed",
        CLOUDFLARE,
        "Deliberately wrong: the page waits for the captcha.",
    ),
    Row(
        "card vaults",
        "checkout-page",
        VAULT,
        "The vault is healthy behind a dead edge: a second route bypasses the edge.",
    ),
    Row(
        "card vaults",
        "checkout-page-vault-open",
        VAULT,
        "Deliberately wrong: without the vault the page takes card data itself.",
    ),
    Row("AWS", "checkout-page", AWS, "Flags and both routes to the vault are hosted there."),
    Row("AWS", "card-ecommerce", AWS, "One of two processors is hosted there."),
    Row("Cloudflare", "card-ecommerce", CLOUDFLARE, "The only edge in front of the shop."),
    Row(
        "card schemes",
        "card-one-pool",
        "discover-2023-02-06",
        "One scheme hangs and takes all the others with it.",
    ),
    Row(
        "card schemes",
        "card-pool-per-scheme",
        "discover-2023-02-06",
        "One scheme hangs, alone.",
    ),
    Row(
        "card schemes",
        "card-blocked-standby",
        "visa-europe-2018-06-01",
        "The standby cannot take over.",
    ),
    Row("UPI", "status-checks", UPI, "Status checks within limits: back as soon as the switch is."),
    Row(
        "UPI",
        "status-checks-storm",
        UPI,
        "Deliberately wrong: checks at once and every second keep the switch down.",
    ),
    Row(
        "Pix",
        "pix-lookups",
        "dict-lockout",
        "Failed lookups are not retried: back with the directory.",
    ),
    Row(
        "Pix",
        "pix-lookups-retried",
        "dict-lockout",
        "Deliberately wrong: retries use up all lookups, and none come back.",
    ),
    *(
        Row("SEPA Instant", chain, story, shows)
        for chain, story, shows in (
            (
                "sepa-instant",
                "confirmed-after-ten-seconds",
                "The payer has the money back, and the transfer was made: debited without a hold.",
            ),
            (
                "sepa-instant-late-dropped",
                "confirmed-after-ten-seconds",
                "Deliberately wrong: such a transfer debits nobody.",
            ),
            (
                "sepa-instant",
                "slow-payee-bank",
                "The clearing rejects what the payee's bank has credited: it is taken back.",
            ),
            (
                "sepa-instant-keeps-rejected",
                "slow-payee-bank",
                "Deliberately wrong: the payee keeps the credit.",
            ),
        )
    ),
    Row(
        "ISO 8583",
        "card-trace-numbers",
        "stan-wrap",
        "Number and time of the first try distinguish requests.",
    ),
    Row(
        "ISO 8583",
        "card-trace-wraps",
        "stan-wrap",
        "Deliberately wrong: a payment gets the answer to an earlier one.",
    ),
    Row("processors", "card-ecommerce", "processor-down", "The second processor takes over."),
    *(
        Row("DePIN, Gaimin", chain, outage, shows)
        for chain, shows in (
            ("depin-one", "One node."),
            ("depin-two", "Two nodes on one cloud."),
            ("depin-two-apart", "Two nodes on two clouds."),
            ("depin-many", "Twenty independent operators."),
            ("depin-many-gateway", "Twenty operators behind one gateway."),
        )
        for outage in (AWS, "zones-one-by-one")
    ),
    Row(
        "DePIN, Gaimin",
        "depin-many-gateway",
        CLOUDFLARE,
        "All operators depend on the gateway, which is behind the edge provider.",
    ),
]
# Third parties taken down one by one: the chain, and the roles of the links.
MATRIX = [
    ("checkout-page", ("service", "vault", "fraud", "authentication")),
    ("card-ecommerce", ("fraud", "authentication")),
]


def there() -> list[Row]:
    """The rows whose chain and outage exist."""
    chains, experiments = available("chain"), available("experiment")
    return [row for row in ROWS if row.chain in chains and row.experiment in experiments]


def whole_page(story: Story) -> str:
    """The page with everything recorded."""
    return page(story, [(row.system, row.key, row.shows) for row in ROWS])


@dataclass(frozen=True)
class Files:
    """The two files of a row, and the digest of both."""

    chain: Loaded[Chain]
    experiment: Loaded[Experiment]

    @classmethod
    def of(cls, row: Row, *, arrivals: str = "", folder: Path | None = None) -> Files:
        """Those of a row; with `arrivals`, a copy of the outage with another load."""
        chain = load_chain(row.chain)
        name = row.experiment
        if arrivals:
            assert folder is not None
            text = load_experiment(name).text
            copy = folder / f"{row.chain}.{name}.yaml"
            copy.write_text(re.sub(r"arrivals: [\d.]+/s", f"arrivals: {arrivals}", text), "utf-8")
            name = str(copy)
        return cls(chain, load_experiment(name, chain.model, row.names))

    @property
    def digest(self) -> str:
        """Changes with what either file says about a run."""
        return digest(self.chain.text, self.experiment.text)


def digest(*texts: str) -> str:
    """A digest of YAML texts, without what changes no run: comments, titles, what is accepted."""
    documents = [yaml.safe_load(text) for text in texts]
    for document in documents:
        for key in ("title", "accepts"):
            document.pop(key, None)
    return hashlib.sha256(json.dumps(documents, default=str).encode()).hexdigest()[:16]


def run_once(
    files: Files, row: Row, out: Path, *, seed: int = SEED, is_real: bool = False
) -> Result:
    """One run of a row."""
    spec = RunSpec(
        chain=files.chain,
        experiment=files.experiment,
        out=out,
        seed=seed,
        names=row.names,
        virtual=not is_real,
    )
    finished = run(spec, chain_of(spec))
    if finished.was_interrupted:
        raise KeyboardInterrupt
    return finished.result


def judgement(real: Result, virtual: Result) -> dict[str, str]:
    """How two runs differ in verdict, broken rules and break points."""
    found = differences(real, virtual)
    return {about: text for about, text in found.items() if not about.startswith("success ")}


def run_for_real(row: Row, cell: Cell, folder: Path, arrivals: str) -> None:
    """Run a row for real and compare it with a virtual run of the same load."""
    files = Files.of(row, arrivals=arrivals, folder=folder)
    real = run_once(files, row, folder, is_real=True)
    found = judgement(real, run_once(files, row, folder))
    for seed in OTHER_SEEDS if found else ():
        other = judgement(real, run_once(files, row, folder, seed=seed))
        cell.seeds_as_real += not other
    cell.real, cell.arrivals, cell.differences = Run.of(real), arrivals, list(found.values())


def run_alone(chain: str, roles: Sequence[str], folder: Path) -> list[Alone]:
    """Take down each link of some roles in turn, and report what held."""
    loaded = load_chain(chain)
    spec = MatrixSpec(
        chain_name=chain,
        chain=loaded,
        faults=standard_faults([ALONE]),
        links=[name for name, link in loaded.model.links.items() if link.role in roles],
        folder=folder,
        seed=SEED,
        jobs=1,
        is_real=False,
        command="",
        names={},
    )
    matrix = run_matrix(spec, lambda *_: None)
    return [
        Alone(
            chain=chain,
            link=cell.link,
            role=loaded.model.links[cell.link].role,
            files=digest(loaded.text),
            state=cell.state,
            text=cell.text,
        )
        for cell in matrix.cells
    ]


def main(options: Sequence[str] = ()) -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench outage_story")
    parser.add_argument("--real", action="store_true", help="run for real as well")
    parser.add_argument("--only", default="", help="rows with this in their chain or outage")
    parser.add_argument("--anew", action="store_true", help="run also what was run before")
    parser.add_argument("--arrivals", default="", help="load of real runs, such as 6/s")
    chosen = parser.parse_args(options)
    story, rows = read_story(), there()
    cells = {(cell.chain, cell.experiment): cell for cell in story.cells}
    for row in ROWS:
        if row not in rows:
            print(f"  {row.chain} × {row.experiment}: not there", file=sys.stderr)
            cells.pop(row.key, None)
            continue
        if chosen.only not in f"{row.chain} {row.experiment}":
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch)
            files = Files.of(row)
            cell = cells.get(row.key)
            if cell is None or cell.files != files.digest or chosen.anew:
                virtual = Run.of(run_once(files, row, folder))
                cell = Cell(
                    chain=row.chain, experiment=row.experiment, files=files.digest, virtual=virtual
                )
                cells[row.key] = cell
                print(f"  {row.chain} × {row.experiment}: {virtual.in_words}", flush=True)
            if chosen.real and cell.real is None:
                run_for_real(row, cell, folder, chosen.arrivals)
                print(f"  {row.chain} × {row.experiment}, for real: {cell.beside}", flush=True)
        story.cells = [cells[each.key] for each in ROWS if each.key in cells]
        write_story(story)
    for chain, roles in MATRIX:
        known = [each for each in story.alone if each.chain == chain]
        now = digest(load_chain(chain).text)
        if chosen.only in chain and (chosen.anew or {each.files for each in known} != {now}):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                found = run_alone(chain, roles, Path(scratch))
            others = [each for each in story.alone if each.chain != chain]
            order = [name for name, _ in MATRIX]
            story.alone = sorted([*others, *found], key=lambda each: order.index(each.chain))
            write_story(story)
    PAGE.write_text(whole_page(story), "utf-8")
    print(f"  written to {PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
