// Braintree's Node SDK meets the mock. Prints one line of JSON for each scenario.
const assert = require("node:assert/strict");
const shop = require("./shop.js");
const { booked, braintree, code, control, current, failing, paid, pay } = shop;
const { search, settled, sleep, submitted } = shop;

let number = 0;
const scenarios = {
  authorise: async () => {
    const held = await paid();
    assert.deepEqual([held.status, held.processorResponseCode], ["authorized", "1000"]);
    assert.equal(held.creditCard.maskedNumber, "424242******4242");
    const sale = await paid({ ...submitted, paymentMethodNonce: "tok_mastercard_4444" });
    assert.equal(sale.status, "submitted_for_settlement");
    assert.equal(sale.creditCard.cardType, "MasterCard");
    assert.deepEqual(await booked("authorised"), [1000, 1000]);
    assert.deepEqual(await booked("captured"), [1000]);
    return "authorized; submitted_for_settlement where the sale asks for it";
  },
  decline: async () => {
    const result = await pay({ amount: "2001.00" });
    assert.deepEqual([result.success, result.message], [false, "Insufficient Funds"]);
    assert.equal(result.transaction.status, "processor_declined");
    assert.equal(result.transaction.processorResponseType, "soft_declined");
    const fraud = await pay({ paymentMethodNonce: "fake-gateway-rejected-fraud-nonce" });
    assert.equal(fraud.transaction.gatewayRejectionReason, "fraud");
    assert.deepEqual(await booked("authorised"), []);
    return "success false with the transaction: processor_declined or gateway_rejected";
  },
  authentication: async () => {
    const required = { options: { threeDSecure: { required: true } } };
    const refused = await pay(required);
    assert.equal(refused.transaction.gatewayRejectionReason, "three_d_secure");
    const passed = { threeDSecurePassThru: { eciFlag: "05", cavv: "a", xid: "b" } };
    assert.equal((await paid({ ...required, ...passed })).status, "authorized");
    return "gateway_rejected three_d_secure; authorized with threeDSecurePassThru";
  },
  "capture in parts": async () => {
    const parent = await paid();
    for (const amount of ["4.00", "3.00"]) {
      const part = await current.gateway.transaction.submitForPartialSettlement(parent.id, amount);
      assert.equal(part.transaction.authorizedTransactionId, parent.id);
    }
    assert.equal((await current.gateway.transaction.find(parent.id)).status, "settlement_pending");
    const more = await current.gateway.transaction.submitForPartialSettlement(parent.id, "3.01");
    assert.equal(code(more), "91522");
    const less = await paid();
    const result = await current.gateway.transaction.submitForSettlement(less.id, "5.00");
    assert.equal(result.transaction.amount, "5.00");
    assert.deepEqual(await booked("captured"), [400, 300, 500]);
    assert.deepEqual(await booked("voided"), [500]);
    return "submitForPartialSettlement per part; submitForSettlement of less releases the rest";
  },
  void: async () => {
    const held = await paid();
    assert.equal((await current.gateway.transaction.void(held.id)).transaction.status, "voided");
    assert.equal(code(await current.gateway.transaction.submitForSettlement(held.id)), "91507");
    assert.deepEqual(await booked("voided"), [1000]);
    return "voided; no settlement afterwards";
  },
  refund: async () => {
    const sale = await settled();
    const back = await current.gateway.transaction.refund(sale.id, "3.00");
    assert.deepEqual([back.transaction.type, back.transaction.amount], ["credit", "3.00"]);
    assert.equal(code(await current.gateway.transaction.refund(sale.id, "7.01")), "91521");
    assert.equal((await current.gateway.transaction.refund(sale.id)).transaction.amount, "7.00");
    assert.equal(code(await current.gateway.transaction.refund(sale.id)), "91512");
    assert.deepEqual(await booked("refunded"), [300, 700]);
    return "a credit per part, after it is settled; the SDK has no reverse";
  },
  query: async () => {
    const sale = await paid();
    assert.equal((await current.gateway.transaction.find(sale.id)).orderId, current.order);
    assert.deepEqual(await search((term) => term.orderId().is(current.order)), [sale.id]);
    const error = await failing(() => current.gateway.transaction.find("nothing"));
    assert.equal(error.type, "notFoundError");
    return "find by id; search by order id; notFoundError";
  },
  repeat: async () => {
    const keyed = { apiRequestKey: current.order };
    const [first, again] = [await paid(keyed), await paid(keyed)];
    assert.equal(first.id, again.id);
    assert.deepEqual(await booked("authorised"), [1000]);
    return "the same transaction in its current state";
  },
  mismatch: async () => {
    await paid({ apiRequestKey: current.order });
    assert.equal(code(await pay({ apiRequestKey: current.order, amount: "9.99" })), "915232");
    return "success false, 915232";
  },
  "in flight": async () => {
    await control("inject", { kind: "slow_answer", link: "issuer", delay: "400ms" });
    const first = paid({ apiRequestKey: current.order });
    await sleep(150);
    assert.equal(code(await pay({ apiRequestKey: current.order })), "915233");
    await first;
    return "success false, 915233";
  },
  "http 503": async () => {
    await control("inject", { kind: "http_error", status: 503 });
    const error = await failing(() => pay());
    assert.equal(error.type, "serviceUnavailableError");
    assert.equal(await control("requests", { order: current.order }), 1);
    return "serviceUnavailableError, tries once";
  },
  "rate limit": async () => {
    await control("inject", { kind: "rate_limit", rate: "6/min" });
    const error = await failing(async () => {
      for (let tries = 0; tries < 4; tries += 1) await pay();
    });
    assert.equal(error.type, "tooManyRequestsError");
    return "tooManyRequestsError";
  },
  "cut connection": async () => {
    await control("cut", { times: 1 });
    const error = await failing(() => pay({ apiRequestKey: current.order }));
    assert.equal(error.type, "unexpectedError");
    assert.equal(await control("requests", { order: current.order }), 1);
    const [found] = await search((term) => term.orderId().is(current.order));
    assert.equal((await paid({ apiRequestKey: current.order })).id, found);
    assert.deepEqual(await booked("authorised"), [1000]);
    return "unexpectedError, not retried; a search or the same key finds the transaction";
  },
  "unknown parameter": async () => {
    const error = await failing(() => pay({ colour: "red" }));
    assert.equal(error.type, "invalidKeysError");
    assert.equal(code(await pay({ paymentMethodNonce: "nobody's" })), "91565");
    return "invalidKeysError of the SDK, nothing is sent; validation error 91565";
  },
  webhook: async () => {
    const sale = await settled();
    await sleep(300);
    const { received } = await control("webhooks");
    const forms = received.map((each) => new URLSearchParams(each.body));
    const found = await Promise.all(
      forms.map((form) =>
        current.gateway.webhookNotification.parse(form.get("bt_signature"), form.get("bt_payload")),
      ),
    );
    assert.ok(found.some((each) => each.transaction.id === sale.id));
    assert.ok(found.every((each) => each.kind === "transaction_settled"));
    const [form] = forms;
    const error = await failing(() =>
      current.gateway.webhookNotification.parse(
        form.get("bt_signature"),
        Buffer.from("<notification/>").toString("base64"),
      ),
    );
    assert.equal(error.type, "invalidSignatureError");
    return "webhookNotification.parse; invalidSignatureError for another payload";
  },
};

const all = async () => {
  const { secret } = await control("webhooks");
  current.gateway = new braintree.BraintreeGateway({
    environment: braintree.Environment.Development,
    merchantId: "m",
    publicKey: "paychain",
    privateKey: secret,
  });
  for (const [scenario, work] of Object.entries({ ...scenarios, ...require("./further.js") })) {
    number += 1;
    current.order = `${process.env.PAYCHAIN_PREFIX}${String(number).padStart(7, "0")}`;
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
