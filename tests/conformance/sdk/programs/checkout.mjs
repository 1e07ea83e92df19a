// Checkout.com's Node SDK, asked in JSON lines: {id, operation, body, name, key}.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [url, folder] = process.argv.slice(2);
const { version, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf-8"));
const { Checkout } = await import(pathToFileURL(join(folder, main)));
const { payments } = new Checkout("sk_sbox_m73dzbpy7cf3gfd46xr4yj5xo4e", { host: url });

const operations = {
  pay: (body, name, key) => payments.request(body, key),
  capture: (body, name, key) => payments.capture(name, body, key),
  void: (body, name, key) => payments.void(name, body, key),
  refund: (body, name, key) => payments.refund(name, body, key),
  reverse: (body, name, key) => payments.reverse(name, body, key),
  details: (body, name) => payments.get(name),
  actions: (body, name) => payments.getActions(name),
  list: (body) => payments.getPaymentList(body),
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
