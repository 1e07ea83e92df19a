"""The chain in a test: inject a fault, pay, and check the money."""


def test_a_lost_answer_charges_nobody_twice(paychain):
    chain = paychain("chains/shop.yaml")
    with chain.fault("processor-a", "lost_answer"):
        paid = chain.pay(20)
    assert paid.technical_success >= 0.95
    assert chain.decisions("failover")
    chain.assert_money_right()
