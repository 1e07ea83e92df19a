"""What a services process is given when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from paychain.environment.service_processes import ServiceProcesses
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.processes.children import Child, Children
from paychain.services.plan import SERVICES, ServicesReady, read_plan

CHAIN = """\
chain: shop
currency: EUR
deadline: 10s
entry: gateway
x-calls:
  patient: &patient {timeout: 1s, on_unknown: reverse}
links:
  gateway:
    role: gateway
    calls: {authorise: {<<: *patient, to: processor}}
  processor:
    role: processor
    calls: {authorise: {<<: *patient, to: scheme}}
  scheme:
    role: scheme
    calls: {authorise: {<<: *patient, to: issuer}}
  issuer: {role: issuer}
"""


class Started(Children):
    """Notes what would be started, and is told at once that it listens."""

    def start(self, name: str, command: Any, *_: Any, **__: Any) -> Child:
        self.plan = read_plan(Path(command[-1]))
        Path(self.plan.ready).write_bytes(msgspec.json.encode(ServicesReady(1, {"gateway": 2})))
        return Child(name, None, self.folder / "log")  # type: ignore[arg-type]  # a stand-in

    def wait_for(self, *_: Any) -> None:
        pass


def test_it_gets_the_chain_without_what_only_the_file_has(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(CHAIN)
    chain, started = load_chain(str(tmp_path / "shop.yaml")), Started(tmp_path)
    processes = ServiceProcesses(
        chain,
        started,
        lambda stem, _: tmp_path / stem,
        command=SERVICES,
        seed=1,
        epoch_ns=0,
        id_prefix="p",
    )
    assert processes.start([["gateway"]]) == {"gateway": 2}
    assert Chain.model_validate(started.plan.chain) == chain.model
    processes.close()
