"""What a node has seen of a ledger, by branch: that of another branch is nobody else's news."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.payments.bounded import BoundedDict
from paychain.protocol.message import BranchPoint, Sighting

MAX_SEEN = 100_000  # transactions that a node remembers, of each branch
MAX_VIEWS = 8  # branches that a node remembers, the latest


@dataclass(kw_only=True)
class View:
    """What a node has seen of one branch. `made_ns`: when its head was made, as far as asked.

    `point`: where its branch leaves the rest, once a scan has told.

    `rest`: what it has seen of the branch that the rest follows, where this is another one. Up to
    the head that it knew when this one began, both are the same.
    """

    head: int = 0
    made_ns: int = 0
    rest: View | None = None
    point: BranchPoint | None = field(default=None, init=False)
    _began: int = field(default=0, init=False)
    _seen: BoundedDict[str, Sighting] = field(
        default_factory=lambda: BoundedDict(MAX_SEEN), init=False
    )

    def __post_init__(self) -> None:
        """Begin with the head of the rest."""
        if self.rest is not None:
            self._began = self.head = self.rest.head
            self.made_ns = self.rest.made_ns

    def note(self, reference: str, sighting: Sighting) -> None:
        """Remember what was seen of a transaction, and of the head."""
        self.reach(sighting)
        self._seen[reference] = sighting

    def reach(self, sighting: Sighting) -> None:
        """Remember the head alone."""
        self.head = max(self.head, sighting.head)
        self.made_ns = max(self.made_ns, sighting.made_ns)
        self.point = sighting.branch or self.point

    def of(self, reference: str) -> Sighting:
        """What was seen last of a transaction: nothing but a head, where it never was."""
        seen = self._seen.get(reference)
        if seen is None and self.rest is not None:
            before = self.rest._seen.get(reference)
            seen = before if before is not None and before.head <= self._began else None
        return Sighting(self.head) if seen is None else seen


@dataclass
class Views:
    """What a node has seen of each branch, by its name; "" is the one that the rest follows."""

    _rest: View = field(default_factory=View, init=False)
    _others: BoundedDict[str, View] = field(
        default_factory=lambda: BoundedDict(MAX_VIEWS), init=False
    )

    def of(self, branch: str) -> View:
        """What it has seen of a branch, which begins as the rest where it is asked of first."""
        if not branch:
            return self._rest
        view = self._others.get(branch)
        if view is None:
            view = self._others[branch] = View(rest=self._rest)
        return view

    def forget(self, branch: str) -> None:
        """Forget what a branch alone has."""
        self._others.pop(branch, None)
