"""One mutant, played and judged: which rules name which payments."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.compare import findings_of
from tests.oracle.mutant_chains import is_affected, models, play_chain
from tests.oracle.mutants import PHANTOM, Mutant
from tests.oracle.planting import planted
from tests.oracle.verdict import wrongs
from tests.oracle.world import watched


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the rules say of one mutant."""

    mutant: Mutant
    affected: frozenset[str]  # the payments that the mutant is for
    named: dict[str, frozenset[str]]  # by rule
    wrong: frozenset[str]  # what is wrong in the world, with whatever payment

    @property
    def is_exact(self) -> bool:
        """The mutant's rule names its payments and no other."""
        return self.named.get(self.mutant.rule) == self.affected

    @property
    def innocent(self) -> frozenset[str]:
        """Payments that a rule names although the mutant did nothing to them."""
        every = frozenset[str]().union(*self.named.values()) if self.named else frozenset[str]()
        return every - self.affected

    @property
    def is_found(self) -> bool:
        """By its rule, exactly, and nobody else is blamed."""
        if self.mutant.spreads:
            return self.affected <= self.named.get(self.mutant.rule, frozenset())
        return self.is_exact and not self.innocent

    def __str__(self) -> str:
        counts = ", ".join(f"{rule} {len(named)}" for rule, named in sorted(self.named.items()))
        blamed = f"; {len(self.innocent)} of others" if self.innocent else ""
        return f"{len(self.affected)} affected: {counts or 'not seen'}{blamed}"


def judged(mutant: Mutant) -> Judged:
    """Play the mutant's chain with it, and judge what is recorded."""
    # The world's record is made beneath the bug: what is booked because of it really happened.
    with watched(models(mutant.chain)[0]) as world, planted(mutant.plant, is_affected):
        chain, played = play_chain(mutant.chain)
    found = findings_of(chain, played)
    customers = {
        record.payment for record in played.records if type(record).__name__ == "PaymentRecord"
    }
    return Judged(
        mutant=mutant,
        affected=frozenset(payment for payment in customers if is_affected(payment)),
        named={
            rule: frozenset(payment.removeprefix(PHANTOM) for payment in payments)
            for rule, payments in found.items()
        },
        wrong=frozenset(what for what, payments in wrongs(world).items() if payments),
    )
