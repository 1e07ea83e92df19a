"""What the shops of `mistaken_shop` do when a payment follows a script, without running any.

A sketch: which requests a script leads to, and whether the mistake shows. The timing of sweeps and
webhooks is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from paychain.explore.live.steps import DECLINED, Place, Steps

WAITS_MS = 2_000  # the shop's timeout
# What a failure does to a request: whether the work is done, and what the shop takes it for.
_DONE = {"lost_answer", "slow_answer", "late_answer", "http_error 1", "stuck_pending", "malformed"}


@dataclass
class Shop:
    """The course of one payment. `broken`: the mistake shows."""

    steps: Steps
    mistake: str = "none"
    asked: Counter[Place] = field(default_factory=Counter)
    broken: bool = False

    def __post_init__(self) -> None:
        self._at = {(step.place, step.number): step for step in self.steps}
        self._holds: Counter[str] = Counter()
        self._done: defaultdict[str, int] = defaultdict(int)
        self._pay()

    def _ask(self, link: str, operation: str) -> tuple[bool, str]:
        """Whether the work is done, and what is answered: ok, no, refused or unknown."""
        place = ("link", link, operation)
        self.asked[place] += 1
        step = self._at.get((place, self.asked[place]))
        if step is None:
            return True, "ok"
        if step.name == "decline":
            return False, "no"
        if step.name.startswith("wrong_answer"):
            return True, "no" if step.name == "wrong_answer" else "ok"  # the first one: declined
        if step.name == "rate_limit":
            return False, "refused"
        if step.name == "http_error":
            return False, "unknown"
        is_late = step.name not in ("slow_answer", "late_answer") or step.ms > WAITS_MS
        return True, "unknown" if step.name in _DONE and is_late else "ok"

    def _tell(self, link: str) -> str:
        """Send a webhook; what happens to it."""
        self.asked["webhook", link] += 1
        step = self._at.get((("webhook", link), self.asked["webhook", link]))
        return step.name if step is not None else ""

    def _pay(self) -> None:
        unknown, held = [], ""
        for link in ("stripe", "adyen"):
            done, answer = self._ask(link, "authorise")
            self._holds[link] += done
            if done:
                self._tell(link)
            if answer == "unknown" and (self.mistake, link) == ("retries_without_key", "adyen"):
                done, answer = self._ask(link, "authorise")
                self._holds[link] += done
            if answer == "ok":
                held = link
                break
            is_unsure = answer in ("unknown", "no") and (
                answer != "no" or self.mistake != "fails_over_after_decline"
            )
            unknown += [link] * is_unsure
            if answer == "no" and self.mistake != "fails_over_after_decline":
                break
        if held:
            self._capture(held)
        else:
            self.asked[DECLINED] += 1
            if self._pays_again(unknown):
                return
        for link in unknown:
            self._cancel(link)
        self.broken |= sum(self._holds.values()) > bool(held)

    def _pays_again(self, unknown: list[str]) -> bool:
        """Whether the customer pays again, and the shop forgets what may be held by then."""
        pays = any(step.follows_decline for step in self.steps) and self.asked[DECLINED] == 1
        if not pays or self.mistake != "forgets_a_refusal":
            return False
        self.broken |= any(self._holds[link] for link in unknown)
        self._pay()
        return True

    def _capture(self, link: str) -> None:
        answer = ""
        while answer != "ok":
            if link == "stripe" and self._ask(link, "query")[1] != "ok":
                continue
            done, answer = self._ask(link, "capture")
            self._done["captured"] += done
            if self.mistake == "captures_twice" and link == "stripe":
                acts = answer == "unknown" or any(s.place[0] == "customer" for s in self.steps)
                if acts:
                    self._ask(link, "capture")
                    self.broken = True
            if done:
                break
        told = self._tell(link)
        if self.mistake in ("refunds_again", "refunded_before_paid", "refunds") and (
            link == "stripe"
        ):
            done, answer = self._ask(link, "refund")
            if answer != "ok":
                again, _ = self._ask(link, "refund")
                self.broken |= self.mistake == "refunds_again" and done and again
            self._tell(link)
            is_late = told in ("late", "out_of_order", "dropped")
            self.broken |= self.mistake == "refunded_before_paid" and is_late

    def _cancel(self, link: str) -> None:
        if self.mistake != "retries_without_key":
            self._holds[link] = min(self._holds[link], 1)
        while True:
            if link == "stripe" and self._ask(link, "query")[1] != "ok":
                if self.mistake == "reversed_once":
                    return
                continue
            done, _ = self._ask(link, "void")
            if done:
                self._holds[link] -= 1
                self._tell(link)
                return
            if self.mistake == "reversed_once":
                return
