// A shop with Stripe's Node SDK, and what its scenarios ask of the chain behind the mock.
// Environment: PAYCHAIN_URL (the mock), PAYCHAIN_DISPUTED_URL (one of which every payment is charged
// back), PAYCHAIN_CONTROL (faults, books, webhooks), PAYCHAIN_PREFIX.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const path = require("node:path");

const modules = createRequire(path.join(process.env.PAYCHAIN_MODULES, "index.js"));
const Stripe = modules("stripe");
const client = (maxNetworkRetries, key = "sk_test_paychain", url = process.env.PAYCHAIN_URL) => {
  const { hostname: host, port } = new URL(url);
  return new Stripe(key, { host, port, protocol: "http", maxNetworkRetries, telemetry: false });
};
const stripe = client(0);

const control = async (path, body = {}) => {
  const answer = await fetch(`${process.env.PAYCHAIN_CONTROL}/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return answer.json();
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const current = { order: "" };
const pay = (more = {}, options = {}, by = stripe) =>
  by.paymentIntents.create(
    {
      amount: 1000,
      currency: "eur",
      payment_method: "pm_card_visa",
      confirm: true,
      metadata: { order: current.order },
      ...more,
    },
    options,
  );
const booked = async (kind) => (await control("booked", { order: current.order }))[kind] ?? [];
const failing = async (work) => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was raised" });
};
const requests = () => control("requests", { order: current.order });

module.exports = {
  Stripe,
  booked,
  client,
  control,
  current,
  failing,
  pay,
  requests,
  sleep,
  stripe,
};
