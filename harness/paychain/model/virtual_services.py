"""Which own services virtual time has room for: an ASGI application (`app:`), and no process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from paychain.faults.kind import FreezeKind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.places import affected_links
from paychain.model.service import OwnService
from paychain.payments.errors import UserError


class MissingFeature(NamedTuple):
    """What virtual time lacks for a service, and what to do about it."""

    what: str
    hint: str


def refuse_processes(
    chain: Chain,
    what: str,
    experiment: Experiment | None = None,
    *,
    hint: str = "run it in real time, with paychain run",
) -> None:
    """Raises UserError when an own service cannot run in virtual time, or a fault not act there.

    `what`: what was asked for, such as `--virtual`. `hint`: how real time is asked for.
    """
    for missing in _missing(chain, what, experiment):
        raise UserError(missing.what, hint=f"{missing.hint}{'; ' * bool(missing.hint)}{hint}")


def experimental_note(chain: Chain) -> str:
    """What is worth a line about the own service of a chain in virtual time; "" without one."""
    return "".join(
        f"{name} ({service.app}) runs in virtual time, its clocks and chance redirected: "
        "this is experimental"
        for name, service in chain.own_services().items()
    )


def _missing(chain: Chain, what: str, experiment: Experiment | None) -> Iterator[MissingFeature]:
    own = chain.own_services()
    for name, service in own.items():
        if service.app is None:
            yield MissingFeature(
                f"{name} is an own service, a process that virtual time cannot reach: "
                f"{what} needs a chain of mocks, or an ASGI application (app:)",
                "",
            )
        yield from _of_application(chain, name, service)
    if len(own) > 1:
        yield MissingFeature(
            f"{' and '.join(own)} are own services, but virtual time supports only one", ""
        )
    if own and experiment is not None:
        yield from _of_faults(chain, experiment)


def _of_application(chain: Chain, name: str, service: OwnService) -> Iterator[MissingFeature]:
    """What needs processes or sockets of the machine."""
    if service.before:
        hint = "make the application prepare its store at start-up, and remove before:"
        yield MissingFeature(
            f"{name} runs commands before it starts, which virtual time does not support", hint
        )
    if service.proxy:
        hint = "give the application addresses with {url:LINK}, and remove proxy:"
        yield MissingFeature(f"{name} uses proxy:, but virtual time has no TLS", hint)
    books = chain.links[name].books
    if books is not None and books.command is not None:
        hint = "declare books: {get: …}"
        yield MissingFeature(
            f"the books of {name} are read by a command, which virtual time cannot run", hint
        )
    for target in chain.callees_of(name):
        if target in chain.links and chain.links[target].tls:
            hint = f"remove tls: from {target}"
            yield MissingFeature(
                f"{name} calls {target} by TLS, which virtual time does not support", hint
            )


def _of_faults(chain: Chain, experiment: Experiment) -> Iterator[MissingFeature]:
    """An application shares its loop with everything else: it alone cannot be frozen."""
    own = chain.own_services()
    for fault in experiment.faults:
        if not isinstance(fault.parameters, FreezeKind):
            continue
        for target in fault.every_target:
            for name in set(affected_links(chain, target)) & set(own):
                hint = f"freeze a link that {name} calls, or use crash"
                yield MissingFeature(f"{fault.id}: {name} cannot be frozen in virtual time", hint)
