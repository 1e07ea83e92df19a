// What PayPal's Node SDK does beyond a payment, and what it does on its own.
const assert = require("node:assert/strict");
const shop = require("./shop.js");
const { CARD, booked, charge, control, create, current, failing, issue, key, requests } = shop;
const { WHOLE, newOrders, orders, paid, payments, vault } = shop;

const scenarios = {
  "stored card": async () => {
    const customer = { id: `c${current.order.slice(-7)}` };
    const asked = { paymentSource: { card: CARD }, customer };
    const setup = await vault.createSetupToken({ body: asked, paypalRequestId: key() });
    assert.equal((await vault.getSetupToken(setup.result.id)).result.status, "APPROVED");
    const token = { id: setup.result.id, type: "SETUP_TOKEN" };
    const kept = await vault.createPaymentToken({
      body: { paymentSource: { token } },
      paypalRequestId: key(),
    });
    assert.equal(kept.result.customer.id, customer.id);
    const { id } = kept.result;
    const attributes = { vault: { storeInVault: "ON_SUCCESS" }, customer };
    const order = await charge({ source: { card: { ...CARD, attributes } } });
    const { vault: stored } = order.paymentSource.card.attributes;
    assert.equal(stored.status, "VAULTED");
    const listed = await vault.listCustomerPaymentTokens({ customerId: customer.id });
    const names = listed.result.paymentTokens.map((each) => each.id);
    assert.deepEqual(names.sort(), [id, stored.id].sort());
    const by = { source: { card: { vaultId: id } } };
    assert.equal((await charge({ ...by, value: "4.00" })).status, "COMPLETED");
    assert.equal((await vault.deletePaymentToken(id)).statusCode, 204);
    const gone = await failing(() => vault.getPaymentToken(id));
    assert.equal(gone.statusCode, 404);
    const refused = await failing(() => create(by));
    assert.equal(refused.statusCode, 404);
    const [{ field, issue: why }] = JSON.parse(refused.body).details;
    assert.equal(field, "/payment_source/card/vault_id");
    assert.deepEqual(await booked("captured"), [1000, 400]);
    return `setup token, payment token, vaultId; 404 ${why} once deleted`;
  },
  order: async () => {
    const { id } = (await create()).result;
    const path = "/purchase_units/@reference_id=='default'/amount";
    const value = { currency_code: "EUR", value: "12.00" };
    const patch = { id, body: [{ op: "replace", path, value }] };
    assert.equal((await orders.patchOrder(patch)).statusCode, 204);
    const done = await orders.captureOrder({ id, paypalRequestId: key() });
    const [{ id: captureId }] = paid(done.result).captures;
    const body = { captureId, trackingNumber: "1Z", carrier: "UPS" };
    const shown = await orders.createOrderTracking({ id, body });
    const [tracker] = shown.result.purchaseUnits[0].shipping.trackers;
    assert.equal(tracker.status, "SHIPPED");
    const change = [{ op: "replace", path: "/status", value: "CANCELLED" }];
    const asked = { id, trackerId: tracker.id, body: change };
    assert.equal((await orders.updateOrderTracking(asked)).statusCode, 204);
    const seen = await orders.getOrder({ id });
    assert.equal(seen.result.purchaseUnits[0].shipping.trackers[0].status, "CANCELLED");
    const late = await issue(() => orders.patchOrder(patch));
    const unit = (referenceId, value) => ({
      referenceId,
      customId: `${current.order} ${referenceId}`,
      amount: { currencyCode: "EUR", value },
    });
    const purchaseUnits = [unit("hat", "3.00"), unit("bag", "4.50")];
    const wanted = { intent: "CAPTURE", purchaseUnits, paymentSource: { card: CARD } };
    const made = { body: wanted, prefer: WHOLE, paypalRequestId: key() };
    const { result: several } = await orders.createOrder(made);
    const [hat, bag] = several.purchaseUnits.map(({ payments: { captures } }) => captures[0]);
    assert.deepEqual([hat.amount.value, bag.amount.value], ["3.00", "4.50"]);
    const part = { amount: { currencyCode: "EUR", value: "1.50" } };
    const back = { captureId: bag.id, body: part, prefer: WHOLE, paypalRequestId: key() };
    assert.equal((await payments.refundCapturedPayment(back)).result.status, "COMPLETED");
    const left = (await orders.getOrder({ id: several.id })).result.purchaseUnits;
    const statuses = left.map(({ payments: { captures } }) => captures[0].status);
    assert.deepEqual(statuses, ["COMPLETED", "PARTIALLY_REFUNDED"]);
    assert.deepEqual(await booked("captured"), [1200, 750]);
    return (
      `its amount is patched, ${late} once it is paid; tracking is added and cancelled; each of ` +
      "two purchase units has a capture, which is refunded by itself"
    );
  },
  lists: async () => {
    const customer = { id: `l${current.order.slice(-7)}` };
    const made = [];
    for (let tokens = 0; tokens < 6; tokens += 1) {
      const body = { paymentSource: { card: CARD }, customer };
      const setup = await vault.createSetupToken({ body, paypalRequestId: key() });
      const token = { id: setup.result.id, type: "SETUP_TOKEN" };
      const asked = { body: { paymentSource: { token } }, paypalRequestId: key() };
      const kept = await vault.createPaymentToken(asked);
      made.push(kept.result.id);
    }
    const page = async (more = {}) =>
      (await vault.listCustomerPaymentTokens({ customerId: customer.id, ...more })).result;
    const names = ({ paymentTokens }) => paymentTokens.map(({ id }) => id);
    assert.deepEqual(names(await page()), made.slice(0, 5));
    const second = await page({ pageSize: 4, page: 2, totalRequired: true });
    assert.deepEqual(names(second), made.slice(4));
    assert.deepEqual([second.totalItems, second.totalPages], [6, 2]);
    assert.deepEqual(names(await page({ page: 3 })), []);
    return "no pager of its own: page and pageSize, at most 5 tokens; links name the next page";
  },
  errors: async () => {
    const seen = [];
    for (const status of [400, 401, 403, 404, 422, 429, 500, 503]) {
      await control("inject", { kind: "http_error", status });
      const error = await failing(() => charge());
      await control("heal", { kind: "http_error" });
      assert.equal(error.statusCode, status);
      const read = error.result ? "" : " (unread)";
      seen.push(`${status} ${error.constructor.name}${read}`);
    }
    await control("inject", { kind: "malformed" });
    const broken = await failing(() => charge());
    return `${seen.join(", ")}; broken JSON is ${broken.constructor.name}`;
  },
  "own retries": async () => {
    for (const status of [429, 500, 503]) {
      const before = await requests();
      await control("inject", { kind: "http_error", status });
      await failing(() => charge());
      await control("heal", { kind: "http_error" });
      assert.equal((await requests()) - before, 1);
    }
    const keyless = () => create({ source: { card: CARD }, paypalRequestId: undefined });
    assert.equal(await issue(keyless, 400), "PAYPAL_REQUEST_ID_REQUIRED");
    // A client keeps what came of its first request for a token, even a failure.
    const orders = newOrders();
    await control("inject", { kind: "http_error", status: 503 });
    await failing(() => create({ orders }));
    await control("heal", { kind: "http_error" });
    const again = await failing(() => create({ orders }));
    assert.equal(again.statusCode, 503);
    await create({ orders: newOrders() });
    return "none, and no key of its own; a client whose first token was refused never asks again";
  },
  headers: async () => {
    await charge();
    const [{ headers }] = await control("exchanges", { last: 1 });
    assert.match(headers.authorization, /^Bearer /);
    assert.equal(headers["paypal-request-id"], `${current.order}-1`);
    return `names itself ${headers["user-agent"]}`;
  },
};

module.exports = scenarios;
