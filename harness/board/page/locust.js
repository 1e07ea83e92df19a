"use strict";
// On Locust's own page: what it sends carries the header that a foreign page cannot send, and its
// tab "Payment chain" shows the board in a frame (such a tab holds nothing but a table otherwise).
(() => {
  const key = document.querySelector("meta[name=paychain]").content;
  const send = window.fetch;
  window.fetch = (what, how) => {
    const request = new Request(what, how);
    const isReading = request.method === "GET" || request.method === "HEAD";
    if (!isReading && new URL(request.url).origin === location.origin) {
      request.headers.set("X-Paychain", key);
    }
    return send(request);
  };
  document.addEventListener("DOMContentLoaded", () => {
    const frame = document.createElement("iframe");
    frame.className = "paychain";
    frame.title = "The board of the payment chain";
    frame.hidden = true;
    document.body.append(frame);
    setInterval(() => {
      const tab = new URLSearchParams(location.search).get("tab");
      const tabs = document.querySelector("[role=tablist]");
      frame.hidden = tab !== "paychain" || tabs === null;
      if (frame.hidden) return;
      if (!frame.src) frame.src = "/paychain/";
      const top = tabs.getBoundingClientRect().bottom + 4; // over the empty panel of the tab
      frame.style.top = `${top}px`;
      frame.style.height = `${innerHeight - top}px`;
    }, 250);
  });
})();
