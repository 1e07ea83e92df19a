"""What --workers and --master ask for, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.load.distributed.spread import Spread, address_of, spread_over
from paychain.model.loading import FileMistakes, load_chain
from paychain.model.reach import is_allowed
from paychain.payments.errors import UserError

TOKEN = "sixteen letters!"  # as few as may be


def test_one_worker_here_is_the_one_process_as_ever() -> None:
    assert spread_over(1, None, "") is None


def test_workers_here_get_a_token_of_their_own_and_a_free_port() -> None:
    first, second = spread_over(2, None, ""), spread_over(2, None, "")
    assert first is not None
    assert second is not None
    assert (first.host, first.port, first.is_awaited) == ("127.0.0.1", 0, False)
    assert len(first.token) >= 32
    assert first.token != second.token


def test_one_worker_elsewhere_still_needs_a_master() -> None:
    spread = spread_over(1, "127.0.0.1:7000", "")
    assert spread == Spread(1, "127.0.0.1", 7_000, "", is_awaited=True)
    assert spread.entry_host == "127.0.0.1"


def test_payments_come_to_the_address_of_the_master() -> None:
    spread = spread_over(2, "10.0.0.5", TOKEN)
    assert spread == Spread(2, "10.0.0.5", 5_557, TOKEN, is_awaited=True)
    assert spread.entry_host == "10.0.0.5"


def test_a_master_with_a_name_listens_at_the_address_that_it_stands_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(0, 0, 0, "", ("10.0.0.5", 0))])
    assert spread_over(2, "run", TOKEN) == Spread(2, "10.0.0.5", 5_557, TOKEN, is_awaited=True)


@pytest.mark.parametrize(
    ("workers", "master", "token", "message"),
    [
        (0, None, "", "0 workers"),
        (65, None, "", "65 workers"),
        (2, "10.0.0.5", "", "10.0.0.5 is not on loopback"),
        (2, "10.0.0.5", TOKEN[:-1], "a token this short can be guessed"),
        (2, "127.0.0.1", "short", "a token this short can be guessed"),
        (2, "0.0.0.0", TOKEN, "a master cannot listen at '0.0.0.0'"),
        (2, "here.example", TOKEN, "a master cannot listen at 'here.example'"),
        (2, "::1", TOKEN, "'::1' is not an address of a master"),
        (2, "10.0.0.5:", TOKEN, "'10.0.0.5:' is not an address of a master"),
        (2, "10.0.0.5:65536", TOKEN, "'10.0.0.5:65536' is not an address of a master"),
    ],
)
def test_what_cannot_be_is_refused(
    workers: int, master: str | None, token: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(UserError) as caught:
        spread_over(workers, master, token)
    assert message in str(caught.value)


def test_a_worker_finds_its_master_by_name_as_well() -> None:
    assert address_of("master.example:9000") == ("master.example", 9_000)
    assert address_of("localhost") == ("127.0.0.1", 5_557)


CHAIN = "chain: shop\nentry: i\nallow: ALLOW\nlinks:\n  i: {role: issuer}\n"


def test_a_chain_is_reached_on_loopback_and_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ALLOW", "[10.0.0.5, 10.1.0.0/16]"))
    allow = load_chain(str(path)).model.allow
    allowed = ("127.0.0.1", "127.0.0.2", "10.0.0.5", "10.1.2.3")
    assert all(is_allowed(host, allow) for host in allowed)
    assert not any(is_allowed(host, allow) for host in ("10.0.0.6", "10.2.0.1"))
    assert not is_allowed("10.0.0.5", [])


def test_a_mistake_in_the_list_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ALLOW", "[10.0.0.5, everywhere]"))
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    assert "shop.yaml:3:19: 'everywhere' is neither an address nor a network" in str(caught.value)
