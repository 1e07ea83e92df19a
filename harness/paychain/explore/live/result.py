"""What a search on a live chain is asked, and what it has found so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from paychain.analysis.store.store import RecordedPayment
from paychain.explore.live.outages import LiveOutage
from paychain.explore.live.steps import Steps
from paychain.model.script_words import script_words
from paychain.model.scripts import Script
from paychain.payments.errors import UserError, meant
from paychain.payments.rules import RULES, Finding
from paychain.processes.part import WHOLE, Part

MIN_BATCH, MAX_BATCH = 8, 256  # payments with a script at once
PARTS_APART = 1_000_003  # seeds of searches: those of neighbouring seeds never meet
REPRODUCTIONS = 3  # fresh payments that follow it alone; as many again where some break nothing


def controls_beside(scripts: int) -> int:
    """Payments without a script beside so many with one: enough to see that the service is well."""
    return max(4, scripts // 8)


@dataclass(frozen=True, kw_only=True)
class LiveSpec:
    """What is searched, and for how long.

    `budget_s` and `max_scripts` bound the search, whichever comes first. `batch`: payments with a
    script at once, `rate`: how many payments begin per second at most. Without `rules` all are
    searched.
    `outage_share`: of the batches, those through which a whole link or the service fails. `part`:
    of a search that several machines share: its share of the scripts, and of the number of them.
    Raises UserError for what cannot be searched.
    """

    seed: int = 1
    budget_s: float = 60.0
    max_scripts: int | None = None
    batch: int = 64
    rate: float = 48.0
    rules: tuple[str, ...] = ()
    outage_share: float = 0.0
    part: Part = WHOLE

    def __post_init__(self) -> None:
        for name in self.rules:
            if name not in RULES:
                raise UserError(f"unknown money rule '{name}'", hint=meant(name, RULES))
        if not MIN_BATCH <= self.batch <= MAX_BATCH:
            raise UserError(
                f"--batch {self.batch} is out of range",
                hint=f"give {MIN_BATCH} to {MAX_BATCH} payments",
            )
        if self.budget_s <= 0 or (self.max_scripts is not None and self.max_scripts < 1):
            raise UserError("empty search budget", hint="give a budget above 0")

    @property
    def seed_of_search(self) -> int:
        """The seed that scripts are drawn with: each part of a search has its own."""
        return self.seed + PARTS_APART * (self.part.number - 1)

    @property
    def share(self) -> int | None:
        """How many scripts this part tries."""
        return None if self.max_scripts is None else -(-self.max_scripts // self.part.of)

    @property
    def controls(self) -> int:
        """Payments without a script beside a whole batch."""
        return controls_beside(self.batch)

    def seeks(self, rule: str) -> bool:
        """Whether a rule is searched."""
        return not self.rules or rule in self.rules


@dataclass(frozen=True, kw_only=True)
class FoundScript:
    """The smallest script found that breaks a rule; without steps, nothing has to fail for it.

    `outage`: what all payments have to meet beside it. `is_minimal`: no one-step-simpler script
    broke the rule. `reproduced`: of `alone` fresh payments that followed it alone, or of as many
    outages; 0: none did, and the search was stopped before it tried more gently; None: the search
    ended before.
    """

    rule: str
    steps: Steps
    finding: Finding
    at_script: int  # how many scripts had been tried when the rule first broke
    stories: tuple[RecordedPayment, ...]
    outage: LiveOutage | None = None
    is_minimal: bool = False
    reproduced: int | None = None
    alone: int = REPRODUCTIONS

    @property
    def is_certain(self) -> bool:
        """Every payment that followed it alone broke the rule."""
        return self.reproduced == self.alone

    @property
    def words(self) -> str:
        """What has to fail, in plain words."""
        if self.outage is None:
            return words_of(self.steps)
        return f"{self.outage}; {words_of(self.steps)}" if self.steps else str(self.outage)

    @property
    def title(self) -> str:
        """The rule's title."""
        return RULES[self.rule].title


@dataclass
class LiveResult:
    """What a search has done so far. Filled while it runs, so that Ctrl-C loses nothing."""

    found: dict[str, FoundScript] = field(default_factory=dict)  # by rule
    scripts: int = 0
    requests: int = 0
    batches: int = 0
    outages: int = 0  # batches through which a whole link or the service failed
    controls: int = 0
    controls_s: list[float] = field(default_factory=list)  # how long their customers waited
    met: int = 0  # scripts of which at least one step met a request, or that change the customer
    undecided: int = 0
    spaced: int = 0  # how often batches were spaced because payments without a script failed
    restarts: int = 0  # how often the chain was started again for the same reason
    coupled: dict[str, int] = field(default_factory=dict)  # rules that controls broke only in batch
    deaths: list[str] = field(default_factory=list)  # of own services, with their last lines
    # Scripts that broke a rule, in words by rule, and did not on a chain that was started afresh.
    doubtful: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    was_interrupted: bool = False
    doing: str = ""  # what the search is at, in a few words

    @property
    def payment_s(self) -> float:
        """How long a payment takes where nothing fails: the median."""
        return median(self.controls_s) if self.controls_s else 0.0

    @property
    def rate(self) -> float:
        """Scripts per minute."""
        return 60 * self.scripts / self.took_s if self.took_s else 0.0


OnProgress = Callable[[LiveResult], None]


def words_of(steps: Steps) -> str:
    """A script in plain words."""
    if not steps:
        return "nothing fails"
    script = Script.model_validate({"id": "found", "steps": [step.declared() for step in steps]})
    return script_words(script)
