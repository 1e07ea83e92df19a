"""What a user's process wrote, as a report may show it: no card number, no secret.

CI jobs hand secrets to processes in variables, and a service that fails may print all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from paychain.payments.cards import masked
from paychain.payments.errors import without_passwords

LAST_LINES = 20  # of an output in a message
MAX_LINE_CHARACTERS = 500
MIN_SECRET = 8  # characters: what is shorter is also in text that is no secret
# At the end: AWS_SECRET_ACCESS_KEY is one, TOKEN_LIFETIME, SECRETS_FILE and PUBLIC_KEY are not.
_SECRET_NAME = re.compile(
    r"(?:token|secret|password|passwd|_pwd|passphrase|credentials?|(?<!public)(?<!public_)key|_pat)"
    r"(?:_?[0-9]+|_base64|_b64|_live|_test)?$",
    re.IGNORECASE,
)
_DIGITS, _LETTER = re.compile(r"\d+"), re.compile(r"[A-Za-z]")
# Passwords of development that are no secret, and are names in lines that say what failed.
_DEFAULTS = frozenset({"changeme", "localhost", "password", "postgres", "rabbitmq"})


def shown_lines(lines: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The last lines that are not empty, as a report may show them. Repeats count as one line.

    `environment`: the variables of the process; the values of those that are named like a secret
    are masked.
    """
    secrets = _secrets(environment)
    last = _without_repeats(line.rstrip() for line in lines if line.strip())[-2 * LAST_LINES :]
    written = [_without_secrets(line, secrets) for line in last]
    # A number may go on in the next line, also in the first one that is shown. Where there is one,
    # indentation is left out: a number that is indented would be hidden by it.
    plain = "\n".join(line.lstrip() for line in written)
    whole = masked(plain)
    shown = written if whole == plain else whole.split("\n")
    return [line[:MAX_LINE_CHARACTERS] for line in shown[-LAST_LINES:]]


def _without_repeats(lines: Iterable[str]) -> list[str]:
    """One line for several in a row that differ only in their numbers: a log of requests.

    So what the process wrote before is still there. Lines of digits alone stay as they are.
    """
    found: list[str] = []
    for shape, alike in groupby(lines, lambda line: _DIGITS.sub("0", line)):
        *others, last = alike
        if others and _LETTER.search(shape):
            found.append(f"{last} ({len(others) + 1} lines like this)")
        else:
            found += [*others, last]
    return found


def _secrets(environment: Mapping[str, str]) -> list[str]:
    """The longest first, so that none is left as a part of another."""
    values = {
        line.strip()
        for name, value in environment.items()
        if _SECRET_NAME.search(name)
        for line in value.splitlines()  # a private key has several
    }
    secrets = [value for value in values if len(value) >= MIN_SECRET and value not in _DEFAULTS]
    return sorted(secrets, key=len, reverse=True)


def _without_secrets(line: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        line = line.replace(secret, "***")
    return without_passwords(line)
