"""Whatever is asked of Stripe's dialect, its objects show what the book holds, and the book's laws.

Answers get lost and errors come after the work in between, and keys are used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.protocol.dialects.stripe.ids import read
from paychain.wire.http import WireError
from tests.support.laws import examples
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment

METHODS = ("pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired", "")
TROUBLES: dict[str, tuple[str, dict[str, Any]]] = {
    "lost": ("lost_answer", {}),
    "error after": ("http_error", {"status": 503, "after_work": True}),
    "error before": ("http_error", {"status": 503}),
}
_amount = st.integers(50, 1200)
_which = st.integers(0, 3)
_step = st.one_of(
    st.tuples(st.just("create"), st.booleans(), st.booleans(), st.sampled_from(METHODS)),
    st.tuples(st.just("confirm"), _which, st.sampled_from(METHODS)),
    st.tuples(st.just("capture"), _which, _amount, st.booleans()),
    st.tuples(st.just("capture all"), _which),
    st.tuples(st.just("cancel"), _which),
    st.tuples(st.just("refund"), _which, _amount),
    st.tuples(st.just("refund all"), _which),
)
_steps = st.lists(
    st.tuples(_step, st.sampled_from([None, None, None, *TROUBLES]), st.booleans()),
    min_size=1,
    max_size=10,
)


@dataclass
class Run:
    """One sequence of requests. `known`: the intents that the merchant or the list has seen."""

    links: StripeLinks
    known: list[str] = field(default_factory=list)
    asked: int = 0

    async def ask(self, step: tuple[Any, ...], trouble: str | None, *, repeats: bool) -> None:
        """A request under a key of its own, and maybe again under the same one."""
        what = self.request(step)
        if what is None:
            return
        self.asked += 1
        path, fields = what
        kind, parameters = TROUBLES[trouble] if trouble is not None else ("", {})
        if kind:
            self.links.inject(kind, **parameters)
        first = await self.post(path, fields)
        if kind:
            self.links.heal(kind)
        if repeats:
            moved = self.links.booked("psp")
            again = await self.post(path, fields)
            if trouble is None and again is not None and "idempotent-replayed" in again.headers:
                assert first is not None
                assert again.body == first.body
                assert self.links.booked("psp") == moved

    async def post(self, path: str, fields: dict[str, Any]) -> Shown | None:
        try:
            return await self.links.post(path, fields, key=f"key-{self.asked}", timeout_s=0.5)
        except WireError:
            return None

    def request(self, step: tuple[Any, ...]) -> tuple[str, dict[str, Any]] | None:
        """Path and fields of a step, None for one about an intent that does not exist."""
        match step:
            case ("create", is_manual, confirms, method):
                fields = {"amount": "1000", "currency": "eur", "metadata[o]": payment(self.asked)}
                if is_manual:
                    fields["capture_method"] = "manual"
                if method:
                    fields["payment_method"] = method
                if confirms and method:
                    fields["confirm"] = "true"
                return "payment_intents", fields
            case (what, which, *more) if which < len(self.known):
                name = self.known[which]
                path = f"payment_intents/{name}"
                match what, *more:
                    case "confirm", method:
                        return f"{path}/confirm", {"payment_method": method} if method else {}
                    case "capture", amount, is_final:
                        final = "true" if is_final else "false"
                        asked = {"amount_to_capture": str(amount), "final_capture": final}
                        return f"{path}/capture", asked
                    case ("capture all",):
                        return f"{path}/capture", {}
                    case ("cancel",):
                        return f"{path}/cancel", {}
                    case "refund", amount:
                        return "refunds", {"payment_intent": name, "amount": str(amount)}
                    case ("refund all",):
                        return "refunds", {"payment_intent": name}
        return None

    async def check(self) -> None:
        """Every object against the book."""
        listed = await self.links.get("payment_intents", {"limit": "100"})
        self.known = [each["id"] for each in reversed(listed["data"])]
        for intent in listed["data"]:
            await self.check_intent(intent)

    async def check_intent(self, intent: dict[str, Any]) -> None:
        seen = await self.links.get(
            f"payment_intents/{intent['id']}", {"expand[]": "latest_charge.refunds"}
        )
        assert seen["status"] == intent["status"]
        charge = seen["latest_charge"]
        if charge is None:
            assert (intent["amount_received"], intent["amount_capturable"]) == (0, 0)
            assert intent["status"] not in ("requires_capture", "succeeded")
            return
        found = read("ch", charge["id"])
        assert found is not None
        entry = self.links.entry(found[0])
        if entry is None:  # an error came in front of the link
            assert charge["amount_captured"] == 0
            return
        captured, refunded = entry.captured_minor, entry.refunded_minor
        assert 0 <= refunded <= captured <= intent["amount"]
        assert intent["amount_received"] == charge["amount_captured"] == captured
        assert sum(each["amount"] for each in charge["refunds"]["data"]) >= refunded
        done = [each for each in charge["refunds"]["data"] if each["status"] == "succeeded"]
        assert sum(each["amount"] for each in done) == refunded
        is_held = entry.state.value == "authorised" and entry.rest_minor > 0
        assert (intent["status"] == "requires_capture") == is_held
        assert intent["amount_capturable"] == (entry.rest_minor if is_held else 0)
        assert (intent["status"] == "succeeded") == (captured > 0 and not is_held)
        if entry.state.value == "voided" and not captured:
            assert intent["status"] == "canceled"


@pytest.mark.parametrize("model", ["stripe-v1", "stripe-v2", "keyed"])
@given(_steps)
@examples(120)
def test_what_stripe_shows_is_what_the_book_holds(
    model: str, steps: list[tuple[tuple[Any, ...], str | None, bool]]
) -> None:
    async def scenario(links: StripeLinks) -> None:
        run = Run(links)
        for step, trouble, repeats in steps:
            await run.ask(step, trouble, repeats=repeats)
            await run.check()

    links = on_stripe(scenario, after_s=2.0, psp=f"idempotency: {model}")
    for link in ("psp", "issuer"):
        for kind in ("authorised", "captured", "refunded"):
            moved = [(ref, amount) for what, ref, amount in links.booked(link) if what == kind]
            behind = [(ref, amount) for what, ref, amount in links.booked("psp") if what == kind]
            assert sorted(moved) == sorted(behind)
