"""Who tested what and why: what a compliance report needs and no measurement can give.

Every field may be omitted; a report shows it as missing and never invents it.
Source of the fields: docs/domain.md §4.6.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paychain.declaration.quantity import Amount
from paychain.declaration.schema import Declared

Text = Annotated[str, Field(max_length=4_000)]


class Scenario(Declared):
    """The scenario as it was planned, before the run."""

    type: Literal["scenario", "performance", "end_to_end"] | None = None
    plausibility: Text | None = None  # why it is severe but plausible
    severity: Text | None = None
    expected_to_hold: bool | None = None


class People(Declared):
    """Who designed, ran and approved the test, and how independent they are."""

    designed_by: Text | None = None
    executed_by: Text | None = None
    approved_by: Text | None = None
    independence: Text | None = None


class Objectives(Declared):
    """Whose tolerances these are, and why they are what they are."""

    owner: Text | None = None
    justification: Text | None = None
    rto: Text | None = None
    rpo: Text | None = None


class Daily(Declared):
    """An average day of the real service, to scale what was seen in the test."""

    transactions: Annotated[int, Field(ge=1)] | None = None
    value: Amount | None = None
    clients: Annotated[int, Field(ge=1)] | None = None


class Remediation(Declared):
    """What is being done about one finding."""

    finding: Text
    severity: Literal["critical", "high", "medium", "low"] | None = None
    owner: Text | None = None
    action: Text | None = None
    due: Text | None = None
    status: Text | None = None
    accepted_by: Text | None = None  # who accepted the risk, when it is not removed


class Retest(Declared):
    """The run that shows the remedy works, and who closed the finding (not who fixed it)."""

    run: Text | None = None
    result: Text | None = None
    closed_by: Text | None = None


class SignOff(Declared):
    """Names and dates."""

    prepared: Text | None = None
    reviewed: Text | None = None
    accepted: Text | None = None


class Assurance(Declared):
    """The assurance block of an experiment, or a file of its own."""

    entity: Text | None = None
    critical_function: Text | None = None
    in_scope: Text | None = None
    out_of_scope: Text | None = None
    assumptions: list[Text] = []
    programme: Text | None = None
    trigger: Literal["yearly", "substantive_change", "post_incident", "other"] | None = None
    trigger_reference: Text | None = None
    previous_run: Text | None = None
    scenario: Scenario = Scenario()
    environment: Literal["test", "pre_production", "live"] | None = None
    people: People = People()
    objectives: Objectives = Objectives()
    daily: Daily = Daily()
    findings: Annotated[list[Remediation], Field(max_length=200)] = []
    retest: Retest = Retest()
    lessons: Text | None = None
    reported_on: Text | None = None  # to the management body
    retention: Text | None = None
    sign_off: SignOff = SignOff()
