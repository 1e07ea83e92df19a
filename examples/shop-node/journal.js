// What the shop must not forget: orders as lines of a file, read again when it starts.
const fs = require("fs");

class Journal {
  constructor(path) {
    this.orders = new Map();
    this.events = new Set();
    const lines = fs.existsSync(path) ? fs.readFileSync(path, "utf8").split("\n") : [""];
    for (const line of lines) this.#apply(line);
    this.file = fs.openSync(path, "a");
    if (lines.at(-1)) fs.writeSync(this.file, "\n"); // or the next line would be lost with it
  }

  #apply(line) {
    let change;
    try {
      change = JSON.parse(line);
    } catch {
      return; // the last line of a process that died while it wrote
    }
    const { event, ...order } = change;
    if (event) this.events.add(event);
    if (!order.id) return;
    const before = this.orders.get(order.id) ?? { attempts: {} };
    const attempts = { ...before.attempts, ...order.attempts };
    this.orders.set(order.id, { ...before, ...order, attempts });
  }

  #write(change) {
    const line = JSON.stringify(change) + "\n";
    fs.writeSync(this.file, line); // before anything is sent: a crash must not forget it
    this.#apply(line);
  }

  change(id, change) {
    this.#write({ id, ...change });
  }

  attempt(id, account, state, reference = "") {
    this.#write({ id, attempts: { [account]: { state, reference } } });
  }

  // What a webhook says is one line with its id: a crash must not leave one without the other.
  // `changeFor` gives the change of an order, with its id, if there is one.
  once(event, changeFor) {
    if (!this.events.has(event)) this.#write({ event, ...changeFor() });
  }
}

module.exports = { Journal };
