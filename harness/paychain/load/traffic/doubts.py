"""What is wrong with how customers are declared to pay, as the answers show."""

from __future__ import annotations

from collections import Counter

from paychain.protocol.pays.outcomes import shortened

MAX_MISTAKE = 500  # characters of what a class of the user failed with
MAX_EXAMPLES = 3  # of answers that nothing describes
MAX_KINDS = 20  # different messages that are kept of one load process
ENOUGH = 5  # payments that show that no other one will fit, either


class Answers:
    """Answers to one kind of request: those that something describes, and those that nothing does.

    Those that nothing describes are in doubt only when nothing describes any.
    """

    def __init__(self) -> None:
        self.understood = 0
        self._unexpected: Counter[str] = Counter()  # by what was asked, and the status
        self._first: dict[str, str] = {}  # what was said about the first of them

    def note_unexpected(self, kind: str, text: str) -> None:
        """Nothing describes an answer. `text` is kept of the first one of its kind."""
        _count(self._unexpected, kind)
        self._first.setdefault(kind, text)

    @property
    def doubted(self) -> int:
        """How many are in doubt."""
        return 0 if self.understood else self._unexpected.total()

    def problems(self) -> list[tuple[str, int]]:
        """What there is to report, the most frequent first."""
        most = [] if self.understood else self._unexpected.most_common(MAX_EXAMPLES)
        return [(self._first[kind], count) for kind, count in most]


class PaymentDoubts:
    """What does not fit between a declaration and the answers: to payments, and to later looks.

    It is the user's declaration that is at fault, not the chain: such a run is inconclusive.
    """

    def __init__(self) -> None:
        self.paid, self.looked = Answers(), Answers()
        self._wrong: Counter[str] = Counter()

    def note(self, text: str) -> None:
        """The declaration does not fit an answer, or an adapter failed."""
        _count(self._wrong, text)

    def note_failure(self, error: BaseException) -> None:
        """An error ended a customer: without a record of the payment nothing else would say so."""
        what = shortened(f"{type(error).__name__}: {error}", MAX_MISTAKE)
        self.note(f"a customer ended with an error that nobody expected: {what}")

    @property
    def are_certain(self) -> bool:
        """Whether no payment that is still to come can change that something is wrong."""
        return self._wrong.total() + self.paid.doubted + self.looked.doubted >= ENOUGH

    def problems(self) -> list[str]:
        """What there is to report, the most frequent first."""
        found = [*self._wrong.most_common(), *self.paid.problems(), *self.looked.problems()]
        return [f"{text} ({count:,} times)" if count > 1 else text for text, count in found]


def _count(counter: Counter[str], text: str) -> None:
    if text in counter or len(counter) < MAX_KINDS:
        counter[text] += 1
