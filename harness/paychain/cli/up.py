"""paychain up: a chain's mock services and proxies without load, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.options import ChainName, Seed, Toxiproxy
from paychain.cli.say import say

if TYPE_CHECKING:
    import threading

    from paychain.environment.real import RealChain
    from paychain.model.chain import Chain
    from paychain.model.loading import Loaded
    from paychain.model.scripts import Script

WATCH_S = 0.25  # between two checks that all processes are alive


Only = Annotated[
    str | None,
    typer.Option(
        help="start only the links of this host, as hosts: in the chain file assigns them"
    ),
]
Env = Annotated[
    bool,
    typer.Option(
        "--env",
        help="do not start own services; print the variables that each one needs, so that you "
        "can start it by hand",
    ),
]
Scripts = Annotated[
    Path | None,
    typer.Option(
        help="experiment file with scripts: a payment with a script's amount, card "
        "or header follows that script",
    ),
]
FirstPort = Annotated[
    int,
    typer.Option(
        min=0,
        max=65_000,
        help="fixed ports from here on: the fault engine's API, then each hop in the order of "
        "the chain; 0: free ones",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print the addresses as one line of JSON")]


def up(
    chain: ChainName,
    seed: Seed = 1,
    toxiproxy: Toxiproxy = None,
    only: Only = None,
    env: Env = False,
    scripts: Scripts = None,
    port: FirstPort = 0,
    json: AsJson = False,
) -> None:
    """Start a chain without load until Ctrl-C: send payments and add toxics yourself.

    Example: paychain up card-ecommerce

    An own service in a debugger: paychain up shop.yaml --env > shop.env, then source shop.env

    One outcome in a test of your own: paychain up shop.yaml --scripts chaos/lost.yaml
    """
    from paychain.environment.real import RealChain
    from paychain.model.loading import load_chain
    from paychain.processes.scratch import scratch_folder

    loaded = load_chain(chain)
    if env and not json:
        _refuse_no_service(loaded.model)
    followed = _scripts_of(scripts, loaded.model)
    stop = _stop_on_signals()
    if only is not None:
        _serve_only(loaded, only, stop)
        return
    with scratch_folder() as folder:
        own = loaded.model.own_services()
        # Its user switches faults with any client of Toxiproxy, none of which can send a token.
        running = RealChain(
            loaded,
            folder,
            seed=seed,
            toxiproxy=toxiproxy,
            # One with url: may be started later, with what is shown here.
            by_hand=[name for name, service in own.items() if env or not service.is_started],
            is_open=True,
            is_patient=True,
            first_port=port,
        )

        def show() -> None:
            if env and not json:
                _show_variables(running, loaded.model)
            else:
                _show(running, loaded.model, folder, as_json=json)
            if not json:
                for script in followed:
                    print(f"{'# ' if env else ''}script {_script_line(script)}", flush=True)

        _run_until(stop, running, followed, show)


def _stop_on_signals() -> threading.Event:
    """What Ctrl-C, SIGTERM and the end of the terminal set from now on."""
    import signal
    import threading

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _run_until(
    stop: threading.Event,
    running: RealChain,
    scripts: Sequence[Script],
    show: Callable[[], None],
) -> None:
    """Start the chain, show it, and watch it until `stop` is set.

    Raises UserError when the fault engine or a service fails.
    """
    from paychain.engine.errors import EngineError
    from paychain.model.scripts import AssignedScripts
    from paychain.payments.errors import PartLost, UserError

    try:
        running.start()
        if scripts:
            running.follow_scripts(AssignedScripts.of(scripts))
        show()
        while not stop.wait(WATCH_S):
            running.check()
            if running.own.broken:
                raise UserError(running.own.failure_words)
    except EngineError as error:
        raise PartLost(f"the fault engine failed: {error}") from error
    finally:
        running.stop()


def _serve_only(loaded: Loaded[Chain], only: str, stop: threading.Event) -> None:
    """Let the links of one host wait for runs until `stop` is set. Raises UserError."""
    import os

    from paychain.environment.remote.serving import place_of, serve
    from paychain.processes.scratch import scratch_folder
    from paychain.processes.tokens import TOKEN_VARIABLE

    host, placed = place_of(loaded.model, only)
    token = os.environ.get(TOKEN_VARIABLE, "")
    with scratch_folder() as folder:
        serve(
            loaded,
            placed,
            token,
            folder,
            stop.wait,
            lambda line: say(f"{host}: {line}"),
        )


def _refuse_no_service(chain: Chain) -> None:
    """Raise UserError for a chain without an own service: nothing is to be started by hand."""
    from paychain.payments.errors import UserError

    if not chain.own_services():
        raise UserError(
            f"{chain.chain} has no service of your own to start by hand",
            hint="omit --env, or add service: to a link",
        )


def _scripts_of(path: Path | None, chain: Chain) -> list[Script]:
    """The scripts of an experiment file, each with a payment that anybody can make.

    Raises UserError with the place of a mistake.
    """
    from paychain.model.loading import load_experiment
    from paychain.payments.errors import UserError

    if path is None:
        return []
    loaded = load_experiment(str(path), chain, has_load=False)
    if not loaded.model.scripts:
        raise UserError("the file has no scripts", where=loaded.place(), hint="add scripts:")
    for number, script in enumerate(loaded.model.scripts):
        if not script.is_magic:
            raise UserError(
                f"a payment that you send yourself cannot follow script {script.id}: without a "
                "load there is nothing to count",
                where=loaded.place("scripts", number, "payments"),
                hint="choose its payments by amount, card or header",
            )
    return loaded.model.scripts


def _script_line(script: Script) -> str:
    """`lost (amount 92.30): the first authorise at stripe: works, its answer is lost`."""
    from paychain.model.script_words import script_words

    assert script.payments is not None, "a checked script says which payments follow it"
    by = script.payments.given()[0]
    return f"{script.id} ({by} {getattr(script.payments, by)}): {script_words(script)}"


def _show(running: RealChain, chain: Chain, folder: Path, *, as_json: bool) -> None:
    import json
    import shlex

    from paychain.load import LOCUSTFILE
    from paychain.load.locust.processes import locust
    from paychain.model.paid_at import paid_link

    hops = {name: f"{host}:{port}" for name, (host, port) in running.addresses.items()}
    api, urls = running.engine.control.url, running.entry_urls
    if as_json:
        shown: dict[str, object] = {"entries": urls, "engine": api, "hops": hops}
        variables = running.own.variables(running.addresses)
        print(json.dumps(shown | ({"env": variables} if variables else {})), flush=True)
        return
    width = max(map(len, hops))
    for entry, url in urls.items():
        name = f"  ({entry})" if len(urls) > 1 else ""
        say(f"customers pay at     {_paid_at(chain, entry, url)}{name}")
    say(f"fault engine         {running.engine.name}, Toxiproxy API at {api}")
    print("hops")
    for name, address in hops.items():
        print(f"  {name:<{width}}  {address}")
    # By itself the locustfile pays in our own dialect only.
    native = [url for entry, url in urls.items() if paid_link(chain, entry) is None]
    if native:
        command = shlex.join(locust(LOCUSTFILE, "--host", native[0]))
        # Locust imports from its working directory first: that must not be the user's.
        say(f"load                 (cd {shlex.quote(str(folder))} && {command})")
    print("Ctrl-C stops everything", flush=True)


def _show_variables(running: RealChain, chain: Chain) -> None:
    """What each own service needs, as lines that a shell can source; the rest as comments."""
    import shlex

    for entry, url in running.entry_urls.items():
        print(f"# customers pay {entry} at {_paid_at(chain, entry, url)}")
    for name, variables in running.own.variables(running.addresses).items():
        print(f"# {name}")
        for variable, value in variables.items():
            print(f"export {variable}={shlex.quote(value)}")
    print("# Ctrl-C stops the chain", flush=True)


def _paid_at(chain: Chain, entry: str, url: str) -> str:
    """`POST http://127.0.0.1:8080/orders`, with the steps of a payment that takes several."""
    from paychain.model.paid_at import template_at

    template = template_at(chain, entry)
    if template is None:
        return f"POST {url}/pay"
    if template.adapter:
        return f"{url}, as {template.adapter} does"
    return ", then ".join(f"{step.method} {url}{step.path}" for step in template.steps)
