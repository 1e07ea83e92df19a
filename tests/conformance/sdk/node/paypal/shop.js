// A shop with PayPal's Node SDK, which takes no other address than PayPal's own: a proxy leads it to
// the mock. Environment: HTTPS_PROXY, PAYCHAIN_CONTROL (faults, books, webhooks), PAYCHAIN_PREFIX.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const path = require("node:path");

const modules = createRequire(path.join(process.env.PAYCHAIN_MODULES, "index.js"));
const paypal = modules("@paypal/paypal-server-sdk");
const newClient = () =>
  new paypal.Client({
    clientCredentialsAuthCredentials: { oAuthClientId: "id", oAuthClientSecret: "secret" },
    environment: paypal.Environment.Sandbox,
  });
const newOrders = () => new paypal.OrdersController(newClient());
const client = newClient();
const orders = new paypal.OrdersController(client);
const payments = new paypal.PaymentsController(client);
const vault = new paypal.VaultController(client);
const CARD = { number: "4012888888881881", expiry: "2030-03", securityCode: "123" };
const WHOLE = "return=representation";

const control = async (path, body = {}) => {
  const answer = await fetch(`${process.env.PAYCHAIN_CONTROL}/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return answer.json();
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const current = { order: "", keys: 0 };
const key = () => `${current.order}-${(current.keys += 1)}`;
const money = (value) => ({ currencyCode: "EUR", value });
const create = (wanted = {}) => {
  const { intent = "CAPTURE", value = "10.00", source, orders: by = orders, ...options } = wanted;
  const unit = {
    amount: money(value),
    customId: current.order,
    invoiceId: `inv-${current.order}`,
  };
  return by.createOrder({
    body: { intent, purchaseUnits: [unit], ...(source && { paymentSource: source }) },
    prefer: WHOLE,
    paypalRequestId: key(),
    ...options,
  });
};
const charge = async (options = {}) =>
  (await create({ source: { card: CARD }, ...options })).result;
const paid = (order) => order.purchaseUnits[0].payments;
const authorised = async (value) =>
  paid(await charge({ intent: "AUTHORIZE", value })).authorizations[0];
const captured = async (value) => paid(await charge({ value })).captures[0];
const capture = async (authorizationId, value, more = {}) =>
  (
    await payments.captureAuthorizedPayment({
      authorizationId,
      prefer: WHOLE,
      paypalRequestId: key(),
      body: { ...(value && { amount: money(value) }), ...more },
    })
  ).result;
const refund = (captureId, value, paypalRequestId = key()) =>
  payments.refundCapturedPayment({
    captureId,
    prefer: WHOLE,
    paypalRequestId,
    ...(value && { body: { amount: money(value) } }),
  });
const booked = async (kind) => (await control("booked", { order: current.order }))[kind] ?? [];
const requests = () => control("requests", { order: current.order });
const failing = async (work) => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was raised" });
};
const issue = async (work, status = 422) => {
  const error = await failing(work);
  assert.equal(error.statusCode, status, String(error.body));
  assert.equal(error.constructor.name, "CustomError");
  return error.result.details[0].issue;
};

module.exports = {
  CARD,
  WHOLE,
  authorised,
  booked,
  capture,
  captured,
  charge,
  control,
  create,
  current,
  failing,
  issue,
  key,
  money,
  newOrders,
  orders,
  paid,
  payments,
  refund,
  requests,
  sleep,
  vault,
};
