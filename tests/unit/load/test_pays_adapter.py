"""A class of the user's pays an own service; its mistakes are its own, with their places."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from paychain.load.adapters import Exchanges
from paychain.load.traffic.exchange import Send, Step, Try
from paychain.load.traffic.plan import EntryPlan
from paychain.model.loading import FileMistakes, load_chain
from paychain.payments.cards import TEST_CARDS
from paychain.payments.errors import UserError
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.template import PaysTemplate
from paychain.protocol.reply import Reply
from paychain.wire.http import CallTimeout, HttpResponse, WireError

SHOP = """
class Shop:
    async def pay(self, payment, http):
        body = {"id": payment.id, "sum": payment.amount, "card": payment.card.token}
        answer = await http.post("/orders", json=body, headers={"Idempotency-Key": payment.key})
        while answer.status == 202:
            await http.sleep(0.2)
            answer = await http.get(f"/orders/{payment.id}")
        if answer.status == 200:
            return payment.approved(answer.json["charged"])
        return payment.declined(answer.json["reason"])
"""


class Paying:
    """One try, whose answers the test gives."""

    def __init__(self, folder: Path, source: str, *, patience_s: float = 5.0) -> None:
        (folder / "adapters.py").write_text(dedent(source))
        template = PaysTemplate(
            link="shop-api",
            adapter="adapters.py:Shop",
            folder=str(folder),
            place="own.yaml:9:7",
        )
        entry = EntryPlan(link="shop-api", pays=template)
        request = PaymentRequest("p0000001", 1250, "EUR", TEST_CARDS[0], "shop", key="k-1")
        attempt = Try(request, "c" * 16, 1.0, entry, patience_s=patience_s)
        exchanges = Exchanges()
        self.doubts = exchanges.doubts
        self.exchange = exchanges.of(attempt)
        self.now_ns = 0
        self.step: Step = self.exchange.start(0)

    def gets(self, got: HttpResponse | WireError | tuple[int, object]) -> Paying:
        if isinstance(got, tuple):
            got = HttpResponse(got[0], json.dumps(got[1]).encode())
        assert isinstance(self.step, Send)
        self.now_ns = self.step.at_ns + 10_000_000
        self.step = self.exchange.receive(got, self.now_ns)
        return self

    @property
    def reply(self) -> Reply:
        assert isinstance(self.step, Reply)
        return self.step


def test_it_sends_and_waits_as_it_says(tmp_path: Path) -> None:
    paying = Paying(tmp_path, SHOP)
    assert isinstance(paying.step, Send)
    http = paying.step.http
    assert (http.method, http.target) == ("POST", "/orders")
    assert http.body == b'{"id":"p0000001","sum":12.50,"card":"tok_visa_4242"}'
    assert http.headers["idempotency-key"] == "k-1"
    assert http.headers["baggage"] == "payment=p0000001"
    assert http.headers["traceparent"].endswith("-cccccccccccccccc-01")
    paying.gets((202, {}))
    assert isinstance(paying.step, Send)
    assert (paying.step.http.method, paying.step.at_ns) == ("GET", 210_000_000)
    reply = paying.gets((200, {"charged": "12.00"})).reply
    assert reply.answer is not None
    assert (reply.result, reply.answer.amount_minor) == (HopResult.APPROVED, 1200)
    assert paying.doubts.problems() == []


def test_it_declines_with_the_code_of_the_answer(tmp_path: Path) -> None:
    reply = Paying(tmp_path, SHOP).gets((402, {"reason": "51"})).reply
    assert (reply.result, reply.code) == (HopResult.DECLINED, "51")


def test_no_answer_leaves_the_outcome_unknown_unless_it_is_caught(tmp_path: Path) -> None:
    paying = Paying(tmp_path, SHOP).gets(CallTimeout("late", sent=True))
    assert paying.reply.result is HopResult.TIMEOUT
    assert paying.doubts.problems() == []
    catches = """
    class Shop:
        async def pay(self, payment, http):
            try:
                await http.post("/pay")
            except Exception:
                return payment.rejected("gone")
    """
    paying = Paying(tmp_path, catches).gets(CallTimeout("late", sent=True))
    assert paying.reply.result is HopResult.REJECTED


def test_patience_ends_while_it_waits(tmp_path: Path) -> None:
    paying = Paying(tmp_path, SHOP, patience_s=1.0)
    for _ in range(4):
        paying.gets((202, {}))
    # Four looks of 210 ms, and the first request: the fifth look would come after one second.
    assert paying.gets((202, {})).reply.result is HopResult.TIMEOUT


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("approved()", HopResult.APPROVED),
        ("approved(amount_minor=5)", HopResult.APPROVED),
        ("declined(technical=True)", HopResult.TECHNICAL),
        ("pending()", HopResult.UNKNOWN),
        ("unknown()", HopResult.HTTP_ERROR),
        ("rejected()", HopResult.REJECTED),
    ],
)
def test_it_says_what_it_saw(tmp_path: Path, method: str, result: HopResult) -> None:
    source = f"""
    class Shop:
        async def pay(self, payment, http):
            return payment.{method}
    """
    assert Paying(tmp_path, source).reply.result is result


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return 1 / 0", "adapters.py:4: Shop.pay failed: ZeroDivisionError"),
        ("return payment.approved('12.505')", "adapters.py:4: Shop.pay failed: ValueError"),
        ("return True", "Shop.pay returned bool, not payment.approved()"),
        ("pass", "Shop.pay returned NoneType"),
        ("await http.post('orders')", "adapters.py:4: Shop.pay failed: ValueError"),
        ("import asyncio; await asyncio.sleep(0)", "Shop.pay awaits NoneType; only http.get"),
        ("raise RuntimeError('4242424242424242')", "Shop.pay failed: RuntimeError: …"),
    ],
)
def test_a_mistake_in_it_is_reported_with_its_place(
    tmp_path: Path, body: str, problem: str
) -> None:
    source = f"""
    class Shop:
        async def pay(self, payment, http):
            {body}
    """
    paying = Paying(tmp_path, source)
    assert paying.reply.result is HopResult.MALFORMED
    (found,) = paying.doubts.problems()
    assert problem in found


def test_one_that_never_ends_is_ended(tmp_path: Path) -> None:
    endless = """
    class Shop:
        async def pay(self, payment, http):
            while True:
                await http.sleep(0)
    """
    assert "more than 1,000 requests" in Paying(tmp_path, endless).doubts.problems()[0]


def test_its_file_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("STATUS = 200\n")
    source = """
    from beside_it import STATUS
    class Shop:
        async def pay(self, payment, http):
            return payment.approved() if STATUS == 200 else payment.unknown()
    """
    assert Paying(tmp_path, source).reply.result is HopResult.APPROVED


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ("import missing_module\n", "adapters.py:1", "No module named 'missing_module'"),
        ("\nclass Shop:\n  x = 1 / 0\n", "adapters.py:3", "ZeroDivisionError"),
        ("class Shop:\n  def __init__(self):\n    raise KeyError('k')\n", "adapters.py:3", "'k'"),
        ("class Shop(:\n", "adapters.py:1", "invalid syntax"),
        ("class Other:\n  pass\n", "own.yaml:9:7", "has no class Shop"),
        ("class Shop:\n  def pay(self, p, h): ...\n", "own.yaml:9:7", "has no 'async def pay'"),
    ],
)
def test_one_that_cannot_be_loaded_says_why_and_where(
    tmp_path: Path, source: str, where: str, what: str
) -> None:
    with pytest.raises(UserError, match=what.replace("(", r"\(")) as raised:
        Paying(tmp_path, source)
    assert where in raised.value.where


CHAIN = """\
chain: own
entry: shop-api
links:
  shop-api: {role: gateway, pays: {by: adapters.py:Shop}, service: {command: "true"}, calls: CALL}
  issuer: {role: issuer}
""".replace("CALL", "{authorise: {to: issuer}}")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (None, "adapters.py cannot be read: No such file or directory"),
        ("class Shop:\n", "adapters.py:1: expected an indented block"),
        ("class Shp:\n  pass\n", "has no class Shop; did you mean 'Shp'?"),
        ("class Shop:\n  x = 1\n", "adapters.py:1: Shop has no pay; add async def pay"),
        ("class Shop:\n  def pay(self, payment, http): ...\n", "Shop.pay is not 'async def'"),
        ("class Shop:\n  async def pay(self): ...\n", "Shop.pay takes other arguments"),
    ],
)
def test_a_check_finds_what_can_be_read(tmp_path: Path, source: str | None, what: str) -> None:
    (tmp_path / "own.yaml").write_text(CHAIN)
    if source is not None:
        (tmp_path / "adapters.py").write_text(source)
    with pytest.raises(FileMistakes) as raised:
        load_chain(str(tmp_path / "own.yaml"))
    (line,) = raised.value.lines
    assert what in line
    assert "own.yaml:4:40:" in line


def test_customers_who_come_back_need_a_method_that_looks(tmp_path: Path) -> None:
    leaves = "customer: {leaves: {share: 5%, after: 2s, returns_after: 5s}}\nlinks:"
    (tmp_path / "own.yaml").write_text(CHAIN.replace("links:", leaves))
    (tmp_path / "adapters.py").write_text(SHOP)
    with pytest.raises(FileMistakes, match="Shop has no look; add async def look"):
        load_chain(str(tmp_path / "own.yaml"))
    look = """
    async def look(self, payment, http):
        return payment.pending()
"""
    (tmp_path / "adapters.py").write_text(SHOP + look)
    assert load_chain(str(tmp_path / "own.yaml")).model.customer.leaves is not None


def test_a_check_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHAIN)
    (tmp_path / "adapters.py").write_text(f"raise SystemExit\n{SHOP}")
    assert load_chain(str(tmp_path / "own.yaml")).model.chain == "own"
