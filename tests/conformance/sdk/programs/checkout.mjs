// Checkout.com's Node SDK, asked in JSON lines: {id, operation, body, name, key}.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [url, folder] = process.argv.slice(2);
const { version, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf-8"));
const { Checkout } = await import(pathToFileURL(join(folder, main)));
const key = "sk_sbox_m73dzbpy7cf3gfd46xr4yj5xo4e";
const api = new Checkout(key, { host: url });
// Node's fetch sends the SDK's `patch` as it is written; axios makes it PATCH.
const byAxios = new Checkout(key, { host: url, httpClient: "axios" });
const { customers, hostedPayments, instruments, payments } = api;
const { paymentLinks, paymentSessions } = api;

const operations = {
  pay: (body, name, key) => payments.request(body, key),
  capture: (body, name, key) => payments.capture(name, body, key),
  void: (body, name, key) => payments.void(name, body, key),
  refund: (body, name, key) => payments.refund(name, body, key),
  reverse: (body, name, key) => payments.reverse(name, body, key),
  details: (body, name) => payments.get(name),
  actions: (body, name) => payments.getActions(name),
  list: (body) => payments.getPaymentList(body),
  "create customer": (body) => customers.create(body),
  "update customer": (body, name) => byAxios.customers.update(name, body),
  "update customer by fetch": (body, name) => customers.update(name, body),
  customer: (body, name) => customers.get(name),
  "delete customer": (body, name) => customers.delete(name),
  "create instrument": (body) => instruments.create(body),
  "update instrument": (body, name) => byAxios.instruments.update(name, body),
  instrument: (body, name) => instruments.get(name),
  "delete instrument": (body, name) => instruments.delete(name),
  "create page": (body) => hostedPayments.create(body),
  page: (body, name) => hostedPayments.get(name),
  "create link": (body) => paymentLinks.create(body),
  link: (body, name) => paymentLinks.get(name),
  "create session": (body) => paymentSessions.request(body),
  "submit session": (body, name) => paymentSessions.submit(name, body),
  "session with payment": (body) => paymentSessions.complete(body),
};

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function work({ id, operation, body, name, key }) {
  try {
    answer({ id, message: await operations[operation](body, name, key || undefined) });
  } catch (error) {
    answer({
      id,
      error: {
        name: error.name === "Error" ? error.constructor.name : error.name,
        status: error.http_code,
        codes: error.body && error.body.error_codes,
      },
    });
  }
}

answer({ sdk: `checkout-sdk-node ${version}` });
// The connections that an SDK keeps open would keep the process alive.
createInterface({ input: process.stdin })
  .on("line", (line) => work(JSON.parse(line)))
  .on("close", () => process.exit(0));
