"""What paychain explore is to search for: the specs that the texts of its options stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paychain.cli.explore_options import budget_of, duration_of, limit_of, share_of

if TYPE_CHECKING:
    from paychain.explore.live.result import LiveSpec
    from paychain.explore.spec import SearchSpec
    from paychain.model.chain import Chain
    from paychain.model.loading import Loaded
    from paychain.processes.part import Part


@dataclass(frozen=True, kw_only=True)
class ExploreOptions:
    """What to search for, as the options say it."""

    seed: int
    rules: Sequence[str]  # none: all
    # In virtual time:
    budget: str  # a duration, or a number of schedules
    kinds: Sequence[str]  # none: all
    payments: int  # of each schedule
    success: str | None
    works_again: str | None
    interleavings: bool
    # On a running chain:
    lasts: str
    scripts: int | None
    batch: int  # payments at once
    outages: str

    def live_spec(self, part: Part) -> LiveSpec:
        """The search for a script on a running chain. Raises UserError."""
        from paychain.explore.live.result import LiveSpec

        return LiveSpec(
            seed=self.seed,
            budget_s=duration_of("--for", self.lasts),
            max_scripts=self.scripts,
            batch=self.batch,
            rules=tuple(self.rules),
            outage_share=share_of("--outages", self.outages),
            part=part,
        )

    def search_spec(
        self, loaded: Loaded[Chain], replayed_on: Chain | None, out: Path
    ) -> SearchSpec:
        """The search for an outage in virtual time. Raises UserError."""
        from paychain.explore.spec import SearchSpec

        budget_s, max_schedules = budget_of(self.budget)
        lasts = self.works_again
        return SearchSpec(
            loaded.model,
            seed=self.seed,
            budget_s=budget_s,
            max_schedules=max_schedules,
            payments=self.payments,
            rules=self._searched_rules,
            kinds=tuple(self.kinds),
            replayed_on=replayed_on,
            success=limit_of(self.success),
            works_again_s=duration_of("--works-again", lasts) if lasts else None,
            interleavings=self.interleavings,
            database=out / ".examples",
            home=loaded.path.parent,
        )

    @property
    def _searched_rules(self) -> tuple[str, ...]:
        """The rules that are searched in virtual time; none stands for all."""
        from paychain.explore.checks import SUCCESS, WORKS_AGAIN

        if not self.rules:
            return ()
        # What --success and --works-again ask for is searched beside the rules that are named.
        asked = {SUCCESS: self.success, WORKS_AGAIN: self.works_again}
        return (*self.rules, *(name for name, limit in asked.items() if limit is not None))
