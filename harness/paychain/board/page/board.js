"use strict";
// Polls the state and renders it; sends the user's actions. Strings from the server are always set
// as text, except the drawings, which the server has escaped.
(() => {
  const key = document.querySelector("meta[name=paychain]").content;
  const byId = (id) => document.getElementById(id);
  const EVERY_MS = 500;
  const MESSAGE_MS = 3000;
  const ERROR_MS = 8000;
  let messageUntil = 0;

  const showMessage = (text, isBad) => {
    const line = byId("message");
    line.textContent = text;
    line.classList.toggle("bad", isBad);
    line.hidden = false;
    messageUntil = Date.now() + (isBad ? ERROR_MS : MESSAGE_MS);
  };

  const act = async (action) => {
    try {
      const answer = await fetch("/paychain/do", {
        method: "POST",
        headers: { "content-type": "application/json", "X-Paychain": key },
        body: JSON.stringify(action),
      });
      const text = await answer.text();
      let message = text;
      try { message = JSON.parse(text).message; } catch { /* a refusal is plain text */ }
      showMessage(message, !answer.ok);
    } catch {
      showMessage("paychain load does not respond", true);
    }
    poll();
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

  // Rebuilds a list only when its items changed, so that focus and selection stay.
  const rendered = new Map();
  const list = (id, items, build) => {
    const now = JSON.stringify(items);
    if (rendered.get(id) === now) return;
    rendered.set(id, now);
    const focused = document.activeElement && document.activeElement.dataset.fault;
    byId(id).replaceChildren(...items.map(build));
    if (focused) byId(id).querySelector(`[data-fault="${CSS.escape(focused)}"]`)?.focus();
  };

  const drawing = (id, text) => {
    if (rendered.get(id) === text) return;
    rendered.set(id, text);
    byId(id).innerHTML = text;
  };

  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  const millis = (value) => (value === null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(1)} ms`);
  const values = (given) => Object.entries(given).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");

  const render = (state) => {
    const phases = { ready: "not started", running: `${state.rate}/s`, stopped: "stopped", saving: "saving…" };
    put("f-rate", phases[state.phase] || state.phase);
    put("f-waiting", `${count(state.waiting, "payment")} in progress`);
    put("f-success", state.success === null ? "–" : `${(100 * state.success).toFixed(1)} %`, state.success !== null && state.success < 0.95);
    put("f-payments", `${count(state.payments, "payment")}; ${state.all_broke.toLocaleString("en")} of ${state.all_payments.toLocaleString("en")} broke in total`);
    put("f-p95", millis(state.p95_ms));
    put("f-p50", `median ${millis(state.p50_ms)}`);
    put("f-money", state.money.wrong, state.money.wrong_minor > 0);
    put("f-judged", `${state.money.judged.toLocaleString("en")} judged, ${state.money.open.toLocaleString("en")} not yet judged`);
    drawing("map", state.map);
    drawing("plots", state.plots.join(""));

    byId("nothing").hidden = state.on.length > 0;
    byId("heal-all").disabled = state.on.length === 0;
    list("on", state.on.map((fault) => [fault.id, `${fault.kind.replaceAll("_", " ")} on ${fault.target} ${fault.name}`, values(fault.values)]), ([id, name, parameters]) => {
      const item = make("li");
      const text = make("span");
      text.append(make("b", `⚡ ${name}`), ` ${parameters}`);
      const heal = make("button", "Heal");
      heal.type = "button";
      heal.dataset.fault = id;
      heal.setAttribute("aria-label", `Heal ${name}`);
      heal.addEventListener("click", () => act({ do: "heal", fault: id }));
      item.append(text, heal);
      return item;
    });
    const active = new Map(state.on.map((fault) => [`${fault.target} ${fault.name} ${fault.kind}`, fault]));
    for (const form of document.querySelectorAll(".toggle")) {
      const fault = active.get(`${form.dataset.target} ${form.dataset.name} ${form.dataset.kind}`);
      form.dataset.fault = fault ? fault.id : "";
      form.querySelector("button").setAttribute("aria-checked", String(Boolean(fault)));
      for (const input of form.querySelectorAll("input")) input.disabled = Boolean(fault);
    }
    for (const place of document.querySelectorAll(".place")) {
      place.classList.toggle("is-affected", place.querySelector("[aria-checked=true]") !== null);
    }

    list("hops", state.hops, (hop) => {
      const row = make("tr");
      const name = make("th", hop.name);
      name.scope = "row";
      row.append(name, make("td", hop.calls.toLocaleString("en"), "num"), make("td", hop.failed.toLocaleString("en"), hop.failed ? "num is-bad" : "num"),
        make("td", hop.broke.toLocaleString("en"), hop.broke ? "num is-bad" : "num"), make("td", hop.broke_in_total.toLocaleString("en"), "num"));
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
    list("saved", state.saved, (run, index) => {
      const item = make("li", `${run.verdict === "pass" ? "✓" : run.verdict === "fail" ? "✕" : "–"} ${run.verdict}: ${run.file} `);
      const link = make("a", "report");
      link.href = `/paychain/report/${index + 1}`;
      link.target = "_blank";
      link.rel = "noopener";
      item.append(link, make("br"), make("code", run.command));
      return item;
    });
    if (!byId("message").hidden && Date.now() > messageUntil) byId("message").hidden = true;
  };

  // A slow server gets no second request before it has answered the first.
  let isPolling = false;
  const poll = async () => {
    if (isPolling) return;
    isPolling = true;
    try {
      const answer = await fetch("/paychain/state");
      if (answer.ok) render(await answer.json());
      else showMessage(answer.status === 502 ? "paychain load has ended" : await answer.text(), true);
    } catch {
      showMessage("paychain load does not respond", true);
    } finally {
      isPolling = false;
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
  poll();
  setInterval(poll, EVERY_MS);
})();
