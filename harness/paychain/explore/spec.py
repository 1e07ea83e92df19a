"""What a search is asked to do, checked before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from paychain.explore.checks import CONCLUSIVE, SUCCESS, WORKS_AGAIN
from paychain.explore.schedules import FaultChoice, fault_choices, provider_choices
from paychain.model.chain import Chain
from paychain.model.tolerance import Limit
from paychain.model.virtual_services import refuse_processes
from paychain.payments.errors import UserError, meant
from paychain.payments.rules import RULES


@dataclass(frozen=True)
class SearchSpec:
    """What is searched, and for how long.

    `budget_s` and `max_schedules` bound the search in seconds and schedules, whichever comes first.
    `rate`: payments per second. `works_again_s`: seconds after the last heal from which payments
    must not fail; not judged without it. Without `rules` or `kinds` all are searched.
    `replayed_on`: only faults that this chain can have, too, are injected.

    Raises UserError for a rule or a kind of fault that does not exist, and for an empty budget: a
    search that cannot find anything would look like a chain that is sound.
    """

    chain: Chain
    _: KW_ONLY
    seed: int = 1  # of the payments, and of the search unless it has one of its own
    seed_of_search: int = 0
    budget_s: float = 20.0
    max_schedules: int | None = None
    payments: int = 20
    rate: int = 10
    rules: Sequence[str] = ()
    kinds: Sequence[str] = ()
    replayed_on: Chain | None = None
    success: Limit | None = None
    works_again_s: float | None = None
    interleavings: bool = False
    database: Path | None = None  # folder of examples that broke something before
    home: Path = Path()  # folder of the chain's file

    def __post_init__(self) -> None:
        refuse_processes(self.chain, "paychain explore", hint="add --live")
        known = [*RULES, CONCLUSIVE]
        known += [SUCCESS] * (self.success is not None)
        known += [WORKS_AGAIN] * (self.works_again_s is not None)
        for name in self.rules:
            if name not in known:
                raise UserError(f"unknown money rule '{name}'", hint=meant(name, known))
        self.choices()
        load_s = self.payments / self.rate
        is_judged = not self.rules or WORKS_AGAIN in self.rules
        if is_judged and self.works_again_s is not None and self.works_again_s >= load_s:
            raise UserError(
                f"no payment starts {self.works_again_s:g} s after the last heal: "
                f"the load lasts {load_s:g} s",
                hint="use a shorter time, or more payments",
            )
        if self.budget_s <= 0 or (self.max_schedules is not None and self.max_schedules < 1):
            raise UserError("empty search budget", hint="give a budget above 0")

    def choices(self) -> list[FaultChoice]:
        """Every fault at a link or a call that may be drawn. Raises UserError without any."""
        return fault_choices(self.chain, self.kinds, self.replayed_on)

    def provider_choices(self) -> list[FaultChoice]:
        """Every fault of a provider's links together: tried in order, and not drawn."""
        return provider_choices(self.chain, self.kinds, self.replayed_on)

    @property
    def paying_ms(self) -> int:
        """How long payments begin, in milliseconds from the first one."""
        return self.payments * 1000 // self.rate
