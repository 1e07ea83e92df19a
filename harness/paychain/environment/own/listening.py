"""Where the processes of a service really listen, to say so when it is not ready. Linux only."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"  # state of a socket in these tables
_SOCKET = "socket:["
_WORD = 4  # bytes; the tables have addresses as words in the machine's order


def listening(processes: Iterable[int]) -> list[tuple[str, int]]:
    """Addresses and ports on which processes listen; none where the system does not say."""
    inodes = {inode for process in processes for inode in _sockets(process)}
    found = []
    for table in _TABLES:
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.append((_written(address), int(port, 16)))
    return sorted(set(found), key=lambda each: each[1])


def instead(processes: Iterable[int], wanted: tuple[str, int]) -> str:
    """What a service that is not found at its address should change; "" when nothing is known."""
    host, port = wanted
    found = listening(processes)
    if not found:
        return ""
    others = sorted({at for _, at in found if at != port})
    if all(at != port for _, at in found):
        named = ", ".join(map(str, others))
        return f"it listens on port {named}: use {{port}} or PORT, or write port: {others[0]}"
    hosts = [address for address, at in found if at == port]
    if not {host, "0.0.0.0", "::"} & {*hosts}:  # noqa: S104  (compared, not bound to)
        return f"it listens on {', '.join(hosts)} only: use {{host}} or HOST, which is {host}"
    return ""


def _sockets(process: int) -> Iterable[str]:
    try:
        for entry in Path(f"/proc/{process}/fd").iterdir():
            target = str(entry.readlink())
            if target.startswith(_SOCKET):
                yield target.removeprefix(_SOCKET).removesuffix("]")
    except OSError:  # it has ended, or is somebody else's
        return


def _written(address: str) -> str:
    data = bytes.fromhex(address)
    words = [data[at : at + _WORD][::-1] for at in range(0, len(data), _WORD)]
    family = socket.AF_INET if len(data) == _WORD else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))
