// A shop with Braintree's Node SDK, and what its scenarios ask of the chain behind the mock.
// Environment: PAYCHAIN_URL (the mock), PAYCHAIN_CONTROL (faults, books, webhooks), PAYCHAIN_PREFIX.
// The SDK takes another host only as its environment Development, from GATEWAY_HOST, GATEWAY_PORT.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const path = require("node:path");

const at = new URL(process.env.PAYCHAIN_URL);
process.env.GATEWAY_HOST = at.hostname;
process.env.GATEWAY_PORT = at.port;
const modules = createRequire(path.join(process.env.PAYCHAIN_MODULES, "index.js"));
const braintree = modules("braintree");
const { Development } = braintree.Environment;
Object.assign(Development, { graphQLServer: at.hostname, graphQLPort: at.port });

const control = async (path, body = {}) => {
  const answer = await fetch(`${process.env.PAYCHAIN_CONTROL}/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return answer.json();
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const current = { gateway: undefined, order: "" };
const pay = (more = {}) =>
  current.gateway.transaction.sale({
    amount: "10.00",
    paymentMethodNonce: "fake-valid-nonce",
    orderId: current.order,
    ...more,
  });
const submitted = { options: { submitForSettlement: true } };
const paid = async (more = {}) => {
  const result = await pay(more);
  assert.equal(result.success, true, result.message);
  return result.transaction;
};
const settled = async () => {
  const sale = await paid(submitted);
  return (await current.gateway.testing.settle(sale.id)).transaction;
};
const booked = async (kind) => (await control("booked", { order: current.order }))[kind] ?? [];
const code = (result) => {
  assert.equal(result.success, false);
  return result.errors.deepErrors()[0].code;
};
const failing = async (work) => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was raised" });
};
const search = (term, what = "transaction") =>
  new Promise((done, fail) => {
    current.gateway[what].search(term, (error, found) => {
      if (error) fail(error);
      else done(found.ids);
    });
  });

module.exports = {
  booked,
  braintree,
  code,
  control,
  current,
  failing,
  paid,
  pay,
  search,
  settled,
  sleep,
  submitted,
};
