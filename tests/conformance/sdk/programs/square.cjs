// Square's Node SDK, asked in JSON lines: {id, operation, body, name}. Bodies have the API's names;
// the SDK has camelCase and amounts as bigint.
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const [url, folder] = process.argv.slice(2);
const { version } = require(join(folder, "package.json"));
const { SquareClient, WebhooksHelper } = require(folder);
const client = new SquareClient({ token: "test", baseUrl: url });
const { cards, customers, orders, payments, refunds } = client;
const links = client.checkout.paymentLinks;
const once = { maxRetries: 0 };

function mapped(value, rename) {
  if (Array.isArray(value)) return value.map((item) => mapped(item, rename));
  if (typeof value === "bigint") return Number(value);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [rename(name), mapped(item, rename)]),
  );
}

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());

function money(value) {
  if (Array.isArray(value)) return value.map(money);
  if (value === null || typeof value !== "object") return value;
  const own = Object.entries(value).map(([name, item]) => [
    name,
    name === "amount" ? BigInt(item) : money(item),
  ]);
  return Object.fromEntries(own);
}

async function whole(pages) {
  const all = [];
  for await (const each of await pages) all.push(each);
  return all;
}

const operations = {
  pay: (body) => payments.create(body, once),
  "pay with retries": (body) => payments.create(body),
  complete: (body, name) => payments.complete({ paymentId: name }, once),
  cancel: (body, name) => payments.cancel({ paymentId: name }, once),
  "cancel by key": (body) => payments.cancelByIdempotencyKey(body, once),
  update: (body, name) => payments.update({ paymentId: name, ...body }, once),
  details: (body, name) => payments.get({ paymentId: name }, once),
  list: (body) => whole(payments.list(body, once)),
  "list refunds": (body) => whole(refunds.list(body, once)),
  refund: (body) => refunds.refundPayment(body, once),
  "refund details": (body, name) => refunds.get({ refundId: name }, once),
  "create customer": (body) => customers.create(body, once),
  "update customer": (body, name) => customers.update({ customerId: name, ...body }, once),
  customer: (body, name) => customers.get({ customerId: name }, once),
  "search customers": (body) => customers.search(body, once),
  "delete customer": (body, name) => customers.delete({ customerId: name }, once),
  "list customers": (body) => whole(customers.list(body, once)),
  "create card": (body) => cards.create(body, once),
  "list cards": (body) => whole(cards.list(body, once)),
  "disable card": (body, name) => cards.disable({ cardId: name }, once),
  "create link": (body) => links.create(body, once),
  link: (body, name) => links.get({ id: name }, once),
  "list links": (body) => whole(links.list(body, once)),
  "delete link": (body, name) => links.delete({ id: name }, once),
  order: (body, name) => orders.get({ orderId: name }, once),
  "create order": (body) => orders.create(body, once),
  "pay order": (body, name) => orders.pay({ orderId: name, ...body }, once),
  "search orders": (body) => orders.search(body, once),
  locations: () => client.locations.list(once),
  verify: (body) => WebhooksHelper.verifySignature(body),
};

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function work({ id, operation, body, name }) {
  try {
    const message = await operations[operation](money(mapped(body, camel)), name);
    answer({ id, message: mapped(message, snake) });
  } catch (error) {
    answer({
      id,
      error: {
        name: error.constructor.name,
        status: error.statusCode,
        codes: (error.errors || []).map((each) => each.code),
      },
    });
  }
}

answer({ sdk: `square ${version}` });
// The connections that an SDK keeps open would keep the process alive.
createInterface({ input: process.stdin })
  .on("line", (line) => work(JSON.parse(line)))
  .on("close", () => process.exit(0));
