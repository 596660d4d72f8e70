// The lanes: one row a pod, drawn only where it can be seen, so that a thousand pods cost what thirty do.

import { element, clock } from "./text.js";
import { describe, trouble, allContainers } from "./model.js";

const spare = 4; // rows that are drawn beyond the edges
const margin = 12; // behind the lanes

export class Lanes {
  constructor(store, view, on) {
    this.store = store;
    this.view = view;
    this.on = on; // select(pod, time), move(rows), step(by), details(), close()
    this.list = document.getElementById("pods");
    this.canvas = document.getElementById("canvas");
    this.ticks = document.getElementById("ticks");
    this.rows = []; // pods that the filter lets through
    this.tops = [0];
    this.drawn = new Map();
    this.compact = false;
    this.list.addEventListener("scroll", () => this.draw(), { passive: true });
    this.list.addEventListener("keydown", (e) => this.key(e));
    this.canvas.addEventListener("click", (e) => this.click(e));
    new ResizeObserver(() => this.draw()).observe(this.list);
  }

  height(pod) {
    if (this.compact) return 26;
    return 44 + 11 * Math.max(1, pod.bands.containers.length);
  }

  // arrange says which pods there are to be drawn, and how high each is.
  arrange(rows) {
    this.rows = rows;
    this.tops = new Array(rows.length + 1);
    this.tops[0] = 0;
    for (let i = 0; i < rows.length; i++) this.tops[i + 1] = this.tops[i] + this.height(rows[i]);
    this.canvas.style.height = `${this.tops[rows.length]}px`;
    this.index = new Map(rows.map((p, i) => [p.key, i]));
  }

  // names is the width of the column with the pods' names, as the style has it.
  get names() { return document.querySelector(".axis-name").offsetWidth; }

  // rowAt is the row at a height.
  rowAt(y) {
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= y) low = middle + 1; else high = middle;
    }
    return low;
  }

  draw() {
    this.width = Math.max(80, this.list.clientWidth - this.names - margin);
    const top = this.list.scrollTop, bottom = top + this.list.clientHeight;
    const from = Math.max(0, this.rowAt(top) - spare);
    const to = Math.min(this.rows.length, this.rowAt(bottom) + 1 + spare);
    const keep = new Set();
    const look = `${this.view.from}|${this.view.to}|${this.width}|${this.compact}|${this.view.time}`;
    for (let i = from; i < to; i++) {
      const pod = this.rows[i];
      keep.add(pod.key);
      let row = this.drawn.get(pod.key);
      if (!row) {
        row = this.make(pod);
        this.drawn.set(pod.key, row);
        this.canvas.append(row.node);
      }
      const selected = pod === this.view.pod;
      const state = `${look}|${pod.version}|${selected}|${i}|${this.rows.length}`;
      if (row.state === state) continue;
      row.state = state;
      this.fill(row, pod, i, selected);
    }
    for (const [key, row] of this.drawn) {
      if (keep.has(key)) continue;
      row.node.remove();
      this.drawn.delete(key);
    }
    const active = this.view.pod && keep.has(this.view.pod.key) ? this.drawn.get(this.view.pod.key).node.id : null;
    if (active) this.list.setAttribute("aria-activedescendant", active); else this.list.removeAttribute("aria-activedescendant");
    this.axis();
  }

  make(pod) {
    this.made = (this.made ?? 0) + 1;
    const name = element("div", { class: "name" });
    const lane = element("div", { class: "lane" });
    return { node: element("div", { class: "row", role: "option", id: `row-${this.made}`, "data-pod": pod.key }, name, lane), name, lane, state: "" };
  }

  fill(row, pod, i, selected) {
    const { node, name, lane } = row;
    node.style.top = `${this.tops[i]}px`;
    node.style.height = `${this.tops[i + 1] - this.tops[i]}px`;
    node.setAttribute("aria-selected", selected);
    node.setAttribute("aria-setsize", this.rows.length);
    node.setAttribute("aria-posinset", i + 1);
    node.setAttribute("aria-label", describe(pod));
    const status = pod.last?.status ?? {};
    const why = trouble(pod);
    const phase = pod.gone ? "gone" : (status.phase ?? "unknown").toLowerCase();
    const restarts = allContainers(status).reduce((n, c) => n + (c.restartCount ?? 0), 0);
    const state = pod.gone ? "deleted" : why || status.phase || "";
    const title = element("span", { class: "pod", title: pod.key }, pod.name);
    const dot = element("i", { class: `dot ${why ? "failed" : phase}` });
    name.replaceChildren(dot, element("span", { class: "names" }, title, this.compact ? null : element("span", { class: "of" },
      pod.namespace, " · ", element("span", { class: why ? "why" : "" }, state), restarts ? ` · ${restarts}×` : "")));
    lane.replaceChildren(...this.bands(pod));
    node.classList.toggle("is-gone", pod.gone);
  }

  x(time) { return ((time - this.view.from) / (this.view.to - this.view.from)) * this.width; }

  // bands are the parts of a lane. What is narrower than a pixel is drawn as one, and not over another.
  bands(pod) {
    const out = [];
    const width = this.width;
    const put = (list, top, height, cls, label) => {
      let covered = -1;
      for (const b of list) {
        const a = Math.max(0, this.x(b.from)), z = Math.min(width, this.x(b.to ?? Math.max(this.view.now, b.from)));
        if (z < 0 || a > width || (z <= covered && z - a < 1)) continue;
        const e = document.createElement("i");
        const w = Math.max(2, z - a);
        covered = a + w;
        e.className = `band ${cls} ${b.kind}`;
        e.style.left = `${a.toFixed(1)}px`;
        e.style.top = `${top}px`;
        e.style.width = `${w.toFixed(1)}px`;
        e.style.height = `${height}px`;
        if (label && w > 34 && b.label) e.append(element("span", {}, b.label));
        out.push(e);
      }
    };
    const all = pod.bands;
    if (this.compact) {
      put(all.phase, 6, 14, "phase", true);
      put(all.deleting, 20, 2, "thin");
      for (const c of all.containers) put(c.bands.filter((b) => b.kind === "failed"), 17, 3, "thin");
    } else {
      put(all.phase, 5, 14, "phase", true);
      put(all.deleting, 19, 2, "thin");
      all.conditions.forEach((list, i) => put(list, 22 + i * 3, 2, "condition"));
      all.containers.forEach((c, i) => put(c.bands, 39 + i * 11, 9, "container", true));
    }
    const bottom = this.compact ? 2 : 1;
    let last = -10;
    for (const s of pod.said) {
      const x = this.x(s.time);
      const warning = s.said.type === "Warning";
      if (x < 0 || x > width || (x - last < 2 && !warning)) continue;
      last = x;
      const e = document.createElement("i");
      e.className = `mark ${warning ? "warning" : "normal"}`;
      e.style.left = `${x.toFixed(1)}px`;
      e.style.top = `${bottom}px`;
      out.push(e);
    }
    if (pod === this.view.pod && this.view.time !== undefined) {
      const x = this.x(this.view.time);
      if (x >= 0 && x <= width) {
        const e = document.createElement("i");
        e.className = "cursor";
        e.style.left = `${x.toFixed(1)}px`;
        out.push(e);
      }
    }
    return out;
  }

  // axis draws the ticks, at times that are easily read.
  axis() {
    const { from, to } = this.view;
    const width = this.width;
    const state = `${from}|${to}|${width}`;
    if (state === this.axisState) return;
    this.axisState = state;
    const steps = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
    const step = steps.find((s) => (s / (to - from)) * width >= 90) ?? 864e5 * Math.ceil((to - from) / 864e5 / 8);
    const out = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const x = this.x(t), text = clock(t, step < 1000);
      if (x + text.length * 7 > width) break; // it would be cut
      const e = element("span", { class: "tick" }, text);
      e.style.left = `${x.toFixed(1)}px`;
      out.push(e);
    }
    this.ticks.replaceChildren(...out);
    this.ticks.style.width = `${width}px`;
  }

  click(e) {
    const node = e.target.closest?.(".row");
    if (!node) return;
    const pod = this.store.pods.get(node.dataset.pod);
    const lane = node.querySelector(".lane").getBoundingClientRect();
    const x = e.clientX - lane.left;
    this.on.select(pod, x >= 0 ? this.view.from + (x / this.width) * (this.view.to - this.view.from) : undefined);
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.list.clientHeight / 60));
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (moves[e.key]) this.on.move(moves[e.key]);
    else if (e.key === "ArrowRight") this.on.step(1);
    else if (e.key === "ArrowLeft") this.on.step(-1);
    else if (e.key === "Home") this.on.step(-Infinity);
    else if (e.key === "End") this.on.step(Infinity);
    else if (e.key === "Enter") this.on.details();
    else if (e.key === "Escape") this.on.close();
    else return;
    e.preventDefault();
  }

  // show scrolls so that a pod can be seen.
  show(pod) {
    const i = this.index?.get(pod.key);
    if (i === undefined) return;
    const top = this.tops[i], bottom = this.tops[i + 1];
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = bottom - this.list.clientHeight;
  }
}
