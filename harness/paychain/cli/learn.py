"""paychain learn: the policy of an own service, claimed beside learned, and a twin of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.options import ChainName, Seed


def learn(
    chain: ChainName,
    seed: Seed = 1,
    payments: Annotated[
        int, typer.Option(min=1, max=64, help="payments for each kind of failure")
    ] = 8,
    out: Annotated[
        Path | None,
        typer.Option(help="write a chain whose mocks behave as the services did"),
    ] = None,
) -> None:
    """Learn how your own service reacts to failures, from short real runs.

    Each provider fails in each way for a few payments. The output compares the service's timeout,
    retries, failover and handling of unknown outcomes with the claims in the chain file, then lists
    each reaction with the number of payments that showed it. Exit code 1: a claim does not hold.

    Example: paychain learn examples/shop-python/chain-naive.yaml --out twin.yaml

    The twin is searched in virtual time: paychain explore twin.yaml --rule no_double_charge
    """

    from paychain.cli.exit_codes import ExitCode
    from paychain.cli.say import say
    from paychain.environment.real import RealChain
    from paychain.explore.live.learn import learn as learn_policies
    from paychain.explore.live.learn import twin_text
    from paychain.model.loading import load_chain
    from paychain.processes.files import refuse_unwritable, write_atomically
    from paychain.processes.scratch import scratch_folder

    loaded = load_chain(chain)
    if out is not None:
        refuse_unwritable(out.parent)
    with scratch_folder() as scratch:
        learned = learn_policies(
            loaded.model,
            lambda: RealChain(loaded, scratch, seed=seed),
            seed=seed,
            payments_each=payments,
            on_progress=say,
        )
    lines = learned.lines(loaded.model)
    print(f"learned from {learned.payments} payments in {learned.took_s:.0f} s")
    rows = [("", "claimed", "learned")]
    for line in lines:
        wrong = "  ✕ the claim does not hold" if line.holds is False else ""
        rows.append((f"{line.call}: {line.what}", line.claimed or "–", line.observed + wrong))
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    for name, claimed, seen in rows:
        print(f"  {name:<{widths[0]}}  {claimed:<{widths[1]}}  {seen}")
    for reaction in learned.reactions:
        lesson = reaction.lesson
        print(f"  after {lesson.failure} at {lesson.link}: {reaction}")
    if out is not None:
        write_atomically(out, twin_text(loaded, learned).encode())
        say(f"twin: {out}")
        for sentence in learned.unlike_twin():
            say(f"  not as the service: {sentence}")
    if any(line.holds is False for line in lines):
        raise typer.Exit(ExitCode.FAIL)
