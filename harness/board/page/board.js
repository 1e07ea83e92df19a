"use strict";
// Asks for the state every half second and shows it; sends what is switched. Text is only ever set
// as text; the drawings come from our own server, escaped there.
(() => {
  const key = document.querySelector("meta[name=paychain]").content;
  const byId = (id) => document.getElementById(id);
  const EVERY_MS = 500;
  let saidUntil = 0;

  const say = (text, isBad) => {
    const line = byId("said");
    line.textContent = text;
    line.classList.toggle("bad", isBad);
    line.hidden = false;
    saidUntil = Date.now() + (isBad ? 8000 : 3000);
  };

  const act = async (action) => {
    try {
      const answer = await fetch("/paychain/do", {
        method: "POST",
        headers: { "content-type": "application/json", "X-Paychain": key },
        body: JSON.stringify(action),
      });
      const text = await answer.text();
      let said = text;
      try { said = JSON.parse(text).said; } catch { /* a refusal is plain text */ }
      say(said, !answer.ok);
    } catch {
      say("paychain load does not answer", true);
    }
    show();
  };

  const put = (id, text, isBad = false) => {
    const element = byId(id);
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("is-bad", isBad);
  };

  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  // Rebuilds a list only when it says something new, so that focus and selection stay.
  const drawn = new Map();
  const list = (id, items, build) => {
    const now = JSON.stringify(items);
    if (drawn.get(id) === now) return;
    drawn.set(id, now);
    const had = document.activeElement && document.activeElement.dataset.fault;
    byId(id).replaceChildren(...items.map(build));
    if (had) byId(id).querySelector(`[data-fault="${CSS.escape(had)}"]`)?.focus();
  };

  const drawing = (id, text) => {
    if (drawn.get(id) === text) return;
    drawn.set(id, text);
    byId(id).innerHTML = text;
  };

  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  const millis = (value) => (value === null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(1)} ms`);
  const values = (given) => Object.entries(given).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");

  const render = (state) => {
    const phases = { ready: "not started", running: `${state.rate}/s`, stopped: "stopped", saving: "saving…" };
    put("f-rate", phases[state.phase] || state.phase);
    put("f-waiting", `${count(state.waiting, "customer")} waiting`);
    put("f-success", state.success === null ? "–" : `${(100 * state.success).toFixed(1)} %`, state.success !== null && state.success < 0.95);
    put("f-payments", `${count(state.payments, "payment")}; ${state.all_broke.toLocaleString("en")} of ${state.all_payments.toLocaleString("en")} broke in all`);
    put("f-p95", millis(state.p95_ms));
    put("f-p50", `median ${millis(state.p50_ms)}`);
    put("f-money", state.money.wrong, state.money.wrong_minor > 0);
    put("f-judged", `${state.money.judged.toLocaleString("en")} judged, ${state.money.open.toLocaleString("en")} too young`);
    drawing("map", state.map);
    drawing("plots", state.plots.join(""));

    byId("nothing").hidden = state.on.length > 0;
    byId("heal-all").disabled = state.on.length === 0;
    list("on", state.on.map((one) => [one.id, `${one.kind.replaceAll("_", " ")} on ${one.target} ${one.name}`, values(one.values)]), ([id, what, how]) => {
      const item = make("li");
      const text = make("span");
      text.append(make("b", `⚡ ${what}`), ` ${how}`);
      const heal = make("button", "Heal");
      heal.type = "button";
      heal.dataset.fault = id;
      heal.setAttribute("aria-label", `Heal ${what}`);
      heal.addEventListener("click", () => act({ do: "heal", fault: id }));
      item.append(text, heal);
      return item;
    });
    const on = new Map(state.on.map((one) => [`${one.target} ${one.name} ${one.kind}`, one]));
    for (const form of document.querySelectorAll(".toggle")) {
      const held = on.get(`${form.dataset.target} ${form.dataset.name} ${form.dataset.kind}`);
      form.dataset.fault = held ? held.id : "";
      form.querySelector("button").setAttribute("aria-checked", String(Boolean(held)));
      for (const input of form.querySelectorAll("input")) input.disabled = Boolean(held);
    }
    for (const place of document.querySelectorAll(".place")) {
      place.classList.toggle("is-struck", place.querySelector("[aria-checked=true]") !== null);
    }

    list("hops", state.hops, (hop) => {
      const row = make("tr");
      const name = make("th", hop.name);
      name.scope = "row";
      row.append(name, make("td", hop.calls.toLocaleString("en"), "num"), make("td", hop.failed.toLocaleString("en"), hop.failed ? "num is-bad" : "num"),
        make("td", hop.broke.toLocaleString("en"), hop.broke ? "num is-bad" : "num"), make("td", hop.broke_in_all.toLocaleString("en"), "num"));
      return row;
    });
    list("broken", state.money.broken, (rule) => {
      const item = make("li", `✕ ${rule.title}: ${count(rule.payments, "payment")}, ${rule.amount}`);
      const examples = make("ul");
      examples.append(...rule.examples.map((text) => make("li", text)));
      item.append(examples);
      return item;
    });
    list("notes", [...state.problems.map((text) => [null, text]), ...state.notes], ([at, text]) => {
      const item = make("li");
      const when = make("time", at === null ? "problem" : `${at.toFixed(1)} s`);
      item.append(when, ` ${text}`);
      return item;
    });
    list("saved", state.saved, (one, index) => {
      const item = make("li", `${one.verdict === "pass" ? "✓" : one.verdict === "fail" ? "✕" : "–"} ${one.verdict}: ${one.file} `);
      const link = make("a", "report");
      link.href = `/paychain/report/${index + 1}`;
      link.target = "_blank";
      link.rel = "noopener";
      item.append(link, make("br"), make("code", one.command));
      return item;
    });
    if (!byId("said").hidden && Date.now() > saidUntil) byId("said").hidden = true;
  };

  let isAsking = false;
  const show = async () => {
    if (isAsking) return;
    isAsking = true;
    try {
      const answer = await fetch("/paychain/state");
      if (answer.ok) render(await answer.json());
      else say(answer.status === 502 ? "paychain load has ended" : await answer.text(), true);
    } catch {
      say("paychain load does not answer", true);
    } finally {
      isAsking = false;
    }
  };

  byId("load").addEventListener("submit", (event) => {
    event.preventDefault();
    act({ do: "rate", rate: Number(byId("rate").value) });
  });
  byId("stop").addEventListener("click", () => act({ do: "rate", rate: 0 }));
  byId("heal-all").addEventListener("click", () => act({ do: "heal_all" }));
  byId("save").addEventListener("submit", (event) => {
    event.preventDefault();
    act({ do: "save", name: byId("name").value });
  });
  byId("quit").addEventListener("click", () => act({ do: "quit" }));
  for (const form of document.querySelectorAll(".toggle")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.dataset.fault) {
        act({ do: "heal", fault: form.dataset.fault });
        return;
      }
      const given = Object.fromEntries(new FormData(form));
      act({ do: "switch", target: form.dataset.target, name: form.dataset.name, kind: form.dataset.kind, values: given });
    });
  }
  show();
  setInterval(show, EVERY_MS);
})();
