"""A crash of an isolated link: its process is really killed, and another one takes its place."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from paychain.testing import start_chain
from tests.support.chains import experiment, shop
from tests.support.cli import Running, running
from tests.support.processes import alive, child_of, children_of, needs_proc
from tests.support.runs import broken_rules, declare, result_of, run_in
from tests.support.waiting import wait_until

# The issuer takes 150 ms: at 40 payments a second some six are with it when the processor dies.
CHAIN = shop(
    processors=("processor",),
    timeout="1s",
    processor={"isolate": True},
    processor_authorise={"timeout": "800ms", "on_unknown": "reverse"},
    issuer={"answers_in": {"median": "150ms", "p99": "200ms"}},
)


def run(folder: Path, lasts: str) -> AbstractContextManager[Running]:
    place = f"for: {lasts}, target: {{link: processor}}"
    killed = experiment(
        f"{{id: late, at: 0s, {place}, slow_answer: {{delay: 5ms}}}}",
        f"{{id: killed, at: 1s, {place}, crash: {{forgets: true}}}}",
        warm_up="200ms",
        before="1s",
        after="4s",  # the second life has to start
    )
    declare(folder, shop=CHAIN, killed=killed)
    return running(folder, "run", "shop.yaml", "killed.yaml", "--out", "runs")


def processor(run: Running, life: str = "link-processor.plan") -> int | None:
    return child_of(run.pid, life)


@needs_proc
@pytest.mark.slow
def test_a_crash_kills_the_process_and_another_one_takes_its_port_with_empty_books(
    tmp_path: Path,
) -> None:
    with run(tmp_path, "1s") as going:
        wait_until(lambda: processor(going), "the processor's process")
        first = processor(going)
        wait_until(lambda: processor(going, "life-2.plan"), "its second life")
        second = processor(going, "life-2.plan")
        assert processor(going) is None
        family = children_of(going.pid).values()
        going.exit_code()
    assert first is not None
    assert second is not None
    assert first != second
    assert alive([first, *family]) == []
    folder, result = run_in(tmp_path), result_of(tmp_path)
    assert result["verdict"] == "fail", result["reasons"]

    faults = {fault["id"]: fault for fault in result["faults"]}
    assert faults["killed"]["hits"] > 10  # of 40 calls a second, those that failed meanwhile
    assert not faults["killed"]["errors"]
    broke = [place for place in result["breaks"] if "killed" in place["faults"]]
    assert {(place["caller"], place["callee"]) for place in broke} == {("gateway", "processor")}

    # What was with the issuer when its caller died it approved, and nobody knows of it.
    lost = {"no_orphaned_authorisation", "books_agree"}
    assert {"no_orphaned_authorisation"} <= broken_rules(result) <= lost
    books = result["money"]["books"]
    assert books["issuer"]["authorised"] > books["processor"]["authorised"]

    store = sqlite3.connect(folder / "run.db")
    killed_ns, back_ns = (int(faults["killed"][when] * 1e9) for when in ("applied_s", "healed_s"))
    booked = [at for (at,) in store.execute("SELECT at_ns FROM movement WHERE link = 'processor'")]
    assert any(at < killed_ns for at in booked)
    assert any(at > back_ns for at in booked)
    assert not any(killed_ns + 100_000_000 < at < back_ns - 100_000_000 for at in booked)
    spans = Counter(span for (span,) in store.execute("SELECT span FROM hop"))
    assert max(spans.values()) == 1
    # Of the other fault each life counts its own. The first life's count was read before it was
    # killed, and its journal lost nothing.
    (journalled,) = store.execute(
        "SELECT count(*) FROM decision WHERE kind = 'fault_hit' AND detail = 'late'"
    ).fetchone()
    store.close()
    # 40 payments a second, one second long, before it died
    assert journalled >= faults["late"]["hits"] > 20
    assert list((folder / "spool").glob("*.spool")) == []  # all lives are in run.db


@needs_proc
@pytest.mark.thorough  # test_interruptions.py cuts others short
def test_a_run_that_is_cut_short_while_a_link_is_dead_leaves_nothing(tmp_path: Path) -> None:
    with run(tmp_path, "60s") as going:
        wait_until(lambda: processor(going), "the processor's process")
        wait_until(lambda: processor(going) is None, "its end")
        family = children_of(going.pid).values()
        going.send(signal.SIGINT)
        assert going.exit_code() == 130
    assert alive(family) == []
    assert result_of(tmp_path)["reasons"][0] == "the run was interrupted"


@pytest.mark.slow
def test_what_is_switched_while_a_link_is_dead_holds_for_its_next_life(tmp_path: Path) -> None:
    declare(tmp_path, shop=CHAIN)
    with start_chain(str(tmp_path / "shop.yaml"), real=True) as chain, ExitStack() as still_on:
        assert len(chain.pay(2).approved) == 2
        with chain.fault("processor", "crash", forgets="true"):
            with (
                chain.fault("processor", "http_error", status=503),
                chain.fault("processor", "crash", forgets="true"),
            ):
                assert len(chain.pay(2).approved) == 0
            assert len(chain.pay(2).approved) == 0  # of two crashes one is still on
            still_on.enter_context(chain.fault("processor", "decline", code="05"))
        assert [payment.code for payment in chain.pay(2)] == ["05", "05"]
        still_on.close()
        assert len(chain.pay(2).approved) == 2
        chain.drain()
