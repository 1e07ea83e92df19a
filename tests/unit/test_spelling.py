"""What users read is written in the words of the field: the old and the translated ones stay out.

Each entry of INSTEAD has a pattern and what to write in its place. To allow a word, remove its
entry; to ban one, add it and correct what the test then finds.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import paychain
from paychain.cli.main import app

PACKAGE = Path(paychain.__file__).parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where there is one
ROOT = PACKAGE.parents[1]
INSTEAD = {
    # Words that the field does not use. A reader has to guess what they stand for.
    r"mend(s|ed|ing)?": "hint, fix, resolve",
    r"told": "reported, shown; what a customer was told: 'saw'",
    r"said": "reported, stated; 'is said to' becomes 'is reported as'",
    r"strik(e|es|ing)|struck": "inject, apply to; affected",
    r"spoil(s|ed|t)?": "affected; inconclusive",
    r"st(and|ands|ood) still|standstills?": "stall, stalled",
    r"(keep|keeps|kept) back": "short-circuited, not sent",
    r"withheld": "suppressed, short-circuited",
    r"ask(s|ed|ing)? again": "retry; for events: request the next page",
    r"(give|gives|gave|given) back": "refund",
    r"astray": "unaccounted for",
    r"anew": "again; a process is restarted",
    r"obituary": "exit report",
    r"(grow|grows|grown) old": "expired",
    r"for ever": "forever, endless",
    # Theatre: a second vocabulary that no reader can look up.
    r"crew": "load workers",
    r"the (next|first|same|last) take\b|one take": "recording, recorded run",
    r"take \d+(?! ?(m?s|min))|take \$?(?=\{)": "recording, recorded run",
    # Translated turns of phrase.
    r"at the longest": "longest, at most",
    r"nobody thinks": "think_time needs users",
    r"(go|goes|went) round": "no other route; a cycle",
    r"in whole ones": "an integer",
    r"any that is free": "0 picks a free port",
    r"who are you": "missing or wrong token",
    r"cannot say|cannot be said": "does not report; unknown",
    r"by itself says": "reports",
    r"stor(y|ies) of (a |the )?(payment|p\d)": "timeline of",
    r"took the first way": "used the primary route",
    r"some(?= \d)": "about",
    r"(payments|requests|calls|schedules|times) an? (second|minute|hour|payment|row)": "per",
    # One spelling each.
    r"time-outs?": "timeout",
    r"time lines?": "timeline",
    r"charge-backs?": "chargeback",
    r"look-ups?": "lookup",
    r"back-offs?": "backoff",
    r"plays|played": "runs, simulates",
    r"repeat( it| all)?:": "reproduce:",
    # Keys of an earlier version of the files.
    r"asks_again": "customer: {retry: …}",
    r"passes_deadline": "propagate_deadline",
    r"(forgets_)?notif(ies|ications): (true|\{)": "webhooks, deduplicates",
    r"stood_still|kept_back|spoilt": "stalls, short_circuited, affected",
}
_BANNED = {
    re.compile(rf"(?<![\w-])(?:{pattern})(?!\w)", re.IGNORECASE): instead
    for pattern, instead in INSTEAD.items()
}
# Any of them, in text of small letters: to look for each in every text takes seconds.
_ANY = re.compile(rf"(?<![\w-])(?:{'|'.join(INSTEAD)})(?!\w)")
_ADJACENT = re.compile(r"""(["'])\s*\n\s*[rf]?\1""")  # one literal over several lines

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{name}.md" for name in ("load", "explore", "fidelity")),
]

Text = tuple[str, str]  # where it stands, and what it is


def in_help() -> Iterator[Text]:
    """Help of every command and option."""
    commands = [("paychain", get_command(app))]
    while commands:
        name, command = commands.pop()
        yield name, command.help or ""
        for parameter in command.params:
            yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
        subcommands = getattr(command, "commands", {})
        commands += [(f"{name} {word}", below) for word, below in subcommands.items()]


def may_be_old(code: str) -> bool:
    """Whether an old word stands in a text, in code also over the lines of one literal."""
    return _ANY.search(_ADJACENT.sub("", code).lower()) is not None


def literals(path: Path) -> Iterator[Text]:
    """Every string in a module except its docstrings; a line for one without any old word."""
    name = path.relative_to(ROOT)
    text = path.read_text("utf-8")
    if not may_be_old(text):  # comments and all: to parse every module takes seconds
        yield str(name), "no old words"
        return
    documentation = set()  # ids of the nodes that are for readers of the code, not for users
    for node in ast.walk(ast.parse(text)):  # what holds a node comes before it
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in documentation:
                yield f"{name}:{node.lineno}", node.value
            continue
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                documentation.add(id(statement.value))


def in_messages() -> Iterator[Text]:
    """Phrases in the code of every room: errors, hints, findings, reasons, what commands print.

    A literal of one word is taken for a name of the code, outside report/.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        for where, text in literals(path):
            if " " in text.strip():
                yield where, text


def in_reports() -> Iterator[Text]:
    """Every literal of report/, and its templates, styles aside."""
    for path in sorted((PACKAGE / "report").rglob("*.py")):
        yield from literals(path)
    for suffix in ("j2", "js", "typ", "yaml"):
        for path in sorted((PACKAGE / "report").rglob(f"*.{suffix}")):
            yield from lines(path)


def in_board() -> Iterator[Text]:
    """The board's page: its template and its scripts."""
    for path in sorted((PACKAGE / "board" / "page").iterdir()):
        if path.suffix in (".j2", ".js"):
            yield from lines(path)


def in_documents() -> Iterator[Text]:
    for name in DOCUMENTS:
        yield from lines(ROOT / name)
    for name in ("measures", "evidence", "toxiproxy"):
        yield from lines(ROOT / "docs" / f"{name}.md")
    for number, line in enumerate((ROOT / "CHANGELOG.md").read_text("utf-8").splitlines(), start=1):
        # Code in the changelog may be a name of an earlier version: it says what it is called now.
        yield f"CHANGELOG.md:{number}", re.sub(r"`[^`]*`", "", line)


def in_files() -> Iterator[Text]:
    """Shipped chains and experiments, and the files that `paychain init` writes."""
    for folder in (ROOT / "chains", ROOT / "chaos", PACKAGE / "cli" / "starter"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in (".yaml", ".py"):
                yield from lines(path)


def lines(path: Path) -> Iterator[Text]:
    name = path.relative_to(ROOT)
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        yield f"{name}:{number}", line


@pytest.mark.parametrize(
    "texts",
    [in_help, in_messages, in_reports, in_board, in_documents, in_files],
    ids=lambda texts: texts.__name__,
)
def test_users_read_the_words_of_the_field(texts) -> None:  # type: ignore[no-untyped-def]  # one of six functions
    read = [(where, text) for where, text in texts() if text.strip()]
    assert len(read) > 50, "a collector that finds nothing would pass for a clean one"
    found = [
        f"{where}: '{match[0]}' in {text.strip()[:90]!r}; write: {instead}"
        for where, text in read
        if may_be_old(text)
        for pattern, instead in _BANNED.items()
        if (match := pattern.search(text))
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "text",
    [
        "how to mend it",
        "the customer was told",
        "Strike every link",
        "3 calls failed while it stood still",
        "40 payments a second",
        "keep some 1.3 kB",
        "repeat: paychain run",
        "take 2",
        "take ${state.run}",
    ],
)
def test_an_old_phrase_is_found(text: str) -> None:
    assert may_be_old(text)
    first, _, rest = text.partition(" ")
    assert may_be_old(f'x = ("{first} "\n    f"{rest}")')
    assert any(pattern.search(text) for pattern in _BANNED)


@pytest.mark.parametrize(
    "text",
    ["recommended", "instruction", "crewless", "repeated once", "two seconds", "they take 20 ms"],
)
def test_a_longer_word_is_not_found(text: str) -> None:
    assert not any(pattern.search(text) for pattern in _BANNED)


def test_every_shipped_file_has_a_title() -> None:
    for folder in ("chains", "chaos"):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert yaml.load(path.read_text("utf-8"), LOADER).get("title"), path


def test_the_changelog_has_each_entry_once() -> None:
    """Two branches that reword one entry leave both of them behind when they are merged."""
    entries = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    beginnings = Counter(entry[:60] for entry in entries if len(entry) > 60)
    assert [beginning for beginning, number in beginnings.items() if number > 1] == []
