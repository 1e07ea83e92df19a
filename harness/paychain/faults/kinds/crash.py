"""`crash`: the link's process dies and comes back."""

from __future__ import annotations

from paychain.faults.kind import Facts, Limitation, LinkTraits, OutageKind, Search


class Crash(OutageKind):
    """The link's process dies, and comes back when the fault is over.

    Its connections, the answers it was working on and its pending reversals are lost. Its books are
    on disk and survive; with `forgets` they are lost too, and so are its idempotency keys.

    A link with `isolate: true` has a process of its own, which a real run kills (SIGKILL) and
    restarts on the same port. It keeps nothing on disk, so it needs `forgets`. The run's records
    miss nothing of it: such a link's journal is written before its answers leave.

    Of an own service the whole process group is killed, and its command is started again on the
    same port. What it knows then is what its code has stored.
    """

    facts = Facts(
        meaning="its process dies",
        switch=({"forgets": "false"}, {"forgets": "true"}),
        search=Search(rank=13),
    )

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Books survive in a process that keeps running; an isolated one is killed."""
        if self.forgets or not link.isolate:
            return super().limitation(name, link)
        what = f"{name} is isolated: a crash kills its process, which keeps no books on disk"
        return what, "write forgets: true"
