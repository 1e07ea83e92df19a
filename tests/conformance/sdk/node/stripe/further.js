// What Stripe's Node SDK does beyond a payment, and what it does on its own.
const assert = require("node:assert/strict");
const shop = require("./shop.js");
const { Stripe, booked, client, control, current, failing, pay, requests, sleep, stripe } = shop;

const email = () => `${current.order}@shop.example`;
const customer = (more = {}) => stripe.customers.create({ email: email(), ...more });
const visited = (url) => fetch(url, { redirect: "manual" });
const collected = async (list) => {
  const all = [];
  for await (const each of list) all.push(each);
  return all;
};
const last = async (number) => control("exchanges", { last: number });

const scenarios = {
  customer: async () => {
    const made = await customer({ name: "Ada", metadata: { tier: "gold" } });
    const change = { name: "Ada L.", metadata: { a: "b" } };
    const changed = await stripe.customers.update(made.id, change);
    assert.deepEqual(changed.metadata, { tier: "gold", a: "b" });
    const listed = await stripe.customers.list({ email: email() });
    assert.deepEqual(listed.data.map((each) => each.name), ["Ada L."]);
    const found = await stripe.customers.search({ query: `email:"${email()}"` });
    assert.equal(found.data[0].id, made.id);
    assert.equal((await stripe.customers.del(made.id)).deleted, true);
    const gone = await stripe.customers.retrieve(made.id);
    assert.deepEqual([gone.deleted, gone.email], [true, undefined]);
    assert.equal((await stripe.customers.list({ email: email() })).data.length, 0);
    const error = await failing(() => stripe.customers.update(made.id, { name: "x" }));
    assert.deepEqual([error.statusCode, error.code], [404, "resource_missing"]);
    return "list by email, search; a deleted one is read as deleted: true";
  },
  "stored card": async () => {
    const { id } = await customer();
    const card = await stripe.paymentMethods.create({ type: "card", card: { token: "tok_visa" } });
    const setup = await stripe.setupIntents.create({
      customer: id,
      payment_method: card.id,
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: "never" },
      expand: ["payment_method"],
    });
    assert.deepEqual([setup.status, setup.payment_method.customer], ["succeeded", id]);
    const kept = await stripe.customers.listPaymentMethods(id, { type: "card" });
    assert.deepEqual(kept.data.map((each) => each.id), [card.id]);
    const again = { customer: id, payment_method: card.id, off_session: true };
    assert.equal((await pay(again)).status, "succeeded");
    const waits = await stripe.setupIntents.create({
      customer: id,
      payment_method: "pm_card_authenticationRequiredOnSetup",
      confirm: true,
      return_url: "https://shop.example/return",
    });
    assert.equal(waits.status, "requires_action");
    await visited(waits.next_action.redirect_to_url.url);
    assert.equal((await stripe.setupIntents.retrieve(waits.id)).status, "succeeded");
    assert.equal((await stripe.paymentMethods.detach(card.id)).customer, null);
    const error = await failing(() => pay({ payment_method: card.id }));
    assert.equal(error.type, "StripeInvalidRequestError");
    assert.match(error.message, /may not be used again/);
    assert.deepEqual(await booked("captured"), [1000]);
    return "a SetupIntent keeps it, off_session pays; a detached one is refused";
  },
  "hosted page": async () => {
    const session = await stripe.checkout.sessions.create({
      mode: "payment",
      success_url: "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
      line_items: [
        {
          quantity: 2,
          price_data: { currency: "eur", unit_amount: 500, product_data: { name: "Cap" } },
        },
      ],
      payment_intent_data: { metadata: { order: current.order } },
    });
    assert.deepEqual([session.status, session.payment_intent], ["open", null]);
    const back = await visited(session.url);
    assert.equal(back.headers.get("location"), `https://shop.example/done?session=${session.id}`);
    const paid = await stripe.checkout.sessions.retrieve(session.id, {
      expand: ["payment_intent.latest_charge", "line_items"],
    });
    assert.deepEqual([paid.status, paid.payment_status], ["complete", "paid"]);
    assert.equal(paid.payment_intent.latest_charge.amount, 1000);
    assert.equal(paid.line_items.data[0].description, "Cap");
    const lines = await collected(stripe.checkout.sessions.listLineItems(session.id));
    assert.deepEqual(lines.map((each) => each.quantity), [2]);
    const error = await failing(() => stripe.checkout.sessions.expire(session.id));
    assert.equal(error.type, "StripeInvalidRequestError");
    assert.deepEqual(await booked("captured"), [1000]);
    return "a Checkout Session: open, then complete and paid";
  },
  "front end": async () => {
    const { id } = await customer();
    const token = await stripe.testHelpers.confirmationTokens.create({
      payment_method: "pm_card_visa",
      return_url: "https://shop.example/return",
    });
    const shown = await stripe.confirmationTokens.retrieve(token.id);
    assert.equal(shown.payment_method_preview.card.last4, "4242");
    const intent = await stripe.paymentIntents.create({
      amount: 1000,
      currency: "eur",
      metadata: { order: current.order },
    });
    const paid = await stripe.paymentIntents.confirm(intent.id, { confirmation_token: token.id });
    assert.equal(paid.status, "succeeded");
    assert.deepEqual(await booked("captured"), [1000]);
    const apiVersion = Stripe.API_VERSION ?? stripe.getApiField("version");
    const key = await stripe.ephemeralKeys.create({ customer: id }, { apiVersion });
    assert.equal((await stripe.ephemeralKeys.del(key.id)).id, key.id);
    const components = { payment_element: { enabled: true } };
    const session = await stripe.customerSessions.create({ customer: id, components });
    assert.equal(session.components.payment_element.enabled, true);
    return "a confirmation token pays; ephemeral keys and customer sessions";
  },
  "changed refund": async () => {
    const refund = await stripe.refunds.create({ payment_intent: (await pay()).id, amount: 300 });
    const changed = await stripe.refunds.update(refund.id, { metadata: { why: "broken" } });
    assert.deepEqual(changed.metadata, { why: "broken" });
    const error = await failing(() => stripe.refunds.cancel(refund.id));
    assert.equal(error.type, "StripeInvalidRequestError");
    assert.match(error.message, /requires_action/);
    assert.equal((await stripe.refunds.retrieve(refund.id)).status, "succeeded");
    assert.deepEqual(await booked("refunded"), [300]);
    return "its metadata; only one that requires_action can be cancelled: " + error.type;
  },
  dispute: async () => {
    const disputed = client(0, undefined, process.env.PAYCHAIN_DISPUTED_URL);
    const paid = await pay({}, {}, disputed);
    let found = [];
    for (let tries = 0; tries < 100 && found.length === 0; tries += 1) {
      await sleep(50);
      found = (await disputed.disputes.list({ payment_intent: paid.id })).data;
    }
    const [{ id, charge, status }] = found;
    assert.deepEqual([charge, status], [paid.latest_charge, "needs_response"]);
    const evidence = { product_description: "a cap" };
    const sent = await disputed.disputes.update(id, { evidence });
    assert.deepEqual([sent.status, sent.evidence_details.has_evidence], ["under_review", true]);
    const error = await failing(() => disputed.disputes.close(id));
    assert.equal(error.type, "StripeInvalidRequestError");
    return "needs_response; evidence puts it under_review, and it can no longer be closed";
  },
  catalogue: async () => {
    const product = await stripe.products.create({ name: "Shirt" });
    const price = await stripe.prices.create({
      product: product.id,
      currency: "eur",
      unit_amount: 1000,
      lookup_key: current.order,
    });
    const { data } = await stripe.prices.list({
      lookup_keys: [current.order],
      expand: ["data.product"],
    });
    assert.deepEqual([data.length, data[0].product.name], [1, "Shirt"]);
    assert.equal(String(data[0].unit_amount_decimal), "1000");
    const taken = await failing(() =>
      stripe.prices.create({
        product: product.id,
        currency: "eur",
        unit_amount: 5,
        lookup_key: current.order,
      }),
    );
    assert.equal(taken.type, "StripeInvalidRequestError");
    await stripe.prices.update(price.id, { active: false });
    assert.equal((await stripe.prices.list({ product: product.id, active: true })).data.length, 0);
    const error = await failing(() => stripe.products.del(product.id));
    assert.match(error.message, /user-created prices/);
    return "products and prices; by lookup_key, with the product expanded";
  },
  lists: async () => {
    const made = [];
    for (let number = 0; number < 7; number += 1) made.unshift((await customer()).id);
    const mine = { email: email(), limit: 3 };
    const all = await collected(stripe.customers.list(mine));
    assert.deepEqual(all.map((each) => each.id), made);
    const pages = (await last(3)).map((each) => new URLSearchParams(each.target.split("?")[1]));
    assert.deepEqual(pages.map((each) => each.get("starting_after")), [null, made[2], made[5]]);
    const some = await stripe.customers.list(mine).autoPagingToArray({ limit: 5 });
    assert.equal(some.length, 5);
    const newer = await stripe.customers.list({ email: email(), limit: 2, ending_before: made[4] });
    assert.deepEqual(newer.data.map((each) => each.id), [made[2], made[3]]);
    assert.equal(newer.has_more, true);
    const upwards = stripe.customers.list({ email: email(), limit: 2, ending_before: made[6] });
    assert.deepEqual((await collected(upwards)).map((each) => each.id), made.slice(0, 6).reverse());
    const query = `email:"${email()}"`;
    const found = await collected(stripe.customers.search({ query, limit: 3 }));
    assert.deepEqual(found.map((each) => each.id), made);
    const later = { email: email(), created: { gt: all[0].created } };
    assert.equal((await stripe.customers.list(later)).data.length, 0);
    const error = await failing(() => stripe.customers.list({ limit: 101 }));
    assert.equal(error.param, "limit");
    return "auto-pagination onwards and backwards, by starting_after, ending_before and page";
  },
  errors: async () => {
    const seen = [];
    for (const [status, name] of [
      [400, "StripeInvalidRequestError"],
      [401, "StripeAuthenticationError"],
      [402, "StripeCardError"],
      [403, "StripePermissionError"],
      [404, "StripeInvalidRequestError"],
      [429, "StripeRateLimitError"],
      [500, "StripeAPIError"],
      [502, "StripeAPIError"],
      [504, "StripeAPIError"],
    ]) {
      await control("inject", { kind: "http_error", status });
      const error = await failing(() => pay());
      assert.ok(error instanceof Stripe.errors[name], `${status} is ${error.type}`);
      assert.equal(error.statusCode, status);
      assert.match(error.requestId, /^req_/);
      assert.equal(error.headers["request-id"], error.requestId);
      await control("heal", { kind: "http_error" });
      seen.push(`${status} ${name}`);
    }
    const error = await failing(() => pay({ amount: 1 << 30 }));
    assert.deepEqual([error.rawType, error.param], ["invalid_request_error", "amount"]);
    assert.match(error.doc_url, /amount-too-large/);
    await control("inject", { kind: "malformed" });
    assert.equal((await failing(() => pay())).type, "StripeAPIError");
    await control("heal", { kind: "malformed" });
    return seen.join(", ");
  },
  "own retries": async () => {
    const retrying = client(2);
    await control("inject", { kind: "http_error", status: 503 });
    await failing(() => pay({}, {}, retrying));
    const keys = (await last(3)).map((each) => each.headers["idempotency-key"]);
    assert.equal(new Set(keys).size, 1);
    assert.match(keys[0], /^stripe-node-retry-/);
    await failing(() => retrying.customers.list());
    for (const { method, headers } of await last(3))
      assert.deepEqual([method, headers["idempotency-key"]], ["GET", undefined]);
    await control("heal", { kind: "http_error" });
    await control("inject", { kind: "http_error", status: 500, after_work: true });
    let before = await requests();
    await failing(() => pay({}, {}, retrying));
    assert.equal((await requests()) - before, 1);
    await control("heal", { kind: "http_error" });
    await control("inject", { kind: "http_error", status: 429 });
    before = await requests();
    await failing(() => pay({}, {}, retrying));
    const limited = (await requests()) - before;
    await control("heal", { kind: "http_error" });
    await failing(() => pay({ payment_method: "pm_card_chargeDeclined" }, {}, retrying));
    await control("cut", { times: 1 });
    assert.equal((await pay({}, {}, retrying)).status, "succeeded");
    assert.equal(limited, 1);
    return "one key of its own for all tries of a POST, none for a GET; 500 and 429 are final";
  },
  headers: async () => {
    const at = new URL(process.env.PAYCHAIN_URL);
    const own = new Stripe("sk_test_paychain", {
      host: at.hostname,
      port: at.port,
      protocol: "http",
      appInfo: { name: "shop", version: "2.0" },
    });
    await own.customers.list();
    await own.customers.list({}, { apiVersion: "2025-08-27.basil", stripeAccount: "acct_1" });
    const [{ headers: first }, { headers: second }] = await last(2);
    assert.equal(first["stripe-version"], Stripe.API_VERSION ?? own.getApiField("version"));
    assert.equal(second["stripe-version"], "2025-08-27.basil");
    assert.equal(second["stripe-account"], "acct_1");
    assert.match(first["user-agent"], /^Stripe\/v1 NodeBindings\/[\d.]+ shop\/2.0/);
    assert.equal(JSON.parse(first["x-stripe-client-user-agent"]).lang, "node");
    const telemetry = JSON.parse(second["x-stripe-client-telemetry"]);
    assert.match(telemetry.last_request_metrics.request_id, /^req_/);
    await stripe.customers.list();
    assert.equal((await last(1))[0].headers["x-stripe-client-telemetry"], undefined);
    return `Stripe-Version ${first["stripe-version"]}; telemetry names the request before it`;
  },
  "webhook checks": async () => {
    const payload = JSON.stringify({ id: "evt_1", object: "event", type: "charge.succeeded" });
    const secret = "whsec_x";
    const at = (timestamp, signedWith = secret) =>
      stripe.webhooks.generateTestHeaderString({ payload, secret: signedWith, timestamp });
    const now = Math.floor(Date.now() / 1000);
    const read = (header) => stripe.webhooks.constructEvent(payload, header, secret);
    assert.equal(read(at(now)).type, "charge.succeeded");
    for (const header of [at(now - 301), at(now).replace("v1=", "v0="), "", "t=1"]) {
      const error = await failing(async () => read(header));
      assert.equal(error.type, "StripeSignatureVerificationError");
    }
    // Another secret's signature beside a right one, as while a secret is rolled.
    const other = at(now, "whsec_y").split("v1=")[1];
    assert.equal(read(`${at(now)},v1=${other}`).id, "evt_1");
    return "StripeSignatureVerificationError: older than 300 s, only v0, no signature";
  },
};

module.exports = scenarios;
