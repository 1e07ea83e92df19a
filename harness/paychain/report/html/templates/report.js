"use strict";
// A crosshair over all panels at once, moved by pointer or keyboard, with its values as text.
(function () {
  const data = JSON.parse(document.getElementById("points").textContent);
  const plots = document.getElementById("plots");
  const readout = document.getElementById("readout");
  const stops = data.panels.reduce((most, panel) =>
    panel.series.reduce((more, series) => Math.max(more, series[3].length), most), 0);
  if (!plots || !stops) return;
  const svgNs = "http://www.w3.org/2000/svg";
  const add = (svg, tag, attributes) => {
    const node = document.createElementNS(svgNs, tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    svg.appendChild(node);
    return node;
  };
  const panels = data.panels.map((panel) => {
    const svg = plots.querySelector('svg[data-panel="' + panel.name + '"]');
    return {
      panel, svg,
      line: add(svg, "line", {class: "cross", y1: panel.top, y2: panel.base, visibility: "hidden"}),
      dots: panel.series.map((series) => add(svg, "circle",
        {class: "dot f-" + series[2], r: 4, visibility: "hidden"})),
    };
  });
  const number = (value) => value.toLocaleString("en", {maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0});
  const written = (value, unit) => {
    if (value === null || value === undefined) return "–";
    const text = Array.isArray(value) ? number(value[0]) + "…" + number(value[1]) : number(value);
    return text + (unit === "/s" ? unit : " " + unit);
  };
  let at = -1;
  function show(stop) {
    at = Math.min(Math.max(stop, 0), stops - 1);
    const second = at * data.wide;
    const x = data.left + (data.right - data.left) *
      Math.min(second + data.wide / 2, data.whole) / data.whole;
    readout.textContent = "";
    const addReading = (name, text, colour) => {
      const part = document.createElement("span");
      if (colour) {
        const key = document.createElement("i");
        key.className = "key " + colour;
        part.appendChild(key);
      }
      part.appendChild(document.createTextNode(name + " "));
      const strong = document.createElement("b");
      strong.textContent = text;
      part.appendChild(strong);
      readout.appendChild(part);
      readout.appendChild(document.createTextNode(" "));
    };
    addReading("at", data.wide > 1 ? second + " to " + (second + data.wide) + " s" : second + " s");
    for (const shown of panels) {
      shown.line.setAttribute("x1", x);
      shown.line.setAttribute("x2", x);
      shown.line.setAttribute("visibility", "visible");
      shown.panel.series.forEach((series, place) => {
        const value = series[3][at];
        const dot = shown.dots[place];
        addReading(series[0], written(value, series[1]), "k-" + series[2]);
        if (value === null || value === undefined) return dot.setAttribute("visibility", "hidden");
        const worst = Array.isArray(value) ? value[shown.panel.name === "success" ? 0 : 1] : value;
        const inside = Math.min(Math.max(worst, shown.panel.low), shown.panel.high);
        dot.setAttribute("cx", x);
        dot.setAttribute("cy", shown.panel.base + (shown.panel.top - shown.panel.base) *
          (inside - shown.panel.low) / (shown.panel.high - shown.panel.low));
        dot.setAttribute("visibility", "visible");
      });
    }
    const on = data.faults.filter((fault) => fault[1] < second + data.wide && fault[2] > second);
    if (on.length) addReading("fault", on.map((fault) => fault[0]).join(", "));
  }
  function point(event) {
    const svg = event.target.closest("svg");
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    show(Math.floor((x - data.left) / (data.right - data.left) * data.whole / data.wide));
  }
  plots.addEventListener("pointermove", point);
  plots.addEventListener("pointerdown", point);
  const steps = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10};
  plots.addEventListener("keydown", (event) => {
    if (event.key in steps) show(at < 0 ? 0 : at + steps[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(stops - 1);
    else return;
    event.preventDefault();
  });
  readout.textContent = "Point at a plot, or focus the plots and press ← or → (Page Up, Page Down: 10 steps).";
  readout.hidden = false;
})();
