"""What each key of the assurance block is for."""

from __future__ import annotations

ASSURANCE: dict[str, dict[str, str]] = {
    "Assurance": {
        "entity": "The entity whose resilience is tested.",
        "critical_function": "The critical or important function that the chain stands for.",
        "in_scope": "What the test covers.",
        "out_of_scope": "What it does not cover.",
        "assumptions": "What the test takes for granted.",
        "programme": "The testing programme that it belongs to.",
        "trigger": "Why the test was due.",
        "trigger_reference": "The change or incident behind the trigger.",
        "previous_run": "The run that this one follows.",
        "scenario": "The scenario as it was planned.",
        "environment": "Where the test ran.",
        "people": "Who designed, ran and approved it.",
        "objectives": "Whose tolerances these are, and why.",
        "daily": "An average day of the real service, to scale what was seen.",
        "findings": "What is being done about each finding.",
        "retest": "The run that shows that the remedy works.",
        "lessons": "What was learnt.",
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
        "independence": "How independent they are of who runs the service.",
    },
    "Objectives": {
        "owner": "Who owns the tolerances.",
        "justification": "Why they are what they are.",
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
        "owner": "Who has to remove it.",
        "action": "What is done.",
        "due": "Until when.",
        "status": "How far it is.",
        "accepted_by": "Who accepted the risk, when it is not removed.",
    },
    "Retest": {
        "run": "The run.",
        "result": "What came of it.",
        "closed_by": "Who closed the finding: not who fixed it.",
    },
    "SignOff": {
        "prepared": "Who prepared the report, and when.",
        "reviewed": "Who reviewed it, and when.",
        "accepted": "Who accepted it, and when.",
    },
}
