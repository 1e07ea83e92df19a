"""Own services as processes: started, ready, told where everything is, and ended with all of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from paychain.environment.own import groups
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.services import OwnServices
from paychain.faults.fault import Fault
from paychain.model.loading import load_chain
from paychain.model.places import InLinkPlace, Place
from paychain.payments.cards import TEST_CARDS
from tests.support.own_chains import COMMAND, PROVIDERS, own_shop
from tests.support.processes import alive, children_of, needs_proc
from tests.support.waiting import wait_until

NEAR = {"processor-a": ("127.0.0.1", 9), "processor-b": ("127.0.0.1", 9)}  # nobody is there
HOPS = {f"shop.authorise.{name}": address for name, address in NEAR.items()}
AT_SHOP = Place(spots=(InLinkPlace("shop"),))


@contextmanager
def services(folder: Path, text: str) -> Iterator[OwnServices]:
    """The own services of a chain without its mocks, stopped in the end."""
    (folder / "shop.yaml").write_text(text)
    run = folder / "run"
    run.mkdir(exist_ok=True)
    own = OwnServices(load_chain(str(folder / "shop.yaml")), run, time.monotonic_ns, seed=1)
    try:
        yield own
    finally:
        own.stop()


@contextmanager
def started(folder: Path, text: str) -> Iterator[tuple[OwnServices, int]]:
    """The same, started: with the port where the shop listens."""
    with services(folder, text) as own:
        port = own.reserve()["shop"][1]
        own.start(HOPS)
        yield own, port


def is_up(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=0.3)) as connection:
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False


def fault(kind: str, fault_id: str = "f") -> Fault:
    target = {"target": {"link": "shop"}, "at": "0s", "for": "1s"}
    return Fault.model_validate({"id": fault_id, kind: {}, **target})


def log_of(folder: Path) -> str:
    return (folder / "run" / "logs" / "shop.log").read_text()


def group_of(folder: Path) -> list[int]:
    """The pids that the shop has logged."""
    return [int(line.split()[1]) for line in log_of(folder).splitlines() if "listens" in line]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_service_is_ready_when_it_answers_and_gone_when_it_is_stopped(tmp_path: Path) -> None:
    with started(tmp_path, own_shop(env={"SHOP_STARTS_IN_S": "0.3"})) as (own, port):
        assert is_up(port)
        own.check()
        assert own.broken == ""
        assert [(facts.log, facts.failures) for facts in own.facts()] == [("run/logs/shop.log", [])]
    assert not is_up(port)
    assert alive(group_of(tmp_path)) == []


def test_a_service_learns_where_it_listens_and_where_each_hop_begins(tmp_path: Path) -> None:
    prints = script(
        "import os, json, socket, time;"
        "print(json.dumps(dict(os.environ)), flush=True);"
        "s = socket.create_server((os.environ['HOST'], int(os.environ['PORT'])));"
        "time.sleep(60)"
    )
    env = {**PROVIDERS, "SELF": "{host}:{port}", "A": "{host:processor-a} {port:processor-a}"}
    webhooks = {
        "role": "processor",
        "webhooks": {"to": "shop"},
        "calls": {"authorise": {"to": "issuer"}},
    }
    text = own_shop(
        service={
            "command": prints,
            "env": {**env, "S": "{secret:processor-a}", "F": "{folder}"},
        },
        shop={"receives": {}},
        links={"processor-a": webhooks},
    )
    with started(tmp_path, text) as (_, port):
        told = json.loads(log_of(tmp_path).splitlines()[0])
        assert list(Path(told["F"]).iterdir()) == []
    assert told["SELF"] == f"127.0.0.1:{port}" == f"{told['HOST']}:{told['PORT']}"
    assert told["PROVIDERS"] == "http://127.0.0.1:9 http://127.0.0.1:9"
    assert told["A"] == "127.0.0.1 9"
    assert told["PAYCHAIN_URL_PROCESSOR_A"] == told["PAYCHAIN_URL_AUTHORISE_PROCESSOR_B"]
    assert told["S"] == told["PAYCHAIN_WEBHOOK_SECRET_PROCESSOR_A"] != ""
    assert told["F"] != str(tmp_path)
    assert not Path(told["F"]).exists()  # it was there until the service was stopped
    assert told["PATH"] == os.environ["PATH"]


def test_what_is_ours_is_not_a_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCHAIN_TOKEN", "secret")
    listens = "import os, socket, time; print(sorted(os.environ), flush=True)"
    listens += "; s = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); time.sleep(60)"
    with started(tmp_path, own_shop(service={"command": script(listens)})):
        assert "PAYCHAIN_TOKEN" not in log_of(tmp_path)


@needs_proc
@pytest.mark.parametrize("env", [{"SHOP_CHILD": "1"}, {"SHOP_IGNORES": "1"}])
def test_nothing_that_a_service_started_is_left(tmp_path: Path, env: Mapping[str, str]) -> None:
    text = own_shop(
        service={
            "command": COMMAND,
            "env": {**PROVIDERS, **env},
            "ready": {"http": "/health"},
            "stop": {"within": "300ms"},
        }
    )
    with started(tmp_path, text) as (_, port):
        (shop,) = group_of(tmp_path)
        assert alive([shop]) == [shop]
    assert alive([shop]) == []
    assert not is_up(port)


@needs_proc
def test_a_process_that_left_the_group_is_ended_as_well(tmp_path: Path) -> None:
    leaves = (
        "import os, subprocess, sys, socket, time;"
        "away = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True);"
        "print('shop', away.pid, 'listens', flush=True);"
        "s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])));"
        "time.sleep(60)"
    )
    with started(tmp_path, own_shop(service={"command": script(leaves)})):
        (away,) = group_of(tmp_path)
        assert alive([away]) == [away]
    wait_until(lambda: not _runs(away), "the end of what left the group")


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which only its parent could take away."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_service_that_never_is_ready_is_stopped_with_its_last_lines(tmp_path: Path) -> None:
    text = own_shop(
        service={
            "command": script("import time; print('connecting to the database'); time.sleep(60)"),
            "ready": {"http": "/health", "within": "700ms"},
        }
    )
    with services(tmp_path, text) as own, pytest.raises(NotStarted) as caught:
        port = own.reserve()["shop"][1]
        own.start(HOPS)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("shop was not ready within 0.7 s: ")
    assert f"GET http://127.0.0.1:{port}/health: connection refused" in first
    assert lines[0].strip() == "connecting to the database"
    assert str(tmp_path / "run" / "logs" / "shop.log") in lines[-1]


ANSWERS = (
    "import os, socket; server = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
    "while True:\n with server.accept()[0] as caller:\n  caller.recv(9999); caller.sendall({})"
)


@pytest.mark.parametrize(
    ("command", "ready", "missing"),
    [
        (COMMAND, {"log": "Ready for orders"}, "'Ready for orders' in its output: no such line"),
        (COMMAND, {"command": script("raise SystemExit(4)")}, "exit code 4"),
        (COMMAND, {"command": ["no-such-program"]}, "no such file or directory"),
        (COMMAND, {"http": "/nowhere"}, "status 404"),
        (script(ANSWERS.format("b'220 mail ESMTP\\r\\n'")), {"http": "/"}, "no HTTP answer"),
        (script(ANSWERS.format("b''")), {"http": "/"}, "closed without an answer"),
    ],
)
def test_a_service_whose_sign_never_comes_says_what_is_missing(
    tmp_path: Path, command: list[str], ready: Mapping[str, Any], missing: str
) -> None:
    service = {"command": command, "env": PROVIDERS, "ready": {**ready, "within": "900ms"}}
    with services(tmp_path, own_shop(service=service)) as own, pytest.raises(NotStarted) as caught:
        own.reserve()
        own.start(HOPS)
    assert missing in str(caught.value).splitlines()[0]


@needs_proc
@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("('127.0.0.1', 0)", "it listens on port "),
        ("('::1', int(os.environ['PORT']))", "it listens on ::1 only: use {host} or HOST, which"),
    ],
)
def test_a_service_that_listens_elsewhere_is_told_where(
    tmp_path: Path, address: str, hint: str
) -> None:
    family = "socket.AF_INET6" if "::1" in address else "socket.AF_INET"
    listens = (
        "import os, socket, time;"
        f"s = socket.create_server({address}, family={family}); time.sleep(60)"
    )
    ready = {"within": "700ms"}
    text = own_shop(service={"command": script(listens), "ready": ready})
    with services(tmp_path, text) as own, pytest.raises(NotStarted) as caught:
        own.reserve()
        own.start(HOPS)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (script("print('no database'); raise SystemExit(3)"), "shop ended with exit code 3 before"),
        (script("import os; os.kill(os.getpid(), 9)"), "shop was killed by SIGKILL before it was"),
        (
            script("print('going on elsewhere')"),
            "shop ended with exit code 0 before it was ready; its "
            "command must stay in the foreground; its last lines:",
        ),
        (["no-such-program"], "shop: there is no program 'no-such-program'"),
        (["/"], "shop: cannot start '/': Permission denied"),
    ],
)
def test_a_service_that_cannot_be_started_says_why(
    tmp_path: Path, command: list[str], said: str
) -> None:
    with services(tmp_path, own_shop(service={"command": command})) as own:
        own.reserve()
        with pytest.raises(NotStarted) as caught:
            own.start(HOPS)
    assert str(caught.value).startswith(said)


def test_a_folder_that_is_not_there_and_a_port_that_is_taken_are_the_users_mistakes(
    tmp_path: Path,
) -> None:
    with services(tmp_path, own_shop(service={"command": COMMAND, "cwd": "away"})) as own:
        own.reserve()
        with pytest.raises(NotStarted, match=r"there is no folder .*away; cwd: is relative"):
            own.start(HOPS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = own_shop(service={"command": COMMAND, "port": port})
        with (
            services(tmp_path, text) as own,
            pytest.raises(NotStarted, match=f"port {port}, on"),
        ):
            own.reserve()


def test_commands_run_before_it_once_and_a_failure_of_one_is_the_end(tmp_path: Path) -> None:
    def text(*before: list[str]) -> str:
        ready = {"http": "/health"}
        return own_shop(
            service={"command": COMMAND, "env": PROVIDERS, "before": before, "ready": ready}
        )

    writes = script("print('emptied {port}')")
    with started(tmp_path, text(writes, writes)) as (own, port):
        first = [line for line in log_of(tmp_path).splitlines() if "emptied" in line]
        assert first == [f"emptied {port}"] * 2
        own.link_faults[0].apply(fault("crash"), AT_SHOP)
        own.link_faults[0].heal("f")
        wait_until(lambda: is_up(port), "the service that was started again")
        assert log_of(tmp_path).count("emptied") == 2
    fails = script("print('no such table'); raise SystemExit(2)")
    with services(tmp_path, text(fails)) as own:
        own.reserve()
        with pytest.raises(NotStarted) as caught:
            own.start(HOPS)
    assert "(before:) failed with exit code 2" in str(caught.value)
    assert "no such table" in str(caught.value)


@pytest.mark.parametrize(
    "ready",
    [
        {"port": True},
        {"log": "listens on"},
        {"command": script("import socket; socket.create_connection(('127.0.0.1', {port}))")},
    ],
)
def test_readiness_is_a_port_a_line_or_a_command(tmp_path: Path, ready: Mapping[str, Any]) -> None:
    env = {**PROVIDERS, "SHOP_STARTS_IN_S": "0.2"}
    text = own_shop(service={"command": COMMAND, "env": env, "ready": ready})
    with started(tmp_path, text) as (_, port):
        wait_until(lambda: is_up(port), "the service")  # its line comes a moment before it listens


def test_a_crash_kills_it_and_it_comes_back_on_its_port(tmp_path: Path) -> None:
    with started(tmp_path, own_shop()) as (own, port):
        (link,) = own.link_faults
        for name in ("first", "second"):
            link.apply(fault("crash", name), AT_SHOP)
        assert not is_up(port)
        own.check()
        link.heal("first")
        assert not is_up(port)  # the other crash still holds it
        link.heal("second")
        wait_until(lambda: is_up(port), "the service that was started again")
        own.check()
        assert (own.broken, own.facts()[0].failures) == ("", [])
        assert link.hits() == {"first": 1, "second": 1}
        first, second = group_of(tmp_path)
        assert first != second


def test_a_freeze_stops_it_for_a_while(tmp_path: Path) -> None:
    with started(tmp_path, own_shop(env={"SHOP_CHILD": "1"})) as (own, port):
        (link,) = own.link_faults
        link.apply(fault("freeze"), AT_SHOP)
        assert not is_up(port)
        link.heal("f")
        assert is_up(port)
        assert len(group_of(tmp_path)) == 1
        link.apply(fault("freeze"), AT_SHOP)  # and one that is frozen can be stopped
    assert not is_up(port)


def test_a_fault_elsewhere_does_not_touch_it(tmp_path: Path) -> None:
    with started(tmp_path, own_shop()) as (own, port):
        own.link_faults[0].apply(fault("crash"), Place(spots=(InLinkPlace("issuer"),)))
        assert is_up(port)


def _fails(own: OwnServices) -> Callable[[], bool]:
    def checked() -> bool:
        own.check()
        return bool(own.facts()[0].failures)

    return checked


def test_a_service_that_ends_by_itself_fails_with_its_last_lines_and_no_card_number(
    tmp_path: Path,
) -> None:
    dies = (
        "import os, socket, time;"
        "s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])));"
        f"print('\\x1b[1mdeclined\\x1b[0m 4242 4242 4242 4242 and {TEST_CARDS[1].number}');"
        "import sys; sys.stdout.flush();"
        "time.sleep(0.3); os._exit(7)"
    )
    with started(tmp_path, own_shop(service={"command": script(dies)})) as (own, _):
        wait_until(_fails(own), "its end")
        assert own.broken == "shop"
        (failure,) = own.facts()[0].failures
        assert failure.what == "ended with exit code 7"
        assert failure.lines == ["declined 424242…4242 and 400005…5556"]


def test_a_service_that_is_to_be_restarted_comes_back_and_has_failed_all_the_same(
    tmp_path: Path,
) -> None:
    env = {**PROVIDERS, "SHOP_DIES_AFTER": "1"}
    ready = {"http": "/health"}
    text = own_shop(service={"command": COMMAND, "env": env, "ready": ready, "restart": "always"})
    with started(tmp_path, text) as (own, port):
        (shop,) = group_of(tmp_path)
        os.kill(shop, signal.SIGTERM)
        wait_until(_fails(own), "its end")
        assert own.broken == ""

        def came_back() -> bool:
            own.check()
            return is_up(port)

        wait_until(came_back, "the service that was started again")
        assert [failure.what for failure in own.facts()[0].failures] == ["was killed by SIGTERM"]


def test_a_service_that_does_not_come_back_after_a_crash_has_failed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    once = (
        "import os, socket, time;"
        f"os.close(os.open({str(lock)!r}, os.O_CREAT | os.O_EXCL));"
        "s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])));"
        "time.sleep(60)"
    )
    with started(tmp_path, own_shop(service={"command": script(once)})) as (own, _):
        (link,) = own.link_faults
        link.apply(fault("crash"), AT_SHOP)
        link.heal("f")
        wait_until(_fails(own), "its failure")
        (failure,) = own.facts()[0].failures
        assert failure.what == "ended with exit code 1"
        assert "FileExistsError" in failure.lines[-1]


def test_a_service_that_runs_already_is_waited_for_and_left_alone(tmp_path: Path) -> None:
    ports = {"processor-a": 9101, "processor-b": 9102}
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        port = theirs.getsockname()[1]
        text = own_shop(service={"url": f"http://127.0.0.1:{port}", "ports": ports})
        with started(tmp_path, text) as (own, found):
            assert found == port
            hops = {hop.callee: hop for hop in load_chain(str(tmp_path / "shop.yaml")).model.hops()}
            assert own.fixed_port(hops["processor-b"]) == 9102
            assert own.link_faults == []
    text = own_shop(
        service={"url": f"http://127.0.0.1:{port}", "ports": ports, "ready": {"within": "200ms"}}
    )
    with services(tmp_path, text) as own:
        own.reserve()
        with pytest.raises(NotStarted, match=f"shop is not ready at http://127.0.0.1:{port}: "):
            own.start(HOPS)


@needs_proc
def test_a_run_that_is_killed_leaves_no_service(tmp_path: Path) -> None:
    """The guard ends what its run could not."""
    (tmp_path / "shop.yaml").write_text(own_shop(env={"SHOP_CHILD": "1"}))
    (tmp_path / "run").mkdir()
    holds = (
        "import sys, time; from pathlib import Path;"
        "from paychain.environment.own.services import OwnServices;"
        "from paychain.model.loading import load_chain;"
        "own = OwnServices(load_chain('shop.yaml'), Path('run'), time.monotonic_ns, seed=1);"
        f"own.reserve(); own.start({HOPS!r}); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(script(holds), cwd=tmp_path, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        (shop,) = group_of(tmp_path)
        family = [shop, *children_of(run.pid).values()]
        run.kill()
    wait_until(lambda: not any(map(_runs, family)), "the end of the service and of its guard")


@needs_proc
def test_a_group_without_processes_has_none_and_is_killed_without_effect() -> None:
    with subprocess.Popen(script(""), start_new_session=True) as done:
        done.wait()
        assert groups.living(done.pid, "no-mark") == []
        groups.kill(done.pid, "no-mark")
