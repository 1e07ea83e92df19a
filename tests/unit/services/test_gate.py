"""Work waits at a shut gate, and only there."""

from __future__ import annotations

import asyncio

from paychain.services.gate import Gate


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_nobody_waits_at_an_open_gate() -> None:
    async def passes() -> bool:
        gate = Gate()
        passing = asyncio.ensure_future(gate.wait())
        await asyncio.sleep(0)
        return passing.done()

    assert asyncio.run(passes())


def test_who_waits_goes_on_when_it_opens_although_it_shuts_again() -> None:
    async def pass_one_after_the_other() -> list[str]:
        gate, passed = Gate(), list[str]()

        async def work(name: str) -> None:
            await gate.wait()
            passed.append(name)

        gate.shut()
        gate.shut()  # as by a second fault: whoever waits is not forgotten
        first = asyncio.ensure_future(work("first"))
        await _turns()
        assert passed == []
        gate.open()
        gate.shut()
        second = asyncio.ensure_future(work("second"))
        await _turns()
        assert passed == ["first"]
        gate.open()
        await asyncio.gather(first, second)
        return passed

    assert asyncio.run(pass_one_after_the_other()) == ["first", "second"]
