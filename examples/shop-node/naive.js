// A shop as tutorials write it. It works, until an answer or a webhook is late, lost or repeated.
const { randomUUID } = require("crypto");
const express = require("express");
const Stripe = require("stripe");

const at = (base) => {
  const { hostname, port } = new URL(base);
  const options = { host: hostname, port, protocol: "http", timeout: 2000, maxNetworkRetries: 0 };
  return new Stripe("sk_test_shop", options);
};
const accounts = {
  stripe: at(process.env.STRIPE_API_BASE),
  backup: at(process.env.BACKUP_API_BASE),
};
const orders = new Map();

const save = (id, changes) => {
  const order = orders.get(id);
  if (order?.state !== "paid") orders.set(id, { ...order, ...changes });
};

const pay = async (account, order) => {
  const intent = await accounts[account].paymentIntents.create(
    {
      amount: order.amount,
      currency: order.currency.toLowerCase(),
      payment_method: order.card,
      confirm: true,
      capture_method: "manual",
      automatic_payment_methods: { enabled: true, allow_redirects: "never" },
      metadata: { order: order.order },
    },
    { idempotencyKey: randomUUID() },
  );
  save(order.order, { state: "authorised", account, paid_at: intent.id });
};

const capture = async (id, account, intent) => {
  await accounts[account].paymentIntents.capture(intent);
  save(id, { state: "captured" });
};

const show = (id, response) => {
  const order = orders.get(id) ?? { state: "unknown" };
  const status = { paid: 200, refused: 402, unknown: 404 }[order.state] ?? 202;
  response.status(status).json(order);
};

const app = express();
app.use(express.json());

app.get("/health", (_, response) => response.json({ status: "up" }));

app.post("/orders", async ({ body: order }, response) => {
  try {
    await pay("stripe", order);
  } catch (error) {
    try {
      if (error.type === "StripeCardError") throw error;
      await pay("backup", order); // the first account is down: the sale must not be lost
    } catch (error) {
      save(order.order, { state: "refused", code: error.code });
    }
  }
  show(order.order, response);
});

// Where the provider's page sends the customer when the card is authorised.
app.get("/orders/:order/return", async ({ params }, response) => {
  const { state, account, paid_at } = orders.get(params.order) ?? {};
  if (state === "authorised") await capture(params.order, account, paid_at);
  show(params.order, response);
});

app.get("/orders/:order", ({ params }, response) => show(params.order, response));

app.post("/webhooks/:account", async ({ params, body: event }, response) => {
  const intent = event.data.object;
  const id = intent.metadata?.order;
  if (event.type === "payment_intent.amount_capturable_updated") {
    // The customer may have closed the browser before the return page.
    if (!["captured", "paid"].includes(orders.get(id)?.state))
      await capture(id, params.account, intent.id);
  } else if (event.type === "payment_intent.succeeded") {
    save(id, { state: "paid", charged: intent.amount_received, paid_at: intent.id });
  }
  response.json({ received: true });
});

app.listen(process.env.PORT, process.env.HOST ?? "127.0.0.1");
