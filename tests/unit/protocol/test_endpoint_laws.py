"""Every endpoint of every vendor, as the dialects register them, under the four laws of faults.

An error before the work changes nothing. An error in place of the answer, and an answer that is
lost, change what the good answer does. A repeat of the key after any of them has one effect. So has
a repeat whose first try is still at work, and fails after it.
"""

from __future__ import annotations

import pytest

from paychain.protocol.dialects.vendors import VENDORS
from paychain.protocol.vendor import endpoints_of, pages_of
from tests.support import (
    endpoint_recipes_adyen,
    endpoint_recipes_braintree,
    endpoint_recipes_checkout,
    endpoint_recipes_paypal,
    endpoint_recipes_square,
    endpoint_recipes_stripe,
)
from tests.support.answered_instead import check_declined, check_stale
from tests.support.endpoint_laws import (
    Recipe,
    Repeats,
    Vendor,
    check,
    check_escaped,
    check_overlap,
    check_window,
    check_wrong_answer,
)

TABLES: dict[str, tuple[Vendor, dict[str, list[Recipe]]]] = {
    "adyen": (endpoint_recipes_adyen.ADYEN, endpoint_recipes_adyen.RECIPES),
    "braintree": (endpoint_recipes_braintree.BRAINTREE, endpoint_recipes_braintree.RECIPES),
    "checkout": (endpoint_recipes_checkout.CHECKOUT, endpoint_recipes_checkout.RECIPES),
    "paypal": (endpoint_recipes_paypal.PAYPAL, endpoint_recipes_paypal.RECIPES),
    "square": (endpoint_recipes_square.SQUARE, endpoint_recipes_square.RECIPES),
    "stripe": (endpoint_recipes_stripe.STRIPE, endpoint_recipes_stripe.RECIPES),
}
CASES = [
    pytest.param(
        *(vendor, recipe, endpoint),
        id=f"{name} {endpoint} {number}",
        marks=[pytest.mark.slow] if number else [],  # what it can be asked for besides
    )
    for name, (vendor, recipes) in TABLES.items()
    for endpoint, of_endpoint in recipes.items()
    for number, recipe in enumerate(of_endpoint)
]

SALES = {
    "adyen": "POST payments",
    "braintree": "POST merchants/{merchant}/transactions",
    "checkout": "POST payments",
    "paypal": "POST v2/checkout/orders",
    "square": "POST v2/payments",
    "stripe": "POST /v1/payment_intents",
}
# How the paths end that capture, release and refund.
FOLLOW_UPS = (
    *("capture", "captures", "complete", "submit_for_settlement"),
    *("cancel", "cancels", "void", "voids", "reverse", "reversals", "refund", "refunds"),
)


@pytest.mark.parametrize("name", VENDORS)
def test_every_endpoint_that_is_registered_is_tried(name: str) -> None:
    api = VENDORS[name]
    registered = {each for each in endpoints_of(api) if not each.startswith("GET ")}
    registered |= {f"GET {page}" for page in pages_of(api)}
    assert registered == TABLES[name][1].keys()


@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_fault_acts_around_the_work_of_an_endpoint(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check(vendor, recipe, endpoint.partition(" ")[0])


@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_late_failure_leaves_what_the_repeat_of_its_key_has_done(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_overlap(vendor, recipe, endpoint.partition(" ")[0], Repeats())


@pytest.mark.slow
@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_late_failure_leaves_what_any_of_its_repeats_does(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    method = endpoint.partition(" ")[0]
    others = (Repeats(is_late=True), Repeats(failed=2), Repeats(is_lost=True))
    check_overlap(vendor, recipe, method, *others)


@pytest.mark.slow
@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_repeat_that_fails_leaves_what_the_first_try_has_done(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_overlap(vendor, recipe, endpoint.partition(" ")[0], Repeats(is_done=True, failed=1))


@pytest.mark.slow
@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_late_failure_leaves_what_another_request_has_done(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_overlap(vendor, recipe, endpoint.partition(" ")[0], Repeats(has_another_key=True))


@pytest.mark.parametrize(("vendor", "recipe", "endpoint"), CASES)
def test_a_key_whose_window_is_over_is_a_new_key(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_window(vendor, recipe, endpoint.partition(" ")[0])


@pytest.mark.parametrize(
    ("vendor", "recipe", "endpoint"),
    [
        pytest.param(vendor, recipes[endpoint][0], endpoint, id=f"{name} {endpoint}")
        for name, (vendor, recipes) in TABLES.items()
        for endpoint in recipes
        if "{" in endpoint.removeprefix("POST merchants/{merchant}")
        and endpoint.partition(" ")[2] not in pages_of(VENDORS[name])
    ],
)
def test_an_escaped_path_is_the_same_path(vendor: Vendor, recipe: Recipe, endpoint: str) -> None:
    check_escaped(vendor, recipe, endpoint)


@pytest.mark.parametrize(("name", "endpoint"), SALES.items())
def test_a_repeat_after_a_wrong_answer_shows_what_its_key_has_done(
    name: str, endpoint: str
) -> None:
    vendor, recipes = TABLES[name]
    for recipe in recipes[endpoint]:
        check_wrong_answer(vendor, recipe, endpoint.partition(" ")[0])


@pytest.mark.parametrize(("name", "endpoint"), SALES.items())
def test_a_stale_answer_to_a_sale_stores_nothing_and_its_repeat_is_worked_on(
    name: str, endpoint: str
) -> None:
    vendor, recipes = TABLES[name]
    for recipe in recipes[endpoint]:
        check_stale(vendor, recipe, endpoint.partition(" ")[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "recipe", "endpoint"),
    [case for case in CASES if str(case.values[2]).rpartition("/")[2] in FOLLOW_UPS],
)
def test_a_stale_answer_to_what_follows_stores_nothing_and_its_repeat_is_worked_on(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_stale(vendor, recipe, endpoint.partition(" ")[0])


@pytest.mark.parametrize(
    ("vendor", "recipe", "endpoint"),
    [case for case in CASES if str(case.values[2]).rpartition("/")[2] in FOLLOW_UPS],
)
def test_a_decline_is_not_answered_with_endless_errors(
    vendor: Vendor, recipe: Recipe, endpoint: str
) -> None:
    check_declined(vendor, recipe, endpoint.partition(" ")[0])
