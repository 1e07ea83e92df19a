"""`eth_sendRawTransaction`: from signed bytes to a transfer; refusals in the client's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paychain.payments.addresses import Address
from paychain.payments.money import MAX_MINOR
from paychain.payments.outcome import Outcome
from paychain.payments.transaction import Refusal
from paychain.protocol.dialects.json_rpc.moment import (
    GAS_MONEY_WEI,
    Moment,
    NetworkFacts,
    TransferTerms,
    balance_of,
)
from paychain.protocol.dialects.json_rpc.shapes import TRANSFER_GAS
from paychain.protocol.dialects.json_rpc.signed import SignedTransaction, Undecodable, decode
from paychain.protocol.dialects.json_rpc.values import (
    INVALID_PARAMS,
    SERVER_ERROR,
    RpcError,
    read_data,
)
from paychain.protocol.dialects.json_rpc.words import MAX_FEE_WEI, mistaken, refused
from paychain.protocol.message import Answer, PaymentRequest, Signed
from paychain.protocol.vendor import Attributed, Evidence, VendorCall

_REFUSALS = {str(refusal): refusal for refusal in Refusal}
# How op-geth answers if the sequencer behind it refuses a transaction or does not answer.
_FORWARDING = "failed to forward tx to sequencer, please try again. Error message: '{why}'"


@dataclass(frozen=True, slots=True)
class Sent:
    """A valid signed transaction, and the payment that it makes."""

    signed: SignedTransaction
    raw: str
    transfer: TransferTerms


def read_sent(network: NetworkFacts, params: Sequence[Any]) -> Sent:
    """Read a raw transaction. Raises RpcError if it is not a valid one of this network."""
    if not params:
        raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
    raw, words = read_data(params[0], 0), network.words
    try:
        signed = decode(raw)
    except Undecodable as error:
        raise mistaken(words, "undecodable", why=str(error)) from None
    if signed.chain_id not in (None, network.chain_id):
        raise mistaken(words, "chain", have=signed.chain_id or 0, want=network.chain_id)
    if signed.gas < TRANSFER_GAS:
        raise mistaken(words, "gas", have=signed.gas, want=TRANSFER_GAS)
    if words.is_careful:
        if signed.chain_id is None:
            raise mistaken(words, "any network")
        if (fee := signed.gas * signed.max_fee) > MAX_FEE_WEI:
            raise mistaken(words, "fee", have=fee / 10**18, want=MAX_FEE_WEI / 10**18)
    return Sent(signed, raw.hex(), network.transfer_in(signed))


def attribute(call: VendorCall, sent: Sent, network: str, asset: str) -> Attributed:
    """Attribute a transaction to a payment: by trace, text in its data, or address and amount.

    The same bytes repeat an attempt; any other signed transaction is a new attempt.
    """
    return call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=(sent.signed.data.decode("utf-8", "replace"),),
            key=sent.signed.hash,
            instrument=Address(sent.transfer.to, network),
            amount_minor=sent.transfer.amount_minor,
            currency=asset,
        )
    )


def check_funds(moment: Moment, sent: Sent) -> int:
    """The amount in minor units that a transaction will move: 0 if the sender lacks the tokens.

    Raises RpcError if the sender cannot pay for gas and value: a node refuses that at once.
    """
    network, signed = moment.network, sent.signed
    sender, head = signed.sender.lower(), moment.copy.head
    owned = balance_of(moment.copy, network.asset, sender, head)
    have = GAS_MONEY_WEI if network.is_token else owned * network.wei_per_minor
    want = signed.value + signed.gas * signed.max_fee
    if want > have:
        values = {"have": have, "want": want, "short": want - have}
        raise refused(network.words, Refusal.INSUFFICIENT_FUNDS, **values)
    # It is mined and fails: its nonce is used, and nothing moves.
    return sent.transfer.amount_minor if sent.transfer.amount_minor <= owned else 0


def transfer_of(
    sent: Sent, amount_minor: int, found: Attributed, network: str, asset: str
) -> PaymentRequest:
    """The transfer to execute on the link. Its reference is the hash."""
    signed = sent.signed
    return PaymentRequest(
        found.payment,
        amount_minor,
        asset,
        Address(sent.transfer.to, network),
        attempt=found.attempt,
        reference=signed.hash,
        signed=Signed(
            signed.sender, signed.nonce, fee=min(signed.max_fee, MAX_MINOR), raw=sent.raw
        ),
    )


def hash_of(moment: Moment, sent: Sent, answer: Answer) -> str:
    """The hash that a node answers to a transfer. Raises RpcError if it refused the transfer."""
    signed, words = sent.signed, moment.network.words
    if answer.outcome is Outcome.APPROVED:
        is_own = answer.reference == signed.hash
        return signed.hash if is_own else "0x" + answer.reference.encode().hex().rjust(64, "0")
    refusal = _REFUSALS.get(answer.code)
    if refusal is None or answer.outcome is Outcome.UNKNOWN:
        why = "context deadline exceeded" if answer.outcome is Outcome.UNKNOWN else "EOF"
        raise RpcError(SERVER_ERROR, _FORWARDING.format(why=why))
    is_repeat = refusal is Refusal.ALREADY_KNOWN or signed.hash in moment.copy.mined
    if words.takes_repeats and is_repeat:
        return signed.hash
    sender = signed.sender.lower()
    values = {
        "nonce": signed.nonce,
        "next": max(moment.copy.nonce(sender, moment.copy.head), signed.nonce + 1),
        "fee": signed.max_fee,
        "have": 0,
        "want": signed.value,
        "short": signed.value,
    }
    raise refused(words, refusal, **values)
