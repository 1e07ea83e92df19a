"""Makes the plan of a load process from what is declared."""

from __future__ import annotations

from collections.abc import Mapping

from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan, MerchantPlan
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.load import USUAL_AMOUNTS, Amounts, MerchantShare
from paychain.model.paid_at import template_at
from paychain.model.scripts import encode_script
from paychain.payments.money import to_minor


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
        entries=tuple(_entry(chain, experiment, entry, urls or {}) for entry in chain.entries),
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
            _merchant(name, merchant, currency) for name, merchant in load.merchants.items()
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


def _entry(chain: Chain, experiment: Experiment, entry: str, urls: Mapping[str, str]) -> EntryPlan:
    return EntryPlan(
        link=entry,
        dialect=chain.links[entry].dialect.name,
        url=urls.get(entry, ""),
        corners=experiment.load.corners_at(entry, experiment.load_lasts),
        pays=template_at(chain, entry),
    )


def _merchant(name: str, merchant: MerchantShare, currency: str) -> MerchantPlan:
    amounts = _amounts(merchant.amounts, currency) if merchant.amounts else None
    return MerchantPlan(name=name, share=merchant.share, amounts=amounts)


def _amounts(amounts: Amounts | None, currency: str) -> AmountPlan:
    amounts = amounts or USUAL_AMOUNTS
    return AmountPlan(
        median=to_minor(str(amounts.median), currency),
        least=to_minor(str(amounts.least), currency),
        most=to_minor(str(amounts.most), currency),
    )


def customers_plan(chain: Chain, seed: int) -> LoadPlan:
    """What customers of a chain need to know who pay without a load: deadline, currency, entry."""
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return load_plan(chain, Experiment.model_validate({"experiment": "none", "load": load}), seed)
