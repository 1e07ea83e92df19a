"""What each key of the assurance block is for."""

from __future__ import annotations

ASSURANCE: dict[str, dict[str, str]] = {
    "Assurance": {
        "entity": "The entity whose resilience is tested.",
        "critical_function": "The critical or important function that the chain represents.",
        "in_scope": "What the test covers.",
        "out_of_scope": "What it does not cover.",
        "assumptions": "Assumptions of the test.",
        "programme": "The testing programme it belongs to.",
        "trigger": "Why the test was due.",
        "trigger_reference": "The change or incident behind the trigger.",
        "previous_run": "The run that this one follows.",
        "scenario": "The planned scenario.",
        "environment": "Where the test ran.",
        "people": "Who designed, ran and approved it.",
        "objectives": "Who owns the tolerances, and why they are appropriate.",
        "daily": "An average day of the real service, to scale the results.",
        "findings": "What is being done about each finding.",
        "retest": "The run that shows that the remedy works.",
        "lessons": "Lessons learned.",
        "reported_on": "When it was reported to the management body.",
        "retention": "How long the evidence is kept.",
        "sign_off": "Names and dates.",
    },
    "Scenario": {
        "type": "The kind of test.",
        "plausibility": "Why the scenario is severe but plausible.",
        "severity": "How severe it is.",
        "expected_to_hold": "Whether the tolerances were expected to hold.",
    },
    "People": {
        "designed_by": "Who designed the test.",
        "executed_by": "Who ran it.",
        "approved_by": "Who approved it.",
        "independence": "Their independence from those who run the service.",
    },
    "Objectives": {
        "owner": "Who owns the tolerances.",
        "justification": "Why these values.",
        "rto": "Recovery time objective.",
        "rpo": "Recovery point objective.",
    },
    "Daily": {
        "transactions": "Payments on an average day.",
        "value": "Their value, in the chain's currency.",
        "clients": "How many clients pay on an average day.",
    },
    "Remediation": {
        "finding": "The finding.",
        "severity": "How severe it is.",
        "owner": "Who is responsible for it.",
        "action": "The action taken.",
        "due": "When it is due.",
        "status": "Its state.",
        "accepted_by": "Who accepted the risk, if it is not removed.",
    },
    "Retest": {
        "run": "The run.",
        "result": "The result.",
        "closed_by": "Who closed the finding; not the person who fixed it.",
    },
    "SignOff": {
        "prepared": "Who prepared the report, and when.",
        "reviewed": "Who reviewed it, and when.",
        "accepted": "Who accepted it, and when.",
    },
}
