"""`wrong_answer`: the answer does not match the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from paychain.faults.kind import Facts, RequestFaultKind
from paychain.payments.codes import APPROVED
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, AnswerOrError, PaymentRequest

UNKNOWN_REFERENCE = "nobody-1"  # a reference that no payment has


class WrongAnswer(RequestFaultKind):
    """The link does the work, and its answer reports something else.

    `another_payment`: the answer names another authorisation than the requested one.
    """

    facts = Facts(
        meaning="works, reports something else",
        switch=({"says": "declined", "share": "50%"},),
        search=None,
    )
    needs_payments = True

    says: Literal["approved", "declined", "another_amount", "another_payment"] = "declined"
    code: str = "05"  # of `declined`

    @property
    def decline_codes(self) -> Mapping[str, str]:
        """The declared one."""
        return {"code": self.code}

    def change_answer(self, given: AnswerOrError, request: PaymentRequest) -> AnswerOrError:
        """Another answer; an error stays what it is."""
        if not isinstance(given, Answer):
            return given
        match self.says:
            case "approved":
                # What was approved has a name already, which may be a link's own.
                was_approved = given.outcome is Outcome.APPROVED
                return msgspec.structs.replace(
                    given,
                    outcome=Outcome.APPROVED,
                    code=APPROVED,
                    reference=given.reference if was_approved else request.reference,
                    amount_minor=request.amount_minor,
                )
            case "declined":
                return msgspec.structs.replace(given, outcome=Outcome.DECLINED, code=self.code)
            case "another_amount":
                return msgspec.structs.replace(given, amount_minor=given.amount_minor * 10)
            case "another_payment":
                return msgspec.structs.replace(given, reference=UNKNOWN_REFERENCE)
