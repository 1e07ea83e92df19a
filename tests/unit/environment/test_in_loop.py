"""An own service's ASGI application in virtual time: it pays, it dies, and it is refused things."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

from paychain.engine.timeline import compile_timeline
from paychain.environment.in_loop.forked import in_fork
from paychain.environment.own.not_started import NotStarted
from paychain.environment.virtual import VirtualChain
from paychain.load.traffic.arrivals import Arrival
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.virtual_services import refuse_processes
from paychain.payments.cards import TEST_CARDS
from paychain.payments.errors import UserError
from paychain.payments.exchanges import HttpExchange
from paychain.payments.journal import PaymentRecord
from paychain.simulation.guard import guards_installed
from tests.support.async_shop import PLAIN, declared, shop_in

FIRST = PLAIN.count("\n") + 1  # line of what a test adds


def arrivals(*numbers: int) -> list[Arrival]:
    return [
        Arrival(
            number=number,
            at_s=0.1 * place,
            payment=f"p{number:07}",
            amount_minor=1000 + number,
            instrument=TEST_CARDS[0],
            merchant="shop",
            warm_up=False,
        )
        for place, number in enumerate(numbers)
    ]


@contextmanager
def running(folder: Path, handle: str, **shop: Any) -> Iterator[VirtualChain]:
    chain = VirtualChain(shop_in(folder, PLAIN + handle, **shop), 1, home=folder)
    try:
        chain.start()
        yield chain
    finally:
        chain.stop()


def outcomes(paid: Sequence[PaymentRecord]) -> list[str]:
    return [str(payment.outcome) for payment in paid]


def test_its_clocks_and_its_chance_are_those_of_the_simulation(tmp_path: Path) -> None:
    noted = """\
import random, time, uuid
from datetime import datetime
from secrets import token_hex
from time import monotonic

from pydantic import BaseModel

class Order(BaseModel):
    at: datetime  # of pydantic's own kinds: the class is the real one

assert type(datetime.now()) is datetime
assert Order(at=datetime.now()).at.year == 2026

def now():
    return [time.time(), monotonic(), str(datetime.now()), random.random(), token_hex(4),
            str(uuid.uuid4()), os.urandom(3).hex(), random.Random().random(), os.environ["PORT"]]

first = now()

async def handle(path, order):
    await asyncio.sleep(0.5)
    await asyncio.to_thread(lambda: print(first, now()))
    return paid(order)
"""
    lines = []
    for _ in range(2):
        with running(tmp_path, noted) as chain:
            assert outcomes(chain.pay(arrivals(1))) == ["approved"]
            assert chain._own is not None
            lines.append(chain._own.application.last_lines())
    assert lines[0] == lines[1]
    (line,) = lines[0]
    # It is the first of January 2026, whatever the machine says.
    assert "[1767225600.0" in line
    assert len(set(line.split(", ")[3:8])) == 5


def test_it_draws_also_where_guards_stay_installed_over_many_simulations(tmp_path: Path) -> None:
    draws = """\
import random

async def handle(path, order):
    await asyncio.sleep(random.uniform(0.1, 0.2) + random.choice([0.1, 0.2]))
    return paid(order)
"""
    with guards_installed(), running(tmp_path, draws) as chain:
        assert outcomes(chain.pay(arrivals(1))) == ["approved"]


def test_its_modules_and_variables_are_gone_afterwards(tmp_path: Path) -> None:
    import os
    import sys

    before = dict(os.environ), list(sys.path), Path.cwd()
    counting = """\
count = 0

async def handle(path, order):
    global count
    count += 1
    assert count == 1
    return paid(order)
"""
    for _ in range(2):  # the second begins from nothing
        with running(
            tmp_path, f"{counting}    assert count == 1\n    return paid(order)\n"
        ) as chain:
            assert outcomes(chain.pay(arrivals(1))) == ["approved"]
    assert "shop_app" not in sys.modules
    assert (dict(os.environ), list(sys.path), Path.cwd()) == before


CALLS = """\
async def asked(url):
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /v1/payment_intents/pi_1 HTTP/1.1\\r\\nhost: x\\r\\n"
                 b"authorization: Bearer sk_test_1\\r\\nconnection: close\\r\\n\\r\\n")
    status = (await reader.readline()).split()[1]
    writer.close()
    return status

async def handle(path, order):
    assert await asked(os.environ["FIRST"]) == b"404"
    return paid(order)
"""


def test_its_hops_are_observed_and_its_books_read(tmp_path: Path) -> None:
    with running(tmp_path, CALLS) as chain:
        assert outcomes(chain.pay(arrivals(1))) == ["approved"]
        chain.drain()
        exchanges = [record for record in chain.journal if isinstance(record, HttpExchange)]
        of_shop = {(each.hop, each.status) for each in exchanges if each.hop.startswith("shop.")}
        assert of_shop == {("shop.authorise.first", 404)}
        # The application answers a look into its books with an error: there is no amount in it.
        (problem,) = chain.report().problems
        assert problem.startswith("the books of shop could not be read for 1 of 1 payments")


def crash(chain: VirtualChain, declared_chain: Chain, action: str) -> None:
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    fault = {"at": "0s", "for": "1s", "target": {"link": "shop"}, "crash": {}}
    experiment = Experiment.model_validate({"experiment": "x", "load": load, "faults": [fault]})
    switches = compile_timeline(declared_chain, experiment)
    (switch,) = (each for each in switches if each.action == action)
    assert not chain.switch(switch, chain.now_ns()).error


def test_a_crash_kills_it_and_it_begins_anew(tmp_path: Path) -> None:
    stays = """\
stored = os.path.join(os.path.dirname(os.environ["SHOP_DB"]), "lives")
open(stored, "a").write("born ")

async def handle(path, order):
    try:
        await asyncio.sleep(1 if order["order"] == "p0000001" else 0)
    except BaseException:
        open(stored, "a").write("cleaned-up ")
        raise
    finally:
        open(stored, "a").write("done ")
    print(open(stored).read())
    return paid(order)
"""
    with running(tmp_path, stays) as chain:
        chain.begin_paying(arrivals(1))
        chain.advance(chain.now_ns() + 500_000_000)
        crash(chain, chain._chain, "apply")
        chain.advance(chain.now_ns() + 1_000_000_000)
        crash(chain, chain._chain, "heal")
        chain.advance(chain.now_ns() + 100_000_000)
        assert outcomes(chain.pay(arrivals(3))) == ["approved"]
        assert chain._own is not None
        # Nothing of the killed process has gone on: neither its `except` nor its `finally`.
        assert chain._own.application.last_lines() == ["born born done"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import requests\nasync def handle(path, order):\n"
            "    requests.get(os.environ['FIRST'])\n",
            f"shop_app.py:{FIRST + 2}: requests opens a socket of the operating system "
            "(socket.getaddrinfo); virtual time cannot run that; use an async client over asyncio, "
            "such as httpx.AsyncClient, or run it in real time",
        ),
        (
            "import threading\nthreading.Thread(target=print).start()\n",
            f"shop_app.py:{FIRST + 1}: shop starts a thread, which runs in real time",
        ),
        (
            "from time import sleep\nasync def handle(path, order):\n"
            "    await asyncio.to_thread(sleep, 1)\n",
            f"shop_app.py:{FIRST + 2}: shop waits with time.sleep, which stops the whole loop; "
            "virtual time cannot run that; use asyncio.sleep",
        ),
        (
            "async def handle(path, order):\n"
            "    try:\n"
            "        await asyncio.wait_for(asyncio.open_connection('localhost', 5432), 2)\n"
            "    except OSError:\n        return paid(order)\n",
            f"shop_app.py:{FIRST + 2}: shop opens a connection to localhost:5432, where no link "
            "of the chain listens",
        ),
        (
            "async def handle(path, order):\n"
            "    await asyncio.open_connection('api.stripe.com', 443, ssl=True)\n",
            f"shop_app.py:{FIRST + 1}: shop opens a TLS connection",
        ),
        (
            "import ssl\nasync def handle(path, order):\n"
            "    ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())\n",
            f"shop_app.py:{FIRST + 2}: shop opens a TLS connection",
        ),
        (
            "def work():\n    with asyncio.Runner() as runner:\n        runner.get_loop()\n"
            "async def handle(path, order):\n    await asyncio.to_thread(work)\n",
            f"shop_app.py:{FIRST + 1}: shop runs an event loop of its own, which reads the "
            "machine's clock; virtual time cannot run that; await it, as async endpoints can",
        ),
        (
            "import anyio.from_thread, anyio.to_thread\nasync def handle(path, order):\n"
            "    await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 1)\n",
            f"shop_app.py:{FIRST + 2}: shop waits on a thread for the loop (anyio.from_thread.run)",
        ),
        (
            "import queue\nasync def handle(path, order):\n    queue.Queue().get(timeout=1)\n",
            f"shop_app.py:{FIRST + 2}: shop waits for another thread; virtual time cannot run "
            "that; use asyncio's own Event, Condition and Queue",
        ),
        (
            "import signal\nasync def handle(path, order):\n    signal.alarm(1)\n",
            f"shop_app.py:{FIRST + 2}: shop asks for a signal of the operating system "
            "(signal.alarm); virtual time cannot run that; use asyncio.timeout",
        ),
        (
            "async def handle(path, order):\n    await asyncio.create_subprocess_exec('true')\n",
            f"shop_app.py:{FIRST + 1}: shop starts another process",
        ),
        (
            "async def handle(path, order):\n    sys.exit(3)\n",
            "shop ended its process (exit code 3)",
        ),
        (
            "import nowhere\n",
            f"shop_app.py:{FIRST}: shop cannot import shop_app:app: ModuleNotFoundError",
        ),
        (
            "async def handle(:\n",
            f"shop_app.py:{FIRST}: shop cannot import shop_app:app: SyntaxError",
        ),
        ("app = None\n", "shop: shop_app:app is not an ASGI application"),
    ],
)
def test_what_cannot_run_is_refused_by_module_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotStarted) as refused, running(tmp_path, code) as chain:
        chain.pay(arrivals(1))
    assert str(refused.value).startswith(message)


def test_a_driver_that_opens_sockets_in_compiled_code_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    driver = ModuleType("psycopg2")
    driver.connect = lambda *_: pytest.fail("it was called")  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "psycopg2", driver)
    code = "import psycopg2\nasync def handle(path, order):\n    psycopg2.connect('db')\n"
    with pytest.raises(NotStarted) as refused, running(tmp_path, code) as chain:
        chain.pay(arrivals(1))
    assert str(refused.value) == (
        f"shop_app.py:{FIRST + 2}: psycopg2 opens a socket of the operating system "
        "(psycopg2.connect); virtual time cannot run that; keep what it stores in memory or in "
        "SQLite (sqlite3) for virtual time, or run it in real time"
    )


def test_what_others_do_on_their_threads_is_not_refused(tmp_path: Path) -> None:
    async def nothing() -> str:
        return "done"

    heard: list[str] = []
    with running(tmp_path, "async def handle(path, order):\n    return paid(order)\n") as chain:
        assert outcomes(chain.pay(arrivals(1))) == ["approved"]
        other = Thread(target=lambda: heard.append(asyncio.run(nothing())))
        other.start()
        other.join()
    assert heard == ["done"]


def test_aiohttp_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    code = (
        "import aiohttp\nasync def handle(path, order):\n"
        "    async with aiohttp.ClientSession() as session:\n"
        "        await session.get(os.environ['FIRST'])\n"
    )
    with pytest.raises(NotStarted) as refused, running(tmp_path, code) as chain:
        chain.pay(arrivals(1))
    assert str(refused.value).startswith(f"shop_app.py:{FIRST + 3}: aiohttp opens a socket")


def test_uvloop_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop")
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(NotStarted, match=rf"shop_app\.py:{FIRST + 1}: shop uses uvloop"),
        running(tmp_path, "import uvloop\nuvloop.install()\n"),
    ):
        pass


def test_a_package_may_make_an_event_loop_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imported when it is first used, by a name that nobody finds in the code before."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    module = installed / "loops_at_once.py"
    module.write_text("import asyncio\nasyncio.new_event_loop().close()\n")
    monkeypatch.syspath_prepend(installed)
    (tmp_path / "shop").mkdir()
    use = "__import__('loops_' + 'at_once')"
    code = f"async def handle(path, order):\n    {use}\n    return paid(order)\n"
    try:
        with running(tmp_path / "shop", code) as chain:
            assert outcomes(chain.pay(arrivals(1))) == ["approved"]
    finally:
        sys.modules.pop("loops_at_once", None)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ({"command": "npm start", "app": None}, "a process that virtual time cannot reach"),
        ({"before": [["make", "db"]]}, "shop runs commands before it starts"),
        ({"proxy": True}, "shop uses proxy:"),
    ],
)
def test_what_needs_a_process_is_refused_before(service: dict[str, Any], message: str) -> None:
    given = declared("shop_app:app")
    merged = {**given["links"]["shop"]["service"], **service}
    given["links"]["shop"]["service"] = {k: v for k, v in merged.items() if v is not None}
    with pytest.raises(UserError, match=message):
        refuse_processes(Chain.model_validate(given), "--virtual")


def test_a_second_own_service_is_refused_before() -> None:
    given = declared("shop_app:app")
    given["links"]["second"] = {
        **given["links"]["second"],
        "role": "gateway",
        "service": {"app": "other:app"},
        "pays": given["links"]["shop"]["pays"],
    }
    del given["links"]["second"]["dialect"]
    with pytest.raises(UserError, match="shop and second are own services, but virtual time"):
        refuse_processes(Chain.model_validate(given), "--virtual")


def test_a_freeze_of_it_is_refused_and_of_a_mock_is_not() -> None:
    chain = Chain.model_validate(declared("shop_app:app"))
    fault = {"at": "0s", "for": "1s", "target": {"link": "shop"}, "freeze": {}}
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    frozen = Experiment.model_validate({"experiment": "x", "load": load, "faults": [fault]})
    with pytest.raises(UserError, match="shop cannot be frozen in virtual time"):
        refuse_processes(chain, "--virtual", frozen)
    fault["target"] = {"link": "first"}
    other = Experiment.model_validate({"experiment": "x", "load": load, "faults": [fault]})
    refuse_processes(chain, "--virtual", other)


def _fails() -> int:
    raise UserError("what", hint="hint")


def test_work_apart_gives_its_result_and_its_errors() -> None:
    assert in_fork(list) == []
    with pytest.raises(UserError, match="what; hint"):
        in_fork(_fails)
    with pytest.raises(RuntimeError, match="ended without an answer"):
        in_fork(lambda: __import__("os")._exit(1))
