"""What the load process needs to know, as data: it starts without the model of declarations.

`planning.py` makes a plan from what is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from paychain.protocol.pays.template import PaysTemplate

if TYPE_CHECKING:
    from paychain.model.chain import Chain
    from paychain.model.loading import Loaded
    from paychain.model.scripts import Script


class AmountPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How amounts are drawn, in minor units."""

    median: int
    least: int
    most: int


class MerchantPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant, and the share of the payments that it is paid."""

    name: str
    share: float
    amounts: AmountPlan | None = None  # None: the load's


class EntryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A link that takes payments, and where.

    `corners`: (second of the load, payments per second) of its own payments; empty when it takes
    its part of the plan's. `pages`: host and port where customers find a provider's pages, by the
    host and port that the pages' addresses name.
    """

    link: str
    dialect: str = "paychain"
    url: str = ""
    corners: tuple[tuple[float, float], ...] = ()
    pays: PaysTemplate | None = None  # how an own service is paid, instead of the dialect
    pages: dict[str, str] = {}

    def __hash__(self) -> int:
        """Of all but `pages`, which cannot be hashed: plans are kept by their hash."""
        return hash((self.link, self.dialect, self.url, self.corners, self.pays))


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the load process needs to know. Times are seconds since the run's epoch."""

    entries: tuple[EntryPlan, ...]
    corners: tuple[tuple[float, float], ...]  # (second of the load, payments per second)
    is_random: bool  # a Poisson process, else evenly spaced
    times: tuple[float, ...]  # recorded arrivals, instead of a rate
    warm_up_s: float
    lasts_s: float  # warm-up included
    deadline_s: float
    seed: int
    epoch_ns: int
    currency: str
    amounts: AmountPlan
    merchants: tuple[MerchantPlan, ...] = ()  # empty: made-up ones
    twice_share: float = 0.0  # of the orders: paid twice
    twice_gap_s: float = 0.0
    twice_same_key: bool = False
    schemes: tuple[tuple[str, float], ...] = ()  # with their shares; empty: as test cards are
    recorded_amounts: tuple[int, ...] = ()  # minor units, of each of `times`; empty: drawn
    recorded_merchants: tuple[str, ...] = ()
    recorded_schemes: tuple[str, ...] = ()
    share: int = 0  # which of `shares` workers this is
    shares: int = 1
    network: str = ""  # that payments go to addresses on; "": they are made with cards
    users: int = 0  # of the closed model, instead of arrivals; 0 in the open one
    think_median_s: float = 0.0
    think_p99_s: float = 0.0
    folder: str = ""  # where a load process and who started it leave each other files
    retry_after_s: float | None = None  # the customer's side retries after so long
    retry_same_key: bool = True  # else each retry is another payment of the order
    leaves_share: float = 0.0  # of the payments: their customers leave without an answer
    leaves_after_s: float = 0.0
    returns_after_s: float | None = None  # after leaving; None: never
    pays_again_s: float | None = None  # after a decline, once
    changes_card: bool = False  # for that
    lingers_s: float = 0.0  # between the service's first answer and the customer's next request
    named_share: float = 1.0  # of the amount, in each request after the first
    id_prefix: str = "p"  # of every payment's id: with an own service, unique to the run
    unique_amounts: bool = False  # so that an amount alone shows whose request it is
    scripts: tuple[str, ...] = ()  # failure scripts, as `encode_script` writes them

    @property
    def has_orders(self) -> bool:
        """An order may be paid by more than one payment."""
        is_declared = self.twice_share > 0 or not self.retry_same_key
        return is_declared or any(script.pays_again for script in self.failure_scripts())

    @property
    def longest_s(self) -> float:
        """How long after its intended start the last record of a payment comes."""
        scripts = self.failure_scripts()
        away_s = [script.away_s for script in scripts]
        # The decline may come as late as any answer.
        again = filter(None, (script.customer("pays_again") for script in scripts))
        away_s += [self.deadline_s + each.after for each in again]
        if self.leaves_share and self.returns_after_s is not None:
            away_s.append(self.leaves_after_s + self.returns_after_s)
        away_s += [each.lasts for s in scripts if (each := s.customer("lingers")) is not None]
        # Who comes back waits there as long as anybody.
        return max(away_s, default=0.0) + self.deadline_s

    def failure_scripts(self) -> list[Script]:
        """The scripts of `scripts`, decoded. Raises ValueError for a text that is none."""
        if not self.scripts:
            return []
        # Only a load with scripts waits for the model of declarations.
        from paychain.model.scripts import decode_script

        return list(map(decode_script, self.scripts))

    def reached_at(
        self, urls: Mapping[str, str], epoch_ns: int, pages: Mapping[str, str] = {}
    ) -> LoadPlan:
        """The same, with where customers reach each entry and when the run began."""
        entries = tuple(
            msgspec.structs.replace(entry, url=urls[entry.link], pages=dict(pages))
            for entry in self.entries
        )
        return msgspec.structs.replace(self, entries=entries, epoch_ns=epoch_ns)

    def declared_in(self, chain: Loaded[Chain]) -> LoadPlan:
        """The same, with the chain's file: adapters lie relative to it, and messages name it."""
        folder = str(chain.path.parent.absolute())

        def found(entry: EntryPlan) -> EntryPlan:
            if entry.pays is None:
                return entry
            place = chain.place("links", entry.pays.link, "pays")
            pays = msgspec.structs.replace(entry.pays, folder=folder, place=place)
            return msgspec.structs.replace(entry, pays=pays)

        return msgspec.structs.replace(self, entries=tuple(map(found, self.entries)))

    @property
    def spool(self) -> Path:
        """Every record of the load process."""
        return Path(self.folder, "load.spool")

    @property
    def ready(self) -> Path:
        """Appears once the load can start."""
        return Path(self.folder, "load.ready")

    @property
    def go(self) -> Path:
        """Appears with the start time, since the epoch, when it may."""
        return Path(self.folder, "load.go")

    @property
    def stop(self) -> Path:
        """Appears when no further payment may be started."""
        return Path(self.folder, "load.stop")

    @property
    def offered(self) -> Path:
        """What the load process says of itself: Offered."""
        return Path(self.folder, "load.offered")


class OfferedLoad(msgspec.Struct, frozen=True):
    """What the load process says of itself, now and then and at its end."""

    started: int  # payments that were really started
    is_over: bool  # all of them have ended, and every record is written
    problems: list[str] = []  # with how customers pay, once they are certain
