"""Reads the books of own services once nothing is in progress any more."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paychain.load.traffic.books import (
    BooksTemplate,
    OrderInBooks,
    OrderPaid,
    entry_of,
    look,
    noted,
    printed_entries,
    printed_entry,
)
from paychain.model.chain import Chain
from paychain.model.paid_at import books_at
from paychain.payments.journal import Decision
from paychain.processes.variables import without_secrets
from paychain.wire.client import HttpPool
from paychain.wire.http import WireError

AT_ONCE = 16  # looks into the books of one service
MAX_SILENT = 2 * AT_ONCE  # looks in a row: a service that answers none answers no other
LOOK_S = 10.0  # one of them
COMMAND_S = 120.0  # a query over all orders of a run
RUN = "{run}"  # in a command: what the ids of the run's payments begin with
MAX_OUTPUT = 200_000_000  # bytes that a command may print: a million orders


class BooksRead:
    """What the books of all own services say, and what was wrong with reading them."""

    def __init__(self, chain: Chain, home: Path, id_prefix: str, now_ns: Callable[[], int]) -> None:
        """`home`: the folder of the chain's file."""
        self.entries: list[Decision] = []
        self.problems: list[str] = []
        self._chain, self._home, self._now_ns = chain, home, now_ns
        self._id_prefix = id_prefix

    def read(self, orders: Sequence[OrderPaid], at: Mapping[str, tuple[str, int]]) -> None:
        """Read every book. `at`: where each service listens."""
        asyncio.run(self.look(orders, at))

    async def look(self, orders: Sequence[OrderPaid], at: Mapping[str, tuple[str, int]]) -> None:
        """As `read`, on the loop that runs."""
        for link in self._chain.links:
            template = books_at(self._chain, link)
            if template is None:
                continue
            if template.steps:
                found = await _asked(template, orders, at[link])
            else:
                found = self._printed(link, template, orders)
            self._note(link, orders, found)

    def _note(self, link: str, orders: Sequence[OrderPaid], found: Sequence[OrderInBooks]) -> None:
        at_ns = self._now_ns()
        unread: Counter[str] = Counter()
        for order, entry in zip(orders, found, strict=True):
            if entry.problem:
                unread[entry.problem] += 1
            else:
                self.entries.append(noted(link, order, entry, at_ns))
        if unread:
            why = "; ".join(problem for problem, _ in unread.most_common(2))
            self.problems.append(
                f"the books of {link} could not be read for {unread.total():,} of "
                f"{len(orders):,} payments: {why}"
            )

    def _printed(
        self, link: str, template: BooksTemplate, orders: Sequence[OrderPaid]
    ) -> list[OrderInBooks]:
        declared = self._chain.links[link]
        books, service = declared.books, declared.service
        assert books is not None
        assert books.command is not None
        words = [word.replace(RUN, self._id_prefix) for word in books.command]
        try:
            done = subprocess.run(  # noqa: S603  (the user's own command, as the chain declares it)
                words,
                cwd=self._home / (service.cwd if service is not None else "."),
                env={**without_secrets(os.environ), "PAYCHAIN_RUN": self._id_prefix},
                capture_output=True,
                timeout=COMMAND_S,
                check=False,
            )
            if done.returncode:
                problem = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
                raise ValueError(f"exit code {done.returncode}: {problem[0][:200]}")
            if len(done.stdout) > MAX_OUTPUT:
                raise ValueError(f"it printed more than {MAX_OUTPUT:,} bytes")
            printed = printed_entries(done.stdout.decode(errors="replace"), books.order)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return [OrderInBooks(False, problem=f"{words[0]}: {error}")] * len(orders)
        return [printed_entry(template, order, printed) for order in orders]


async def _asked(
    template: BooksTemplate, orders: Sequence[OrderPaid], at: tuple[str, int]
) -> list[OrderInBooks]:
    """The entries of all orders, some at a time."""
    pool, turn = HttpPool(*at), asyncio.Semaphore(AT_ONCE)
    silent = 0  # looks in a row that brought no answer

    async def entry(order: OrderPaid) -> OrderInBooks:
        nonlocal silent
        http = look(template, order)
        async with turn:
            if silent >= MAX_SILENT:
                return OrderInBooks(False, problem=f"not asked, after {silent} without an answer")
            try:
                response = await pool.request(
                    http.method, http.target, http.body, headers=http.headers, timeout_s=LOOK_S
                )
            except WireError as error:
                silent += 1
                return OrderInBooks(False, problem=str(error) or type(error).__name__)
        silent = 0
        return entry_of(template, order, response)

    try:
        return await asyncio.gather(*map(entry, orders))
    finally:
        await pool.close()
