// The same shop, made so that no customer is ever charged twice.
//
// - One key for one order and account: a repeat is recognised, also that of a customer.
// - Money is held first and captured once; a second hold is always cancelled.
// - What an account did not answer is unknown, written down before it is asked, and cancelled later.
//   So is what it answered about another intent, or of an intent that is not held.
// - What a webhook says is captured of an order that was refused is given back.
// - Webhooks are proved, known by their ids once what they say is written down with them, and only
//   ever finish what the shop has begun. No order waits for one: what is due is repeated until it is
//   done.
const express = require("express");
const Stripe = require("stripe");
const { Journal } = require("./journal");

const SWEEP_MS = 500;
const at = (base) => {
  const { hostname, port } = new URL(base);
  const options = { host: hostname, port, protocol: "http", timeout: 2000, maxNetworkRetries: 0 };
  return new Stripe("sk_test_shop", options);
};
const accounts = {
  stripe: { client: at(process.env.STRIPE_API_BASE), secret: process.env.STRIPE_SECRET },
  backup: { client: at(process.env.BACKUP_API_BASE), secret: process.env.BACKUP_SECRET },
};
const journal = new Journal(process.env.SHOP_DB ?? "shop.journal");
const sweeping = new Set();

// An intent that holds nothing yet: whatever follows, its id is known.
const prepare = (name, order) =>
  accounts[name].client.paymentIntents.create(
    {
      amount: order.amount,
      currency: order.currency.toLowerCase(),
      payment_method: order.card,
      capture_method: "manual",
      automatic_payment_methods: { enabled: true, allow_redirects: "never" },
      metadata: { order: order.id },
    },
    { idempotencyKey: `${order.id}-create` },
  );

// An answer about another intent, as from a cache, says nothing about this one.
function about(reference, intent) {
  if (intent.id !== reference) throw new Error(`${reference}: the answer is about ${intent.id}`);
  return intent;
}

async function authorise(id) {
  for (const name of Object.keys(accounts)) {
    const { paymentIntents } = accounts[name].client;
    let intent;
    try {
      intent = await prepare(name, journal.orders.get(id));
    } catch {
      continue; // an intent that was never confirmed takes no money
    }
    if (intent.metadata.order !== id) continue; // another order's: not ours to confirm
    journal.attempt(id, name, "asked", intent.id); // a crash must not forget it
    try {
      const options = { idempotencyKey: `${id}-confirm` };
      const { status } = about(intent.id, await paymentIntents.confirm(intent.id, {}, options));
      if (status !== "requires_capture") throw new Error(`${intent.id} is not held: ${status}`);
      const attempts = { [name]: { state: "held", reference: intent.id } };
      journal.change(id, { captureAt: name, reference: intent.id, attempts });
      return;
    } catch (error) {
      // Whatever it says, money may be held: an account may decline and hold it all the same, and
      // what is refused now the SDK may have sent before, over a connection that broke. A cancel
      // makes sure.
      journal.attempt(id, name, "unknown", intent.id);
      if (error.type === "StripeCardError") {
        journal.change(id, { state: "refused", code: error.code });
        return;
      }
    }
  }
  journal.change(id, { state: "refused", code: "try_later" });
}

async function capture(id) {
  const { state, captureAt, reference, amount } = journal.orders.get(id);
  if (state !== "pending" || !captureAt) return;
  const { paymentIntents } = accounts[captureAt].client;
  try {
    // A stored error is repeated for its key, so the intent itself is asked first.
    let intent = about(reference, await paymentIntents.retrieve(reference));
    if (intent.status === "requires_capture") {
      const part = { amount_to_capture: amount };
      intent = about(reference, await paymentIntents.capture(reference, part));
    }
    if (intent.status === "succeeded") finish(id, intent);
    else if (intent.status !== "processing") giveUp(id, captureAt, reference);
  } catch {
    // Unknown: the sweep asks again.
  }
}

const paid = (id, intent) => {
  return { id, state: "paid", charged: intent.amount_received, paid_at: intent.id };
};

function finish(id, intent) {
  if (journal.orders.get(id).state === "pending") journal.change(id, paid(id, intent));
}

// Nothing is held any more, or never was: there is nothing to wait for. It is one line of the
// journal: an order that is refunded must not be pending as well after a crash.
function giveUp(id, name, reference) {
  if (journal.orders.get(id).state !== "pending") return;
  const attempts = { [name]: { state: "unknown", reference } };
  journal.change(id, { state: "refused", code: "try_later", attempts });
}

// Cancel what may be held: whether it was is not asked. What was captured although the account had
// denied it is given back.
async function resolve(id, name, reference) {
  const { paymentIntents } = accounts[name].client;
  try {
    let intent = about(reference, await paymentIntents.retrieve(reference));
    if (intent.status === "succeeded") return await giveBack(id, name, reference);
    if (intent.status !== "canceled")
      intent = about(reference, await paymentIntents.cancel(reference));
    // A webhook may have said meanwhile that it is captured.
    if (intent.status === "canceled" && journal.orders.get(id).attempts[name].state === "unknown")
      journal.attempt(id, name, "cancelled", reference);
  } catch {
    // Unknown: the sweep asks again.
  }
}

async function giveBack(id, name, reference) {
  try {
    await refund(name, reference);
  } catch {
    return; // unknown: the sweep asks again
  }
  journal.attempt(id, name, "refunded", reference);
}

// All of it. The same key would repeat a stored error; a second refund the account refuses.
async function refund(name, reference) {
  try {
    const made = await accounts[name].client.refunds.create({ payment_intent: reference });
    if (made.payment_intent !== reference || !["succeeded", "pending"].includes(made.status))
      throw new Error(`${reference} is not refunded: ${made.payment_intent} ${made.status}`);
  } catch (error) {
    if (error.code !== "charge_already_refunded") throw error;
  }
}

// One thing at a time for each order.
async function alone(key, work) {
  if (sweeping.has(key)) return;
  sweeping.add(key);
  try {
    await work();
  } finally {
    sweeping.delete(key);
  }
}

function sweep() {
  for (const [id, order] of journal.orders) {
    for (const [name, { state, reference }] of Object.entries(order.attempts)) {
      const work = { unknown: resolve, captured: giveBack }[state];
      if (work) alone(`${id} ${name}`, () => work(id, name, reference));
    }
    if (order.state === "pending" && order.captureAt) alone(`${id} capture`, () => capture(id));
  }
}

// After a crash: what was asked and not answered is unknown; its customers are gone.
for (const [id, order] of journal.orders) {
  for (const [name, attempt] of Object.entries(order.attempts))
    if (attempt.state === "asked") journal.attempt(id, name, "unknown", attempt.reference);
  if (order.state === "pending" && !order.captureAt)
    journal.change(id, { state: "refused", code: "try_later" });
}
setInterval(sweep, SWEEP_MS);

const app = express();
app.get("/health", (_, response) => response.json({ status: "up" }));

const show = (id, response) => {
  const order = journal.orders.get(id);
  if (!order) return response.status(404).json({ state: "unknown" });
  const { state, code, charged, paid_at } = order;
  response
    .status({ paid: 200, refused: 402 }[state] ?? 202)
    .json({ state, code, charged, paid_at });
};

app.post("/orders", express.json(), async ({ body }, response) => {
  const { order: id, amount, currency, card } = body;
  if (!journal.orders.has(id)) {
    journal.change(id, { state: "pending", amount, currency, card });
    await authorise(id);
  }
  show(id, response);
});

// Where the provider's page sends the customer; who never comes is left to the sweep.
app.get("/orders/:order/return", async ({ params }, response) => {
  if (journal.orders.has(params.order))
    await alone(`${params.order} capture`, () => capture(params.order));
  show(params.order, response);
});

app.get("/orders/:order", ({ params }, response) => show(params.order, response));

app.post("/webhooks/:account", express.raw({ type: "*/*" }), (request, response) => {
  const { client, secret } = accounts[request.params.account];
  let event;
  try {
    event = client.webhooks.constructEvent(
      request.body,
      request.headers["stripe-signature"],
      secret,
    );
  } catch {
    return response.status(400).json({ error: "signature" });
  }
  journal.once(event.id, () => changeFor(request.params.account, event));
  response.json({ received: true });
});

function changeFor(name, { type, data: { object } }) {
  if (type === "payment_intent.succeeded") return captured(name, object);
  if (type === "refund.failed") {
    // A second one would fail, too: a person has to look.
    console.error(`the refund of ${object.payment_intent} failed: pay it back in another way`);
  }
}

// What the account has proved to be captured is not asked: that may be denied.
function captured(name, intent) {
  const id = intent.metadata.order;
  const order = journal.orders.get(id);
  if (order?.state === "pending" && order.reference === intent.id) return paid(id, intent);
  const attempt = order?.attempts[name];
  if (attempt?.reference === intent.id && ["unknown", "cancelled"].includes(attempt.state))
    return { id, attempts: { [name]: { state: "captured", reference: intent.id } } };
}

app.listen(process.env.PORT, process.env.HOST ?? "127.0.0.1");
