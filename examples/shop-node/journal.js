// What the shop must not forget: orders as lines of a file, read again when it starts.
const fs = require("fs");

class Journal {
  constructor(path) {
    this.orders = new Map();
    this.events = new Set();
    if (fs.existsSync(path))
      for (const line of fs.readFileSync(path, "utf8").split("\n")) this.#apply(line);
    this.file = fs.openSync(path, "a");
  }

  #apply(line) {
    let change;
    try {
      change = JSON.parse(line);
    } catch {
      return; // the last line of a process that died while it wrote
    }
    if (change.event) this.events.add(change.event);
    else {
      const before = this.orders.get(change.id) ?? { attempts: {} };
      const attempts = { ...before.attempts, ...change.attempts };
      this.orders.set(change.id, { ...before, ...change, attempts });
    }
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

  isNewEvent(event) {
    if (this.events.has(event)) return false;
    this.#write({ event });
    return true;
  }
}

module.exports = { Journal };
