"""What the load process needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.load import Amounts
from paychain.model.loading import Loaded
from paychain.model.paid_at import template_at
from paychain.model.scripts import decode_script, encode_script
from paychain.payments.money import to_minor
from paychain.protocol.pays.template import PaysTemplate

_MEDIAN, _LEAST, _MOST = "40", "1", "900"  # amounts where an experiment names none


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
    its part of the plan's.
    """

    link: str
    dialect: str = "paychain"
    url: str = ""
    corners: tuple[tuple[float, float], ...] = ()
    pays: PaysTemplate | None = None  # how an own service is paid, instead of the dialect


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
    merchants: tuple[MerchantPlan, ...] = ()  # empty: invented ones
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
    id_prefix: str = "p"  # of every payment's id: with an own service, unique to the run
    unique_amounts: bool = False  # so that an amount alone shows whose request it is
    scripts: tuple[str, ...] = ()  # failure scripts, as `encode_script` writes them

    @property
    def has_orders(self) -> bool:
        """An order may be paid by more than one payment."""
        is_declared = self.twice_share > 0 or not self.retry_same_key
        return is_declared or any(decode_script(text).pays_again for text in self.scripts)

    @property
    def longest_s(self) -> float:
        """How long after its intended start the last record of a payment comes."""
        away_s = [decode_script(text).away_s for text in self.scripts]
        if self.leaves_share and self.returns_after_s is not None:
            away_s.append(self.leaves_after_s + self.returns_after_s)
        # Who comes back waits there as long as anybody.
        return max(away_s, default=0.0) + self.deadline_s

    def reached_at(self, urls: Mapping[str, str], epoch_ns: int) -> LoadPlan:
        """The same, with where customers reach each entry and when the run began."""
        entries = tuple(
            msgspec.structs.replace(entry, url=urls[entry.link]) for entry in self.entries
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


class Offered(msgspec.Struct, frozen=True):
    """What the load process says of itself, now and then and at its end."""

    started: int  # payments that were really started
    is_over: bool  # all of them have ended, and every record is written
    problems: list[str] = []  # with how customers pay, as the answers showed


def load_plan(
    chain: Chain,
    experiment: Experiment,
    seed: int,
    *,
    epoch_ns: int = 0,
    urls: Mapping[str, str] | None = None,
) -> LoadPlan:
    """The plan of an experiment's load, for no process yet: it names no files.

    `urls`: where customers reach each entry, by link.
    """
    load, currency = experiment.load, chain.currency
    thinks, twice, retry = load.think_time, load.twice, chain.customer.retry
    leaves = chain.customer.leaves
    recorded = load.arrivals.recorded if load.arrivals else None
    payments = recorded.payments if recorded else ()
    return LoadPlan(
        entries=tuple(
            EntryPlan(
                link=entry,
                dialect=chain.links[entry].dialect.name,
                url=(urls or {}).get(entry, ""),
                corners=load.corners_at(entry, experiment.load_lasts),
                pays=template_at(chain, entry),
            )
            for entry in chain.entries
        ),
        corners=load.corners(experiment.load_lasts),
        is_random=load.spacing == "poisson",
        times=load.arrivals.times if load.arrivals else (),
        warm_up_s=load.warm_up,
        lasts_s=experiment.load_lasts,
        deadline_s=chain.deadline,
        seed=seed,
        epoch_ns=epoch_ns,
        currency=currency,
        amounts=_amounts(load.amounts, currency),
        merchants=tuple(
            MerchantPlan(
                name=name,
                share=merchant.share,
                amounts=_amounts(merchant.amounts, currency) if merchant.amounts else None,
            )
            for name, merchant in load.merchants.items()
        ),
        schemes=tuple(load.schemes.items()),
        recorded_amounts=recorded.amounts(currency) if recorded else (),
        unique_amounts=bool(chain.own_services()),
        recorded_merchants=tuple(each.merchant for each in payments if each.merchant),
        recorded_schemes=tuple(each.scheme for each in payments if each.scheme),
        network=chain.addressed,
        users=load.users or 0,
        think_median_s=thinks.median if thinks else 0.0,
        think_p99_s=thinks.p99 if thinks else 0.0,
        retry_after_s=retry.after if retry else None,
        retry_same_key=retry is None or retry.key == "same",
        leaves_share=leaves.share if leaves else 0.0,
        leaves_after_s=leaves.after if leaves else 0.0,
        returns_after_s=leaves.returns_after if leaves else None,
        twice_share=twice.share if twice else 0.0,
        twice_gap_s=twice.gap if twice else 0.0,
        twice_same_key=twice is not None and twice.key == "same",
        scripts=tuple(map(encode_script, experiment.scripts)),
    )


def _amounts(amounts: Amounts | None, currency: str) -> AmountPlan:
    return AmountPlan(
        median=to_minor(str(amounts.median) if amounts else _MEDIAN, currency),
        least=to_minor(str(amounts.least) if amounts else _LEAST, currency),
        most=to_minor(str(amounts.most) if amounts else _MOST, currency),
    )


def customers_plan(chain: Chain, seed: int) -> LoadPlan:
    """What customers of a chain need to know who pay without a load: deadline, currency, entry."""
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return load_plan(chain, Experiment.model_validate({"experiment": "none", "load": load}), seed)
