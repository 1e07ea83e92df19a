// PayPal's Node SDK meets the mock. Prints one line of JSON for each scenario.
const assert = require("node:assert/strict");
const shop = require("./shop.js");
const { CARD, WHOLE, authorised, booked, capture, captured, charge, control, create } = shop;
const { current, failing, issue, key, money, orders, paid, payments, refund } = shop;
const { requests, sleep } = shop;

let number = 0;
const scenarios = {
  authorise: async () => {
    const { statusCode, result: order } = await create({ source: { card: CARD } });
    assert.deepEqual([statusCode, order.status], [201, "COMPLETED"]);
    assert.equal(paid(order).captures[0].finalCapture, true);
    assert.equal((await authorised("7.00")).status, "CREATED");
    const { result: wallet } = await create({ intent: "AUTHORIZE", value: "5.00" });
    assert.ok(wallet.links.some(({ rel }) => rel === "approve"));
    const asked = { id: wallet.id, paypalRequestId: key(), prefer: WHOLE };
    const { result: done } = await orders.authorizeOrder(asked);
    assert.equal(paid(done).authorizations[0].status, "CREATED");
    assert.deepEqual(await booked("authorised"), [1000, 700, 500]);
    assert.deepEqual(await booked("captured"), [1000]);
    return "COMPLETED with a card; CREATED, approved at once and then authorized with a wallet";
  },
  decline: async () => {
    const order = await charge({ source: { card: { ...CARD, name: "CCREJECT-IF" } } });
    const [declined] = paid(order).captures;
    assert.deepEqual([order.status, declined.status], ["COMPLETED", "DECLINED"]);
    assert.equal(declined.processorResponse.responseCode, "5120");
    const { result: wallet } = await create();
    const asked = { id: wallet.id, paypalRequestId: key(), prefer: WHOLE };
    const mock = JSON.stringify({ mock_application_codes: "INSTRUMENT_DECLINED" });
    const refused = await issue(() => orders.captureOrder({ ...asked, paypalMockResponse: mock }));
    assert.equal(refused, "INSTRUMENT_DECLINED");
    assert.deepEqual(await booked("authorised"), []);
    return "201, COMPLETED with a payment that is DECLINED; 422 INSTRUMENT_DECLINED of a wallet";
  },
  authentication: async () => {
    const attributes = { verification: { method: "SCA_ALWAYS" } };
    const order = await charge({ source: { card: { ...CARD, attributes } } });
    assert.equal(order.status, "PAYER_ACTION_REQUIRED");
    assert.equal((await orders.getOrder({ id: order.id })).result.status, "APPROVED");
    const asked = { id: order.id, paypalRequestId: key(), prefer: WHOLE };
    const { result: done } = await orders.captureOrder(asked);
    assert.equal(paid(done).captures[0].status, "COMPLETED");
    return "PAYER_ACTION_REQUIRED, APPROVED, COMPLETED";
  },
  "capture in parts": async () => {
    const held = await authorised();
    assert.equal((await capture(held.id, "4.00")).status, "COMPLETED");
    const { result } = await payments.getAuthorizedPayment({ authorizationId: held.id });
    assert.equal(result.status, "PARTIALLY_CAPTURED");
    assert.equal(await issue(() => capture(held.id, "6.01")), "MAX_CAPTURE_AMOUNT_EXCEEDED");
    await capture(held.id, "3.00", { finalCapture: true });
    assert.equal(await issue(() => capture(held.id, "1.00")), "AUTHORIZATION_ALREADY_CAPTURED");
    assert.deepEqual(await booked("captured"), [400, 300]);
    assert.deepEqual(await booked("voided"), [300]);
    return "PARTIALLY_CAPTURED per part; finalCapture releases the rest";
  },
  void: async () => {
    const authorizationId = (await authorised()).id;
    const asked = { authorizationId, paypalRequestId: key() };
    assert.equal((await payments.voidPayment(asked)).statusCode, 204);
    assert.equal(await issue(() => capture(authorizationId, "1.00")), "AUTHORIZATION_VOIDED");
    assert.deepEqual(await booked("voided"), [1000]);
    return "204; no capture afterwards";
  },
  refund: async () => {
    const sale = await captured();
    assert.equal((await refund(sale.id, "3.00")).result.status, "COMPLETED");
    assert.equal(await issue(() => refund(sale.id, "7.01")), "REFUND_AMOUNT_EXCEEDED");
    assert.equal((await refund(sale.id)).result.amount.value, "7.00");
    assert.equal(await issue(() => refund(sale.id)), "CAPTURE_FULLY_REFUNDED");
    assert.deepEqual(await booked("refunded"), [300, 700]);
    return "COMPLETED per part; CAPTURE_FULLY_REFUNDED";
  },
  query: async () => {
    const order = await charge();
    const { result: found } = await orders.getOrder({ id: order.id });
    assert.equal(found.purchaseUnits[0].customId, current.order);
    const captureId = paid(found).captures[0].id;
    const { result: seen } = await payments.getCapturedPayment({ captureId });
    assert.deepEqual([seen.status, seen.invoiceId], ["COMPLETED", `inv-${current.order}`]);
    const authorizationId = (await authorised()).id;
    const held = (await payments.getAuthorizedPayment({ authorizationId })).result;
    assert.deepEqual([held.id, held.status], [authorizationId, "CREATED"]);
    const refundId = (await refund(captureId, "3.00")).result.id;
    const back = (await payments.getRefund({ refundId })).result;
    assert.deepEqual([back.id, back.amount.value], [refundId, "3.00"]);
    const unknown = () => orders.getOrder({ id: "5O190127TN364715T" });
    assert.equal(await issue(unknown, 404), "INVALID_RESOURCE_ID");
    return "orders, authorizations, captures and refunds by id; none by the merchant's reference";
  },
  repeat: async () => {
    const paypalRequestId = key();
    const keyed = { source: { card: CARD }, paypalRequestId };
    const [first, again] = [await create(keyed), await create(keyed)];
    assert.deepEqual([first.statusCode, again.statusCode], [201, 200]);
    assert.equal(first.result.id, again.result.id);
    assert.deepEqual(await booked("captured"), [1000]);
    return "200 in place of 201, the same object in its current state";
  },
  mismatch: async () => {
    const paypalRequestId = key();
    const first = await charge({ paypalRequestId });
    assert.equal((await charge({ paypalRequestId, value: "9.99" })).id, first.id);
    assert.deepEqual(await booked("authorised"), [1000]);
    return "another body brings the first object: PayPal documents no comparison";
  },
  "in flight": async () => {
    await control("inject", { kind: "slow_answer", link: "issuer", delay: "1s" });
    const paypalRequestId = key();
    const first = charge({ paypalRequestId });
    await sleep(400);
    assert.equal(await issue(() => charge({ paypalRequestId })), "PREVIOUS_REQUEST_IN_PROGRESS");
    await first;
    assert.deepEqual(await booked("authorised"), [1000]);
    return "422 PREVIOUS_REQUEST_IN_PROGRESS";
  },
  "http 503": async () => {
    await control("inject", { kind: "http_error", status: 503 });
    const error = await failing(() => charge());
    // The SDK reads the body of the statuses that it lists, and 503 is none of them.
    assert.deepEqual([error.statusCode, error.result], [503, undefined]);
    assert.equal(JSON.parse(error.body).name, "SERVICE_UNAVAILABLE");
    assert.equal(await requests(), 1);
    await control("heal", { kind: "http_error" });
    await control("inject", { kind: "http_error", status: 500, after_work: true });
    const paypalRequestId = key();
    await failing(() => charge({ paypalRequestId }));
    await control("heal", { kind: "http_error" });
    assert.equal(paid(await charge({ paypalRequestId })).captures[0].status, "COMPLETED");
    assert.deepEqual(await booked("captured"), [1000]);
    return `${error.constructor.name}, tries once; after a 500 the key shows what was done`;
  },
  "rate limit": async () => {
    await control("inject", { kind: "rate_limit", rate: "6/min" });
    const error = await failing(async () => {
      for (let tries = 0; tries < 4; tries += 1) await charge();
    });
    assert.deepEqual([error.statusCode, error.result], [429, undefined]);
    assert.equal(JSON.parse(error.body).name, "RATE_LIMIT_REACHED");
    return `${error.constructor.name} 429 RATE_LIMIT_REACHED`;
  },
  "cut connection": async () => {
    await control("cut", { times: 1 });
    const paypalRequestId = key();
    const error = await failing(() => charge({ paypalRequestId }));
    assert.equal(await requests(), 1);
    const found = await create({ source: { card: CARD }, paypalRequestId });
    assert.deepEqual([found.statusCode, paid(found.result).captures[0].status], [200, "COMPLETED"]);
    assert.deepEqual(await booked("captured"), [1000]);
    return `${error.constructor.name}, not retried; the same key brings the order`;
  },
  "unknown parameter": async () => {
    const local = await failing(() => create({ colour: "red", intent: 5 }));
    assert.equal(local.constructor.name, "ArgumentsValidationError");
    assert.equal(await issue(() => create({ value: "1.001" })), "DECIMAL_PRECISION");
    assert.equal(await issue(() => create({ value: "" }), 400), "MISSING_REQUIRED_PARAMETER");
    const keyless = () => create({ source: { card: CARD }, paypalRequestId: undefined });
    assert.equal(await issue(keyless, 400), "PAYPAL_REQUEST_ID_REQUIRED");
    return "ArgumentsValidationError before anything is sent; CustomError 400 or 422 with the issue";
  },
  webhook: async () => {
    const { id } = await captured();
    await sleep(300);
    const { secret, received } = await control("webhooks");
    const { headers, body } = received.find((each) => JSON.parse(each.body).resource.id === id);
    const asked = {
      auth_algo: headers["paypal-auth-algo"],
      cert_url: headers["paypal-cert-url"],
      transmission_id: headers["paypal-transmission-id"],
      transmission_sig: headers["paypal-transmission-sig"],
      transmission_time: headers["paypal-transmission-time"],
      webhook_id: secret,
      webhook_event: JSON.parse(body),
    };
    const verified = async (more) => {
      const url = `${process.env.PAYCHAIN_URL}/v1/notifications/verify-webhook-signature`;
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer A21AA" },
        body: JSON.stringify({ ...asked, ...more }),
      });
      return (await answer.json()).verification_status;
    };
    assert.equal(await verified({}), "SUCCESS");
    const forged = { ...asked.webhook_event, resource: { id, amount: money("0.01") } };
    assert.equal(await verified({ webhook_event: forged }), "FAILURE");
    return "no SDK verifies them: POST /v1/notifications/verify-webhook-signature on the mock does";
  },
};

const all = async () => {
  for (const [scenario, work] of Object.entries({ ...scenarios, ...require("./further.js") })) {
    number += 1;
    current.order = `${process.env.PAYCHAIN_PREFIX}${String(number).padStart(7, "0")}`;
    current.keys = 0;
    const cell = { scenario, result: "passed" };
    try {
      cell.detail = await work();
    } catch (error) {
      Object.assign(cell, { result: "failed", detail: String(error.stack ?? error) });
    }
    for (const kind of ["http_error", "malformed", "slow_answer", "rate_limit"])
      await control("heal", { kind });
    await control("cut", { times: 0 });
    console.log(JSON.stringify(cell));
  }
};
all().then(() => process.exit(0)); // connections that are kept alive would keep the process, too
