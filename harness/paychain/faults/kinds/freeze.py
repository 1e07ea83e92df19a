"""`freeze`: the link's process is suspended for a while, as in a long GC pause."""

from __future__ import annotations

from paychain.faults.kind import Facts, FreezeKind, Limitation, LinkTraits


class Freeze(FreezeKind):
    """The link's process is suspended, and continues where it stopped when the fault ends.

    Connections stay open and new ones are accepted by the kernel, but nothing is read or answered:
    a pause of a garbage collector, or a virtual machine that is moved. Timers that ran out
    meanwhile expire at once afterwards. It is for own services, whose whole process group gets
    SIGSTOP and then SIGCONT, and for links with `isolate: true`.
    """

    facts = Facts(meaning="its process stops for a while", switch=({},), search=None)

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Refuse links that share a process with others, which it would stop as well."""
        if link.isolate or link.service is not None:
            return super().limitation(name, link)
        what = f"{name} shares its process with other links, which freeze would stop as well"
        return what, "write isolate: true on the link"
