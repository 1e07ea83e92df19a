// A shop as tutorials write it. It works, until a provider's answer is late or lost.
const express = require("express");
const Stripe = require("stripe");

const at = (base) => {
  const { hostname, port } = new URL(base);
  const options = { host: hostname, port, protocol: "http", timeout: 2000, maxNetworkRetries: 0 };
  return new Stripe("sk_test_shop", options);
};
const stripe = at(process.env.STRIPE_API_BASE);
const backup = at(process.env.BACKUP_API_BASE);
const orders = new Map();

const pay = (client, order) =>
  client.paymentIntents.create({
    amount: order.amount,
    currency: order.currency.toLowerCase(),
    payment_method: order.card,
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    metadata: { order: order.order },
  });

const app = express();
app.use(express.json());

app.get("/health", (_, response) => response.json({ status: "up" }));

app.post("/orders", async ({ body: order }, response) => {
  const refuse = (error) => {
    orders.set(order.order, { state: "refused", code: error.code });
    response.status(402).json(orders.get(order.order));
  };
  let intent;
  try {
    intent = await pay(stripe, order);
  } catch (error) {
    if (error.type === "StripeCardError") return refuse(error);
    try {
      intent = await pay(backup, order); // the first account is down: the sale must not be lost
    } catch (error) {
      return refuse(error);
    }
  }
  orders.set(order.order, { state: "paid", charged: intent.amount_received, paid_at: intent.id });
  response.json(orders.get(order.order));
});

app.get("/orders/:order", ({ params }, response) => {
  const order = orders.get(params.order);
  response.status(order ? 200 : 404).json(order ?? { state: "unknown" });
});

app.post("/webhooks/:account", ({ body: event }, response) => {
  const intent = event.data.object;
  if (event.type === "payment_intent.succeeded" && intent.metadata.order)
    orders.set(intent.metadata.order, {
      state: "paid",
      charged: intent.amount_received,
      paid_at: intent.id,
    });
  response.json({ received: true });
});

app.listen(process.env.PORT, "127.0.0.1");
