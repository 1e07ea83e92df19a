"""What observing its hops costs an own service's chain: examples/gateway-go, with and without.

The chain stands twice: in one the fault engine reads HTTP beside the bytes of the hops out of the
gateway, in the other it does not. Orders are paid in alternating rounds, one chain idle while the
other works. Printed is the CPU of all processes of a chain for one order: gateway, engine, mocks;
the customers are left out, so that the share is rather too large than too small. Needs `go`.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROUNDS, ORDERS, CUSTOMERS = 15, 200, 4
SETTLES_S = 2.5  # the webhooks of a round are over
START_S = 60.0
EXAMPLE = Path(__file__).parents[1] / "examples" / "gateway-go"
TICKS = os.sysconf("SC_CLK_TCK")
UP = "from paychain.cli.entry import main; main()"
UNOBSERVED = (
    f"import paychain.environment.near_ends as ends; ends.observed_hops = lambda chain: (); {UP}"
)


class Chain:
    """The example's chain, started, and its gateway."""

    def __init__(self, name: str, program: str, gateway: Path, log: Path) -> None:
        self.name = name
        self._orders = 0
        with log.open("w") as errors:
            self._up = subprocess.Popen(
                [sys.executable, "-c", program, "up", str(EXAMPLE / "chain-naive.yaml"), "--env"],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        variables, entry = {}, ""
        assert self._up.stdout is not None
        for line in self._up.stdout:
            if line.startswith("# customers pay"):
                entry = line.split()[-1]
            elif line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                variables[name] = shlex.split(value)[0]
            elif line.startswith("# Ctrl-C"):
                break
        assert entry, f"the chain did not start:\n{log.read_text()}"
        self._entry = urlsplit(entry).netloc
        self._gateway = subprocess.Popen([str(gateway)], env={**os.environ, **variables})
        until = time.monotonic() + START_S
        while not self._is_ready():
            assert time.monotonic() < until, "the gateway did not start"
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self._entry, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _cpu_s(self) -> float:
        """CPU seconds of all its processes so far."""
        parents: dict[int, list[int]] = {}
        spent: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
                spent[int(entry.name)] = int(fields[11]) + int(fields[12])
        of_chain, total = [self._up.pid, self._gateway.pid], 0
        while of_chain:
            process = of_chain.pop()
            total += spent.get(process, 0)
            of_chain += parents.get(process, [])
        return total / TICKS

    def round(self) -> float:
        """CPU seconds for one order, of a round of them."""
        before, first = self._cpu_s(), self._orders
        self._orders += ORDERS
        customers = [
            threading.Thread(target=self._pay, args=(range(first + n, self._orders, CUSTOMERS),))
            for n in range(CUSTOMERS)
        ]
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join()
        time.sleep(SETTLES_S)
        return (self._cpu_s() - before) / ORDERS

    def _pay(self, orders: range) -> None:
        connection = http.client.HTTPConnection(self._entry, timeout=10)
        for number in orders:
            order = {
                "order": f"bench{number:07}",
                "amount": 1000 + number,
                "currency": "EUR",
                "card": "tok_visa_4242",
            }
            connection.request("POST", "/orders", json.dumps(order))
            answer = connection.getresponse()
            answer.read()
            # Some cards are declined.
            assert answer.status in (202, 402), answer.status
        connection.close()

    def stop(self) -> None:
        """End the gateway and the chain."""
        self._gateway.kill()
        self._gateway.wait()
        self._up.send_signal(signal.SIGINT)
        self._up.wait()


def main() -> None:
    """Print both, and the share of observing."""
    if shutil.which("go") is None:
        print("  go is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        gateway = Path(folder, "gateway")
        subprocess.run(["go", "build", "-o", str(gateway), "./naive"], cwd=EXAMPLE, check=True)
        chains = [
            Chain("not observed", UNOBSERVED, gateway, Path(folder, "plain.log")),
            Chain("observed", UP, gateway, Path(folder, "observed.log")),
        ]
        try:
            for chain in chains:
                chain.round()  # to warm up
            # The order within a pair changes: the machine may become busier all the time.
            pairs = []
            for number in range(ROUNDS):
                spent = {chain.name: chain.round() for chain in chains[:: 1 - 2 * (number % 2)]}
                pairs.append((spent["not observed"], spent["observed"]))
        finally:
            for chain in chains:
                chain.stop()
    plain = statistics.median(pair[0] for pair in pairs)
    more = sorted(observed - unobserved for unobserved, observed in pairs)
    low, high = more[len(more) // 4], more[-1 - len(more) // 4]
    print(
        f"  CPU for an order, {ROUNDS} pairs of {ORDERS} orders: {plain * 1e3:.2f} ms, "
        f"observed {statistics.median(more) / plain:+.1%} "
        f"(half of the pairs: {low / plain:+.1%} to {high / plain:+.1%})",
        flush=True,
    )


if __name__ == "__main__":
    main()
