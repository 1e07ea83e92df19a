// PayPal's Node SDK makes one order at its own host, which only a proxy can lead elsewhere. Prints
// the order's id and the capture's status.
const [folder, payment] = process.argv.slice(2);
const { Client, Environment, OrdersController } = require(folder);

const client = new Client({
  clientCredentialsAuthCredentials: { oAuthClientId: "id", oAuthClientSecret: "secret" },
  environment: Environment.Sandbox,
});
const order = {
  intent: "CAPTURE",
  purchaseUnits: [{ amount: { currencyCode: "EUR", value: "10.00" }, customId: payment }],
  paymentSource: { card: { number: "4111111111111111", expiry: "2030-03" } },
};
new OrdersController(client)
  .createOrder({ body: order, paypalRequestId: "o1", prefer: "return=representation" })
  .then(({ result }) => {
    const [capture] = result.purchaseUnits[0].payments.captures;
    console.log(result.id, capture.status);
  });
