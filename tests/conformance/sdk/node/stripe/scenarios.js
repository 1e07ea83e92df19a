// Stripe's Node SDK meets the mock. Prints one line of JSON for each scenario.
const assert = require("node:assert/strict");
const { booked, client, control, current, failing, pay, requests, sleep, stripe } =
  require("./shop.js");

let number = 0;
const scenarios = {
  authorise: async () => {
    const sale = await pay({ expand: ["latest_charge"] });
    assert.equal(sale.status, "succeeded");
    assert.equal(sale.latest_charge.captured, true);
    const held = await pay({ capture_method: "manual" });
    assert.deepEqual([held.status, held.amount_capturable], ["requires_capture", 1000]);
    assert.deepEqual(await booked("captured"), [1000]);
    return "succeeded; requires_capture";
  },
  decline: async () => {
    const method = "pm_card_visa_chargeDeclinedInsufficientFunds";
    const error = await failing(() => pay({ payment_method: method }));
    assert.equal(error.type, "StripeCardError");
    assert.deepEqual([error.code, error.decline_code], ["card_declined", "insufficient_funds"]);
    assert.equal(error.payment_intent.status, "requires_payment_method");
    return "StripeCardError with decline_code";
  },
  authentication: async () => {
    const waits = await pay({
      payment_method: "pm_card_authenticationRequired",
      return_url: "https://shop.example/return",
    });
    assert.equal(waits.status, "requires_action");
    const answer = await fetch(waits.next_action.redirect_to_url.url, { redirect: "manual" });
    assert.match(answer.headers.get("location"), /redirect_status=succeeded/);
    assert.equal((await stripe.paymentIntents.retrieve(waits.id)).status, "succeeded");
    return "requires_action; redirect_to_url completes it";
  },
  "capture in parts": async () => {
    const held = await pay({ capture_method: "manual" });
    const part = { amount_to_capture: 300, final_capture: false };
    assert.equal((await stripe.paymentIntents.capture(held.id, part)).amount_capturable, 700);
    const done = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 400 });
    assert.deepEqual([done.status, done.amount_received], ["succeeded", 700]);
    const error = await failing(() => stripe.paymentIntents.capture(held.id));
    assert.equal(error.code, "payment_intent_unexpected_state");
    assert.deepEqual(await booked("captured"), [300, 400]);
    assert.deepEqual(await booked("voided"), [300]);
    return "final_capture false and true; the rest is released";
  },
  void: async () => {
    const held = await pay({ capture_method: "manual" });
    assert.equal((await stripe.paymentIntents.cancel(held.id)).status, "canceled");
    const error = await failing(() => stripe.paymentIntents.capture(held.id));
    assert.equal(error.code, "payment_intent_unexpected_state");
    assert.deepEqual(await booked("voided"), [1000]);
    return "canceled; no capture afterwards";
  },
  refund: async () => {
    const sale = await pay();
    const of = { payment_intent: sale.id };
    assert.equal((await stripe.refunds.create({ ...of, amount: 300 })).status, "succeeded");
    assert.equal((await stripe.refunds.create(of)).amount, 700);
    const error = await failing(() => stripe.refunds.create(of));
    assert.equal(error.code, "charge_already_refunded");
    assert.equal((await stripe.refunds.list(of)).data.length, 2);
    assert.deepEqual(await booked("refunded"), [300, 700]);
    return "two refunds; the third is refused";
  },
  query: async () => {
    const sale = await pay();
    assert.equal((await stripe.paymentIntents.retrieve(sale.id)).status, "succeeded");
    assert.equal((await stripe.paymentIntents.list({ limit: 1 })).data[0].id, sale.id);
    const error = await failing(() => stripe.paymentIntents.retrieve("pi_unknown"));
    assert.deepEqual([error.statusCode, error.code], [404, "resource_missing"]);
    return "retrieve, list; 404 resource_missing";
  },
  repeat: async () => {
    const [first, again] = [
      await pay({}, { idempotencyKey: current.order }),
      await pay({}, { idempotencyKey: current.order }),
    ];
    assert.equal(first.id, again.id);
    assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
    assert.deepEqual(await booked("captured"), [1000]);
    return "the same object, Idempotent-Replayed";
  },
  mismatch: async () => {
    await pay({}, { idempotencyKey: current.order });
    const error = await failing(() => pay({ amount: 1001 }, { idempotencyKey: current.order }));
    assert.deepEqual([error.type, error.statusCode], ["StripeIdempotencyError", 400]);
    return "StripeIdempotencyError 400";
  },
  "in flight": async () => {
    await control("inject", { kind: "slow_answer", link: "issuer", delay: "1s" });
    const first = pay({}, { idempotencyKey: current.order });
    await sleep(300);
    const error = await failing(() => pay({}, { idempotencyKey: current.order }));
    assert.deepEqual([error.statusCode, error.code], [409, "idempotency_key_in_use"]);
    await first;
    return `409 idempotency_key_in_use (${error.type})`;
  },
  "http 503": async () => {
    await control("inject", { kind: "http_error", status: 503 });
    const error = await failing(() => pay());
    assert.equal(error.statusCode, 503);
    const once = await requests();
    await failing(() => pay({}, {}, client(2)));
    const tries = (await requests()) - once;
    assert.deepEqual([once, tries], [1, 3]);
    return `${error.type}; 1 request with maxNetworkRetries 0, 3 with the default 2`;
  },
  "rate limit": async () => {
    await control("inject", { kind: "rate_limit", rate: "1/s" });
    const error = await failing(async () => {
      for (let tries = 0; tries < 4; tries += 1) await pay();
    });
    assert.deepEqual([error.type, error.statusCode], ["StripeRateLimitError", 429]);
    return "StripeRateLimitError";
  },
  "cut connection": async () => {
    await control("cut", { times: 1 });
    const sale = await pay();
    const sent = await requests();
    assert.equal(sale.status, "succeeded");
    assert.deepEqual(await booked("captured"), [1000]);
    return `with maxNetworkRetries 0 the SDK sends ${sent} requests under one key`;
  },
  "unknown parameter": async () => {
    const error = await failing(() => pay({ colour: "red" }));
    assert.deepEqual([error.code, error.param], ["parameter_unknown", "colour"]);
    const other = await failing(() => client(0, "nonsense").customers.list());
    assert.equal(other.type, "StripeAuthenticationError");
    return "parameter_unknown; StripeAuthenticationError";
  },
  webhook: async () => {
    const sale = await pay();
    await sleep(300);
    const { secret, received } = await control("webhooks");
    const mine = received.filter((each) => each.body.includes(sale.id));
    const types = mine.map(({ body, headers }) => {
      const mark = headers["stripe-signature"];
      assert.throws(() => stripe.webhooks.constructEvent(`${body} `, mark, secret));
      return stripe.webhooks.constructEvent(body, mark, secret).type;
    });
    assert.deepEqual(types.sort(), [
      "charge.succeeded",
      "payment_intent.created",
      "payment_intent.succeeded",
    ]);
    return "constructEvent; another body is refused";
  },
};

const all = async () => {
  for (const [scenario, work] of Object.entries({ ...scenarios, ...require("./further.js") })) {
    number += 1;
    current.order = `${process.env.PAYCHAIN_PREFIX}${String(number).padStart(7, "0")}`;
    const cell = { scenario, result: "passed" };
    try {
      cell.detail = await work();
    } catch (error) {
      Object.assign(cell, { result: "failed", detail: String(error.stack ?? error) });
    }
    for (const kind of ["http_error", "slow_answer", "rate_limit"]) await control("heal", { kind });
    await control("cut", { times: 0 });
    console.log(JSON.stringify(cell));
  }
};
all().then(() => process.exit(0)); // connections that are kept alive would keep the process, too
