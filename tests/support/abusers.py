"""Clients that send, stall and leave amid bodies, and the upstream they talk to; a process apart.

`python abusers.py` prints its upstream's address, reads the port of a proxy before it, and abuses
that until its input ends; then it prints how many bodies were answered and how many talks broke.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from collections import Counter

CLIENTS = 32
SIZES = [1_000, 10_000, 100_000, 1_000_000]  # bytes
counts: Counter[str] = Counter()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take as many bytes as the first four say, then send back as many."""
    try:
        while True:
            (size,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(size)
            writer.write(b"y" * size)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def abuse(port: int, number: int) -> None:
    """Connect, talk, break off, again and again."""
    chance = random.Random(number)
    while True:
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            counts["broken"] += 1
            await asyncio.sleep(0.01)
            continue
        try:
            async with asyncio.timeout(chance.choice([0.02, 0.2, 1])):
                await talk(reader, writer, chance)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            counts["broken"] += 1
        finally:
            if chance.random() < 0.5 and not writer.is_closing():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


async def talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """A few bodies; some are left on their way, some amid the answer, some wait."""
    for _ in range(chance.randrange(1, 6)):
        size = chance.choice(SIZES)
        writer.write(struct.pack("!I", size) + b"x" * size)
        await writer.drain()
        behaviour = chance.random()
        if behaviour < 0.2:
            return
        if behaviour < 0.3:
            await asyncio.sleep(chance.choice([0.01, 0.3]))
        if behaviour < 0.4:
            await reader.readexactly(size // 2)
            return
        await reader.readexactly(size)
        counts["answered"] += 1


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    port = int(await loop.run_in_executor(None, sys.stdin.readline))
    clients = [asyncio.create_task(abuse(port, number)) for number in range(CLIENTS)]
    await loop.run_in_executor(None, sys.stdin.readline)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    print(counts["answered"], counts["broken"], flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)  # the upstream stays for a last talk


if __name__ == "__main__":
    asyncio.run(main())
