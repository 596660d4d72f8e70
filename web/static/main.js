// The page: where its lines come from, what is selected, and which time is shown.

import { Store, trouble, allContainers } from "./model.js";
import { Lanes } from "./lanes.js";
import { Detail } from "./detail.js";
import { harmless, length } from "./text.js";

const $ = (id) => document.getElementById(id);
const store = new Store();
const view = {
  pod: undefined, step: -1, live: true, // the selected state; live goes with the newest
  time: undefined, // of the cursor
  from: 0, to: 1, now: 0, zoom: 1, // of all time that there is
  explains: false, source: undefined, title: "",
};
let about = { live: false, title: "" };

const on = {
  select(pod, time) {
    if (!pod) return;
    view.pod = pod;
    go(time === undefined ? pod.steps.length - 1 : Math.max(0, pod.at(time)));
  },
  move(by) {
    const rows = lanes.rows;
    if (!rows.length) return;
    const at = view.pod ? lanes.index.get(view.pod.key) ?? -1 : -1;
    const pod = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    // The same moment in another pod: that is what lanes beside one another are for.
    on.select(pod, view.live ? undefined : view.time);
    lanes.show(pod);
  },
  step(by) {
    if (!view.pod) { on.move(1); return; }
    const most = view.pod.steps.length - 1;
    go(by === -Infinity ? 0 : by === Infinity ? most : Math.min(most, Math.max(0, view.step + by)));
  },
  to: (n) => go(n),
  live() { if (view.pod) go(view.pod.steps.length - 1); },
  details() { $("detail-title")?.focus(); },
  close() {
    view.pod = undefined;
    view.time = undefined;
    $("pods").focus();
    schedule();
  },
};
const lanes = new Lanes(store, view, on);
const detail = new Detail(store, view, on);

// go selects a state of the selected pod.
function go(n) {
  const { pod } = view;
  view.step = n;
  view.live = n === pod.steps.length - 1;
  view.time = pod.steps[n]?.time;
  reveal(view.time);
  schedule();
}

// reveal moves the time that is shown, so that a moment is within.
function reveal(time) {
  if (time === undefined || view.zoom === 1) return;
  const span = view.to - view.from;
  if (time < view.from || time > view.to) view.center = time - span * 0.5;
}

let pending = false;
function schedule() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; draw(); });
}

let arranged = "";
function draw() {
  if (view.pod && view.live && view.pod.steps.length) {
    view.step = view.pod.steps.length - 1;
    view.time = view.pod.last.time;
  }
  span();
  const filter = $("filter").value.trim().toLowerCase();
  const state = `${store.version}|${filter}|${$("unhealthy").checked}|${$("compact").checked}`;
  if (state !== arranged) {
    arranged = state;
    lanes.compact = $("compact").checked;
    lanes.arrange(store.order.filter((p) => p.steps.length && (!filter || haystack(p).includes(filter)) && (!$("unhealthy").checked || trouble(p))));
    count();
  }
  lanes.draw();
  detail.draw();
}

function haystack(pod) {
  const step = pod.last;
  const reasons = allContainers(step.status).map((c) => c.state?.waiting?.reason ?? c.state?.terminated?.reason ?? "");
  return [pod.key, pod.gone ? "deleted" : step.status.phase, step.spec.nodeName, step.status.reason, trouble(pod), ...reasons].join(" ").toLowerCase();
}

function count() {
  const there = store.order.filter((p) => p.steps.length && !p.gone);
  const bad = there.filter(trouble).length;
  $("counts").textContent = store.order.length ? `${there.length} pod${there.length === 1 ? "" : "s"}${bad ? ` · ${bad} unhealthy` : ""}${lanes.rows.length !== store.order.length ? ` · ${lanes.rows.length} shown` : ""}` : "";
  const empty = $("empty");
  empty.hidden = lanes.rows.length > 0;
  empty.textContent = store.order.length ? "No pod is like that." : about.live && view.source === "live" ? "No pods yet. They are shown as they come." : "Drop a recording here, or open one.";
}

// span says which time is shown: all of it, or a part that goes with the newest unless one looks back.
function span() {
  view.now = view.source === "live" ? Math.max(Date.now(), store.last) : store.last;
  if (!Number.isFinite(store.first)) { view.now = Date.now(); view.from = view.now - 1e4; view.to = view.now; return; }
  const all = Math.max(view.now - store.first, 2000);
  const span = all / view.zoom;
  const least = store.first - all * 0.01, most = store.first + all * 1.01;
  let from = view.center ?? most - span;
  from = Math.min(Math.max(from, least), Math.max(least, most - span));
  view.from = view.zoom === 1 ? least : from;
  view.to = view.zoom === 1 ? most : from + span;
}

function zoom(by, around) {
  const was = view.to - view.from;
  view.zoom = by === 0 ? 1 : Math.min(5000, Math.max(1, view.zoom * by));
  if (view.zoom === 1) view.center = undefined;
  else if (by !== 0) {
    const middle = around ?? (view.live && view.source === "live" ? undefined : view.time);
    if (middle !== undefined) view.center = middle - ((middle - view.from) / was) * (was / by);
    else if (view.center !== undefined) view.center += (was - was / by) / 2;
  }
  schedule();
}

// Live lines come as server-sent events; the browser takes a lost connection up again by itself.
function listen() {
  const stream = new EventSource("events");
  stream.onopen = () => connection(about.live ? "live" : "recording");
  stream.onmessage = (e) => {
    for (const line of e.data.split("\n")) {
      try { store.take(line); } catch (error) { notice(`A line was left out: ${error.message}`); }
    }
    schedule();
  };
  stream.onerror = () => connection("lost");
  view.stream = stream;
}

function connection(state) {
  const chip = $("connection");
  chip.className = `chip ${state}`;
  chip.textContent = { live: "Live", recording: "Recording", lost: "Connection lost, trying again", file: "Recording" }[state];
}

function notice(text) {
  const n = $("notice");
  n.hidden = !text;
  n.textContent = harmless(text);
}

async function open(file) {
  try {
    const text = await file.text();
    const fresh = new Store();
    fresh.read(text); // what is looked at stays if this fails
    view.stream?.close();
    view.stream = undefined;
    view.source = "file";
    on.close();
    Object.assign(store, fresh);
    arranged = "";
    view.zoom = 1;
    view.center = undefined;
    title(file.name);
    connection("file");
    const bad = store.problems;
    notice(bad.length ? `${bad.length} of its lines cannot be used and ${bad.length === 1 ? "is" : "are"} left out: ${bad.slice(0, 3).map((p) => `line ${p.line}, ${p.text}`).join("; ")}${bad.length > 3 ? "; …" : ""}` : "");
    $("say").textContent = `${harmless(file.name)}: ${store.order.length} pods in ${length(store.last - store.first)}`;
    schedule();
  } catch (error) {
    notice(`${file.name}: ${error.message}`);
  }
}

function title(text) {
  view.title = harmless(text);
  $("title").textContent = view.title;
  document.title = `${view.title} – podling`;
}

function keys(e) {
  if (e.target.closest("input, textarea, dialog") || e.ctrlKey || e.metaKey || e.altKey) return;
  const does = {
    "/": () => $("filter").focus(), o: () => $("file").click(), "?": () => $("help").showModal(),
    "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), 0: () => zoom(0),
  }[e.key];
  if (!does) return;
  does();
  e.preventDefault();
}

function wire() {
  document.addEventListener("keydown", keys);
  for (const id of ["filter", "unhealthy", "compact"]) $(id).addEventListener("input", schedule);
  $("filter").addEventListener("keydown", (e) => {
    if (e.key === "Escape") { e.target.value = ""; schedule(); }
    if (e.key === "Escape" || e.key === "ArrowDown" || e.key === "Enter") { $("pods").focus(); e.preventDefault(); }
  });
  $("zoom-in").addEventListener("click", () => zoom(2));
  $("zoom-out").addEventListener("click", () => zoom(0.5));
  $("fit").addEventListener("click", () => zoom(0));
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", (e) => { if (e.target.files[0]) open(e.target.files[0]); e.target.value = ""; });
  $("help-open").addEventListener("click", () => $("help").showModal());
  $("pods").addEventListener("wheel", (e) => {
    if (e.ctrlKey) {
      const lane = $("ticks").getBoundingClientRect();
      zoom(e.deltaY < 0 ? 1.25 : 0.8, view.from + ((e.clientX - lane.left) / lane.width) * (view.to - view.from));
    } else if (e.shiftKey && view.zoom > 1) {
      view.center = view.from + (Math.sign(e.deltaY || e.deltaX) * (view.to - view.from)) / 10;
      schedule();
    } else return;
    e.preventDefault();
  }, { passive: false });
  let over = 0;
  addEventListener("dragenter", (e) => { e.preventDefault(); over++; $("drop").hidden = false; });
  addEventListener("dragleave", () => { if (--over <= 0) $("drop").hidden = true; });
  addEventListener("dragover", (e) => e.preventDefault());
  addEventListener("drop", (e) => {
    e.preventDefault();
    over = 0;
    $("drop").hidden = true;
    if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0]);
  });
  setInterval(() => { if (view.source === "live" && !document.hidden) schedule(); }, 1000);
}

wire();
try {
  const r = await fetch("about");
  if (!r.ok) throw new Error(await r.text());
  about = await r.json();
  view.source = about.live ? "live" : "recording";
  view.explains = about.explains;
  title(about.title);
  listen();
} catch (error) {
  notice(`The page's server does not answer: ${error.message}`);
}
count();
schedule();
