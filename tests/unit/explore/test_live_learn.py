"""What an own service's requests show of its policy, and the mock that does the same."""

from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml

from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.measures.own_policies import ObservedPolicy, policy_lines, watch
from paychain.explore.live import learn as live_learn
from paychain.explore.live.judged import Batch
from paychain.explore.live.learn import Learned, learn, twin_text
from paychain.explore.live.lessons import MAX_REPEATS, Lesson, lessons, react
from paychain.explore.live.steps import Steps, script_of
from paychain.model.loading import load_chain
from paychain.model.script_checks import check_steps
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.outcome import HopResult

LOADED = load_chain("examples/shop-python/chain-naive.yaml")
CHAIN = LOADED.model
GUESSED = (
    "shop met no connection that was refused or reset; its twin tries again then, as after a "
    "timeout"
)
LESSON = next(
    lesson
    for lesson in lessons(CHAIN)
    if (lesson.link, lesson.failure) == ("stripe", "a lost answer")
)
SECOND = 1_000_000_000


def asked(link: str, at_s: float, took_s: float, *, key: str = "", fails: bool) -> ObservedRequest:
    """An authorisation; one that fails is left without an answer."""
    started, ended = int(at_s * SECOND), int((at_s + took_s) * SECOND)
    exchange = HttpExchange(
        f"shop.authorise.{link}",
        1,
        1,
        7,
        started,
        started,
        ended,
        "POST",
        "/",
        0 if fails else 200,
        "client" if fails else "answer",
        "",
        "p1" if fails else "",
        "nothing",
        key,
    )
    received = ReceivedRequest(
        link=link,
        caller="shop",
        port=7,
        span="",
        started_ns=started,
        ended_ns=ended,
        method="POST",
        target="/",
        status=200,
        payment="p1",
        by="reference",
        attempt=1,
        operation="authorise",
        key=key,
        result=HopResult.APPROVED,
        code="",
    )
    return ObservedRequest(exchange, received)


FAILS_OVER = [asked("stripe", 0, 2.0, key="a", fails=True), asked("adyen", 2.1, 0.1, fails=False)]
TRIES_AGAIN = [
    asked("stripe", 0, 2.0, key="a", fails=True),
    asked("stripe", 2.5, 0.1, key="a", fails=False),
]


def test_each_failure_is_shown_at_each_link_and_check_accepts_it() -> None:
    taught = list(lessons(CHAIN))
    assert {lesson.link for lesson in taught} == {"stripe", "adyen"}
    assert all(list(check_steps(script_of(lesson.steps), 0, CHAIN)) == [] for lesson in taught)
    # Nothing comes to the second link unless the first one fails.
    assert all(
        {step.place[1] for step in lesson.steps} == {"stripe", "adyen"}
        for lesson in taught
        if lesson.link == "adyen"
    )


def test_a_reaction_is_what_most_payments_showed() -> None:
    reaction = react(LESSON, [FAILS_OVER, FAILS_OVER, TRIES_AGAIN])
    words = "asks adyen (2 of 3), tries again with the same key (1 of 3), left after 2.0 s (3 of 3)"
    assert str(reaction) == words
    assert reaction.tries == 2
    assert react(LESSON, [TRIES_AGAIN]).usual == ("tries again with the same key", 1)
    assert react(LESSON, [FAILS_OVER[:1]]).usual == ("gives up", 1)
    elsewhere = Lesson(service="shop", link="adyen", failure="", steps=())
    assert str(react(elsewhere, [[]])) == "not seen: no payment got there"
    assert str(react(elsewhere, [TRIES_AGAIN])) == "not seen: 1 of 1 payment did not ask it"


def test_a_link_that_is_asked_before_the_failure_is_no_reaction_to_it() -> None:
    """A hedge: 600 ms after the first request, which is left without an answer after 2 s."""
    hedged = [asked("stripe", 0, 2.0, key="a", fails=True), asked("adyen", 0.6, 0.1, fails=False)]
    reaction = react(LESSON, [hedged])
    assert str(reaction).startswith("asks adyen meanwhile (1 of 1), 600 ms after the first request")
    policy = ObservedPolicy()
    watch({"shop": policy}, hedged)
    learned = Learned({"shop": policy}, [reaction])
    (line,) = [each for each in learned.lines(CHAIN) if each.what == "asked meanwhile"]
    assert line.observed == "adyen (1), 600 ms after another request (median)"
    (sentence,) = learned.unlike_twin()
    assert (
        sentence == "shop asked adyen 1 time before another request had ended; its twin waits "
        "for the end"
    )
    assert f"# not as the service: {sentence}" in twin_text(LOADED, learned)


def test_a_repeat_that_is_rare_is_not_what_the_twin_does() -> None:
    """A budget that is used up: one of three lost answers is repeated."""
    policy = ObservedPolicy()
    for payment in (TRIES_AGAIN, FAILS_OVER, FAILS_OVER):
        watch({"shop": policy}, payment)
    learned = Learned({"shop": policy})
    lines = {line.what: line.observed for line in learned.lines(CHAIN)}
    assert lines["tries at one link"] == "2 tries; again after timeout (1 of 3)"
    call = yaml.safe_load(twin_text(LOADED, learned))["links"]["shop"]["calls"]["authorise"]
    assert "retry" not in call
    assert learned.unlike_twin() == [
        "shop repeated 1 of 3 requests that ended with timeout; its twin never does"
    ]
    watch({"shop": policy}, TRIES_AGAIN)
    watch({"shop": policy}, TRIES_AGAIN)
    sentence, guessed = learned.unlike_twin()
    assert guessed == GUESSED
    assert sentence.endswith("3 of 5 requests that ended with timeout; its twin always does")


def test_a_result_with_fewer_tries_than_another_is_tried_again_by_the_twin() -> None:
    """A 503 is tried three times, what times out twice: each payment does the same."""
    policy = ObservedPolicy()
    refused = [unavailable(asked("stripe", n, 0.1, key="a", fails=False)) for n in range(3)]
    lost = [asked("stripe", 3.0 * n, 2.0, key="a", fails=True) for n in range(2)]
    for _ in range(4):
        watch({"shop": policy}, refused)
        watch({"shop": policy}, [*lost, asked("adyen", 7.0, 0.1, fails=False)])
    learned = Learned({"shop": policy})
    call = yaml.safe_load(twin_text(LOADED, learned))["links"]["shop"]["calls"]["authorise"]
    seen, guessed = {"http_error", "timeout"}, {"refused", "reset"}
    assert (call["retry"]["attempts"], set(call["retry"]["on"])) == (3, seen | guessed)
    assert learned.unlike_twin() == [
        "shop tried at most 2 times where requests ended with timeout; its twin tries 3 times",
        GUESSED,
    ]


def unavailable(request: ObservedRequest) -> ObservedRequest:
    """The same request, answered with HTTP 503."""
    assert request.exchange is not None
    return request._replace(exchange=msgspec.structs.replace(request.exchange, status=503))


def test_pauses_that_vary_are_said_to() -> None:
    policy = ObservedPolicy()
    for pause_s in (0.1, 0.5, 1.1):
        second = asked("stripe", 2.0 + pause_s, 0.1, key="a", fails=False)
        watch({"shop": policy}, [TRIES_AGAIN[0], second])
    learned = Learned({"shop": policy})
    lines = {line.what: line.observed for line in learned.lines(CHAIN)}
    assert lines["backoff"] == "500 ms (median; from 100 ms to 1.1 s)"
    assert learned.unlike_twin() == [
        GUESSED,
        "shop varies its pauses before repeats; its twin always waits for the median",
    ]


def test_a_link_that_is_passed_by_is_said_to_be() -> None:
    reaction = react(LESSON, [FAILS_OVER, [FAILS_OVER[1]]])
    assert str(reaction).endswith("; 1 of 2 payments did not ask it")
    learned = Learned({"shop": ObservedPolicy()}, [reaction])
    assert learned.unlike_twin() == [
        "shop did not ask stripe for 1 payment, as with a breaker; its twin asks it each time"
    ]


@pytest.mark.parametrize(
    ("others", "sentences"),
    [
        # Others got there by the same failures, so that these do not explain it.
        ([FAILS_OVER], ["shop did not ask adyen for 1 payment, as with a breaker"]),
        ([FAILS_OVER[:1]], []),  # nobody ever did: it may be how the service is made
    ],
)
def test_a_later_link_is_passed_by_where_others_got_there(
    others: list[list[ObservedRequest]], sentences: list[str]
) -> None:
    lost, refused = (
        Lesson(service="shop", link="adyen", failure=failure, steps=LESSON.steps * 2, otherwise=())
        for failure in ("a lost answer", "HTTP 503")
    )
    learned = Learned(
        {"shop": ObservedPolicy()}, [react(lost, others), react(refused, [FAILS_OVER[:1]])]
    )
    skipped = [sentence.partition(";")[0] for sentence in learned.unlike_twin()]
    assert skipped == sentences


def test_the_twin_is_a_chain_of_mocks_that_does_the_same(tmp_path: Path) -> None:
    policy = ObservedPolicy()
    for payment in (FAILS_OVER, FAILS_OVER):
        watch({"shop": policy}, payment)
    text = twin_text(LOADED, Learned({"shop": policy}, payments=2))
    path = tmp_path / "twin.yaml"
    path.write_text(text)
    twin = load_chain(str(path)).model
    call = twin.calls_of("shop")["authorise"]
    assert twin.own_services() == {}
    assert (call.routes, call.timeout, call.on_unknown) == (["stripe", "adyen"], 2.0, "give_up")
    assert twin.calls_of("stripe")["authorise"].on_unknown == "reverse"  # as Stripe does
    assert not any(link.webhooks for link in twin.links.values())
    assert "retry" not in yaml.safe_load(text)["links"]["shop"]["calls"]["authorise"]
    assert "# timeout: 2.0 s (2 of 2 waits)" in text


def test_tries_and_their_pauses_are_the_twins_as_well() -> None:
    policy = ObservedPolicy()
    watch({"shop": policy}, TRIES_AGAIN)
    text = twin_text(LOADED, Learned({"shop": policy}))
    call = yaml.safe_load(text)["links"]["shop"]["calls"]["authorise"]
    assert call["retry"] == {
        "attempts": 2,
        "backoff": "500ms",
        "jitter": "none",
        "on": ["timeout", "refused", "reset"],  # no lesson shows the last two
    }
    assert call["on_unknown"] == "resend"


def test_what_follows_the_last_of_several_tries_is_what_follows_an_unknown_outcome() -> None:
    policy = ObservedPolicy()
    lost = [asked("stripe", at_s, 2.0, key="a", fails=True) for at_s in (0, 2.5)]
    watch({"shop": policy}, [*lost, asked("adyen", 4.5, 0.1, fails=False)])
    for _ in range(2):  # most tries are no last ones
        watch({"shop": policy}, TRIES_AGAIN)
    call = yaml.safe_load(twin_text(LOADED, Learned({"shop": policy})))["links"]["shop"]["calls"]
    assert policy.follows.most_common(1) == [("repeat", 3)]
    assert call["authorise"]["retry"]["attempts"] == 2
    assert call["authorise"]["fallback"] == [{"to": "adyen"}]
    assert call["authorise"]["on_unknown"] == "give_up"


def test_a_lesson_gets_to_the_second_link_in_the_way_that_leads_there() -> None:
    first, *_, second = lessons(CHAIN)
    assert (first.otherwise, second.link) == ((), "adyen")
    assert [step.name for step in second.steps[:-1]] == ["HTTP 503"] * MAX_REPEATS
    assert [step.name for step in second.otherwise[:-1]] == ["a lost answer"] * MAX_REPEATS
    assert second.steps[-1] == second.otherwise[-1]
    assert list(check_steps(script_of(second.otherwise), 0, CHAIN)) == []


def test_a_failover_after_a_decline_is_named() -> None:
    first, second = TRIES_AGAIN[1], FAILS_OVER[1]
    assert first.received is not None
    declined = first._replace(
        received=msgspec.structs.replace(first.received, result=HopResult.DECLINED)
    )
    policy = ObservedPolicy()
    watch({"shop": policy}, FAILS_OVER)
    (before,) = [line for line in policy_lines(CHAIN, "shop", policy) if line.what == "failover"]
    watch({"shop": policy}, [declined, second])
    (after,) = [line for line in policy_lines(CHAIN, "shop", policy) if line.what == "failover"]
    assert before.observed == "stripe → adyen (1 payment)"
    assert after.observed == "stripe → adyen (2 payments); 1 time after a decline"


def test_requests_at_the_same_time_are_no_pause() -> None:
    policy = ObservedPolicy()
    at_once = [asked("stripe", 0, 2.0, fails=False), asked("stripe", 1.0, 2.0, fails=False)]
    watch({"shop": policy}, at_once)
    lines = {line.what: line.observed for line in policy_lines(CHAIN, "shop", policy)}
    assert lines["backoff"] == "no repeat was seen"
    assert policy.most_tries == 2


def test_a_lesson_that_a_service_was_too_busy_for_is_repeated_once_by_whichever_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing gets to the second link by the first way, and the service is always too busy."""
    taught: Counter[Steps] = Counter()

    class BusyChains:
        is_measured = True

        def __init__(self, *_: Any, **__: Any) -> None:
            self.ended: deque[Batch] = deque()
            self.now = SimpleNamespace(in_flight=0, begin=self._begin)

        def _begin(self, scripts: list[Steps], _controls: int) -> Batch:
            taught[scripts[0]] += 1
            self.ended.append(Batch(number=len(scripts), rate=1.0))
            return self.ended[-1]

        def has_room(self, _: int) -> bool:
            return True

        def was_calm(self, _: Batch) -> bool:
            return False

        def nothing(self, *_: Any) -> None:
            pass

        start = stop = look = look_after = nothing

    monkeypatch.setattr(live_learn, "Chains", BusyChains)
    learn(CHAIN, lambda: pytest.fail("it is not opened"), seed=1, payments_each=2)
    for lesson in lessons(CHAIN):
        ways = [taught[lesson.steps], taught[lesson.otherwise]]
        assert ways == ([1, 2] if lesson.otherwise else [2, 0])
