"""What links around a ledger declare: its blocks, its finality, what payouts are paid from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from paychain.declaration.quantity import Amount, Share, Span, brief
from paychain.declaration.schema import Declared, OneOrSeveral, Short, several
from paychain.model.codes import Code
from paychain.model.lifecycle import ServiceTime
from paychain.payments.codes import ISSUER_INOPERATIVE
from paychain.payments.rails import Finality

AT_ONCE = "at_once"


class Blocks(Declared):
    """How a ledger makes blocks while it is not halted."""

    every: Annotated[Span, Field(description="The time from one block to the next.")]
    transactions: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="Transfers per block; default: no limit."),
    ] = None


class Messages(Declared):
    """How transfers reach their receiver on a ledger that does not make them in one block (TON).

    A transfer leaves its sender in one block, which uses its number, and arrives in a later one. A
    message that bounces brings the amount back: its receipt says that it failed.
    """

    delay: Annotated[
        ServiceTime, Field(description="How long a message takes, log-normal: median and p99.")
    ]
    bounces: Annotated[Share, Field(description="Share of the messages that come back.")] = 0.0


class DeclaredFinality(Declared):
    """When a transfer cannot be undone any more: `at_once`, after some blocks, or after a time.

    With `final: at_once` no block is ever replaced.
    """

    after: Annotated[
        int | None,
        Field(ge=1, le=100_000, description="Number of blocks that must follow the transfer's."),
    ] = None
    until: Annotated[
        Span | None, Field(description="How long after its block a transfer can still be undone.")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if value == AT_ONCE:
            return {}
        if not isinstance(value, dict | DeclaredFinality):
            shown = f"'{brief(value)}' does not say when it is final"
            raise ValueError(f"{shown}; write at_once, {{after: 4}} or {{until: 3s}}")
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.after is not None and self.until is not None:
            raise ValueError("after and until both declare when it is final; give one of them")
        return self

    @property
    def finality(self) -> Finality:
        """The same as a ledger reads it."""
        return Finality(after_blocks=self.after or 0, until_s=self.until or 0.0)


class Credit(Declared):
    """How many blocks have to follow a deposit until it is credited.

    With `up_to` only for amounts up to that. As many as make a transfer final, or more:
    with fewer the block may be replaced, and the customer has the money.
    """

    up_to: Annotated[
        Amount | None, Field(gt=0, description="The largest amount; default: any.")
    ] = None
    after: Annotated[
        int, Field(ge=1, le=100_000, description="Number of blocks that must follow the deposit's.")
    ]


def confirmations(needed: Sequence[tuple[int | None, int]], amount_minor: int) -> int:
    """How many blocks an amount needs; `needed`: up to which amount (None: any) how many."""
    return next(after for up_to, after in needed if up_to is None or amount_minor <= up_to)


class Funding(Declared):
    """What payouts are paid from, all together; when one is reserved, and its reservation freed.

    `frees: when_dead` keeps it until the payout is final or was declined. `on_timeout` frees it
    when the transfer has no answer, although it may still be made: a mistake that is common, so it
    can be declared and tested. So can `reserves: when_final`: what is on its way is still there for
    the next payout.
    """

    amount: Annotated[Amount, Field(gt=0, description="The money available for payouts.")]
    reserves: Annotated[
        Literal["first", "when_final"],
        Field(description="When the money of a payout is reserved: before it is sent, or after."),
    ] = "first"
    frees: Annotated[
        Literal["when_dead", "on_timeout"],
        Field(description="When the reservation of a payout that was not declined is freed."),
    ] = "when_dead"

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Funding) else {"amount": value}


class Pauses(Declared):
    """When an exchange begins no payout: while its nodes have shown no new block for a time.

    Payouts that have begun go on (`begun: kept`). `freed` restores their balances, although what
    was signed may still be mined: a mistake that is common, so it can be declared and tested.
    """

    head_older_than: Annotated[
        Span,
        Field(
            description="It pauses while the last block is older than this, or no node reports one."
        ),
    ]
    code: Annotated[Code, Field(description="The response code of the refusal.")] = (
        ISSUER_INOPERATIVE
    )
    begun: Annotated[
        Literal["kept", "freed"],
        Field(description="What happens to the reservations of payouts in progress."),
    ] = "kept"


class Replaces(Declared):
    """What a wallet does about a transfer that waits for a block: after a while, it offers more.

    With the transfer's own nonce (`nonce: same`) only one of the two is mined. With `new` it signs
    another transfer with the next nonce, and both are made in the end. That mistake is common, so
    it can be declared and tested.
    """

    after: Annotated[
        Span,
        Field(description="How long a transfer waits, from its signing, before it is replaced."),
    ]
    times: Annotated[
        int, Field(ge=2, le=1_000, description="By how much each replacement multiplies the fee.")
    ] = 2
    up_to: Annotated[
        int,
        Field(
            ge=2,
            le=1_000_000,
            description="The highest fee it offers, as a multiple of the usual fee.",
        ),
    ] = 1_000
    nonce: Annotated[Literal["same", "new"], Field(description="The replacement's nonce.")] = "same"

    @model_validator(mode="after")
    def _offers_more(self) -> Self:
        if self.times > self.up_to:
            raise ValueError("the first fee it would offer is above up_to; raise up_to")
        return self


class Prices(Declared):
    """The prices of an oracle: a new one every so often, within a share of the declared one."""

    of: Annotated[
        Amount,
        Field(
            gt=0, description="The price of one coin in the chain's currency; at most six decimals."
        ),
    ]
    moves: Annotated[Share, Field(lt=1, description="How far a price may deviate from it.")] = 0.01
    every: Annotated[Span, Field(description="The time from one price to the next.")] = 1.0


class PriceBounds(Declared):
    """The prices that may be right: others are refused, however new they are."""

    lowest: Annotated[Amount, Field(gt=0, description="The lowest price that is sold at.")]
    highest: Annotated[Amount, Field(gt=0, description="The highest price that is sold at.")]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("no price is within these bounds; write the lower one as lowest")
        return self


class Price(Declared):
    """The oldest price that a gateway may sell at, within which bounds, and how long it holds.

    What is not paid by then is not sold, and its hold is released. `checked: false` takes whatever
    price there is, for however long: a mistake that is common, so it can be declared and tested.
    """

    max_age: Annotated[Span, Field(description="How old a price may be when it is quoted.")]
    holds_for: Annotated[
        Span | None,
        Field(description="How long a quote is valid for holding its money; default: no limit."),
    ] = None
    bounds: Annotated[
        PriceBounds | None, Field(description="The prices that may be right; default: any.")
    ] = None
    checked: Annotated[
        bool,
        Field(description="Whether the gateway checks the age and bounds of prices and quotes."),
    ] = True


class LedgerSettings(Declared):
    """What only links around a ledger declare."""

    # gateway that sells an asset, oracle
    price: Annotated[Price | None, Field(description="The prices at which it sells.")] = None
    prices: Annotated[Prices | None, Field(description="The prices that it reports.")] = None
    # exchange
    funding: Annotated[
        Funding | None, Short(Amount), Field(description="The money that payouts are paid from.")
    ] = None
    pauses: Annotated[
        Pauses | None,
        Field(description="When it starts no payouts, because its nodes see no new block."),
    ] = None
    credits: Annotated[
        list[Credit],
        Field(max_length=20, description="When it credits deposits, by their amounts."),
        BeforeValidator(several),
        OneOrSeveral(),
    ] = []
    deposits_known_by: Annotated[
        Literal["transaction", "block"],
        Field(
            description="What makes a deposit the same one when it is seen again. By its block, "
            "one that is mined once more is credited twice: a mistake, so it can be declared."
        ),
    ] = "transaction"
    # wallet
    nonces: Annotated[
        Literal["one_per_payment", "each_try"],
        Field(
            description="Whether an unanswered transfer is sent again as the same bytes, or "
            "signed once more with the next nonce: a common mistake, so it can be declared."
        ),
    ] = "one_per_payment"
    valid_until: Annotated[
        Span | None,
        Field(
            description="For how long after its signing a block may have a transfer (valid_until "
            "on TON). One that expired is signed again with its number; default: it never expires."
        ),
    ] = None
    replaces: Annotated[
        Replaces | None,
        Field(description="When a wallet offers a higher fee; default: never."),
    ] = None
    checks_network: Annotated[
        bool,
        Field(
            description="Whether a wallet signs its network's id with each transfer, and refuses "
            "nodes of another network. Not to do so is a mistake, and can be declared."
        ),
    ] = True
    checks_receipt: Annotated[
        bool,
        Field(
            description="Whether a wallet reads in a receipt that a transfer failed, and declines "
            "it. Not to do so is a mistake, and can be declared."
        ),
    ] = True
    # ledger
    blocks: Annotated[Blocks | None, Field(description="How often it produces a block.")] = None
    final: Annotated[
        DeclaredFinality,
        Short(Literal["at_once"]),
        Field(description="When a transfer can no longer be undone."),
    ] = DeclaredFinality()
    messages: Annotated[
        Messages | None,
        Field(description="How long transfers are on their way; default: they are not."),
    ] = None
    asset: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Z]{3,5}$",
            description="The asset that moves on it; default: the chain's currency.",
        ),
    ] = None
    pool: Annotated[
        int,
        Field(
            ge=1, le=1_000_000, description="How many transactions may wait for a block at most."
        ),
    ] = 5_000
