// The selected pod at one moment: its state, what changed, who changed it, what was said, and why.

import { element, length, clock, harmless } from "./text.js";
import { allContainers, containerState, since } from "./model.js";
import { changes, summary } from "./diff.js";

export class Detail {
  constructor(store, view, on) {
    this.store = store;
    this.view = view;
    this.on = on; // step(by), live(), close()
    this.node = document.getElementById("detail");
    this.node.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.on.close();
    });
    this.explained = new Map();
  }

  draw() {
    const { pod } = this.view;
    this.node.hidden = !pod;
    document.body.classList.toggle("has-detail", !!pod);
    if (!pod) { this.shown = ""; return; }
    const n = this.view.step;
    const shown = `${pod.key}|${n}|${pod.version}|${this.view.live}`;
    if (shown === this.shown) return;
    this.shown = shown;
    if (this.of !== pod) this.frame(pod);
    this.head(pod, n);
    const step = pod.steps[n];
    if (!step) {
      this.parts.body.replaceChildren(element("p", { class: "quiet" }, "The pod was not there yet."));
      return;
    }
    const open = new Set([...this.parts.body.querySelectorAll("details[open]")].map((d) => d.id));
    this.parts.body.replaceChildren(
      this.explanation(pod, n), this.changed(pod, n), this.containers(step), this.conditions(step), this.events(pod, n), this.status(step),
    );
    for (const id of open) this.parts.body.querySelector(`#${id}`)?.setAttribute("open", "");
  }

  // frame is what stays while one pod is looked at: the focus must not go with each state.
  frame(pod) {
    this.of = pod;
    const button = (label, title, by) => element("button", { type: "button", "aria-label": title, title, onclick: () => this.on.step(by) }, label);
    const slider = element("input", { type: "range", min: 0, class: "slider", "aria-label": "State" });
    slider.addEventListener("input", () => this.on.to(Number(slider.value)));
    this.parts = {
      where: element("p", { class: "where" }), moment: element("p", { class: "moment", "aria-live": "polite" }), slider, body: element("div", { class: "body" }),
      live: element("button", { type: "button", class: "live", onclick: () => this.on.live(), title: "Go with the newest state (End)" }, "Newest"),
    };
    this.node.replaceChildren(
      element("div", { class: "detail-head" },
        element("div", { class: "detail-title" },
          element("h2", { id: "detail-title", tabindex: "-1" }, pod.name),
          element("button", { type: "button", class: "close", "aria-label": "Close the details", title: "Close (Esc)", onclick: () => this.on.close() }, "×")),
        this.parts.where,
        element("div", { class: "steps", role: "group", "aria-label": "States" }, button("◀", "The state before (←)", -1), slider, button("▶", "The state after (→)", 1), this.parts.live),
        this.parts.moment),
      this.parts.body);
  }

  head(pod, n) {
    const { where, moment, slider, live } = this.parts;
    const step = pod.steps[n] ?? pod.steps[0];
    where.textContent = harmless([pod.namespace, step?.spec.nodeName ? `on ${step.spec.nodeName}` : "", step?.metadata.uid ?? ""].filter(Boolean).join(" · "));
    slider.max = Math.max(0, pod.steps.length - 1);
    slider.value = Math.max(0, n);
    const text = n < 0 ? "before the first state" : `State ${n + 1} of ${pod.steps.length}`;
    slider.setAttribute("aria-valuetext", text);
    live.setAttribute("aria-pressed", this.view.live);
    moment.replaceChildren();
    if (n < 0) { moment.textContent = text; return; }
    const from = n > 0 ? ` · ${length(step.time - pod.steps[n - 1].time)} after the one before` : "";
    moment.append(element("strong", {}, text), element("span", { class: `tag ${step.type.toLowerCase()}` }, step.existing ? "WAS THERE" : step.type),
      element("span", {}, `${clock(step.time, true)} · ${since(this.store, step.time)}${from}`));
  }

  section(title, ...children) {
    return element("section", {}, element("h3", {}, title), ...children);
  }

  // explanation asks the server why it stands so, once a state, and fills itself in when that is known.
  explanation(pod, n) {
    if (!this.view.explains) return element("div", { hidden: true });
    const box = element("section", { class: "explanation", "aria-label": "Explanation", "aria-busy": "true" }, element("h3", {}, "Why"), element("p", { class: "quiet" }, "…"));
    const until = pod.steps[n + 1]?.time ?? Infinity;
    const said = pod.said.filter((s) => s.time < until);
    const key = `${pod.key}|${n}|${said.length}`;
    let asked = this.explained.get(key);
    if (!asked) {
      const lines = [...pod.steps.slice(0, n + 1), ...said].sort((a, b) => a.time - b.time).map((e) => e.text).join("\n");
      asked = fetch("explain", { method: "POST", headers: { "Content-Type": "application/x-ndjson" }, body: lines })
        .then(async (r) => (r.ok ? r.json() : { failed: await r.text() }))
        .catch((e) => ({ failed: e.message }));
      if (this.explained.size > 200) this.explained.clear();
      this.explained.set(key, asked);
    }
    asked.then((x) => {
      box.removeAttribute("aria-busy");
      box.replaceChildren(element("h3", {}, "Why"), ...this.explain(x));
    });
    return box;
  }

  explain(x) {
    if (x.failed) return [element("p", { class: "quiet" }, `It cannot be explained: ${x.failed}`)];
    const out = [element("p", { class: `verdict ${x.health ?? ""}` }, x.verdict)];
    const list = (title, items, each, tag = "ul") => {
      if (items?.length) out.push(element("h4", {}, title), element(tag, {}, ...items.map((i) => element("li", {}, ...each(i)))));
    };
    list("Cause", x.chain?.length > 1 ? x.chain : [], (l) => [l.text], "ol");
    list("Evidence", x.evidence, (e) => [element("span", { class: "from" }, [e.from, e.where].filter(Boolean).join(" ")), " ", e.text]);
    list("Next", x.next, (e) => [e.at ? element("b", {}, `${clock(Date.parse(e.at))} `) : "", e.text, e.computed ? element("span", { class: "quiet" }, " (computed)") : ""]);
    list("What to do", x.fix, (f) => [f.text ?? "", f.command ? element("code", { class: "block" }, f.command) : "", f.diff ? element("pre", {}, f.diff) : ""]);
    list("Also", x.also, (t) => [t]);
    if (x.unseen?.length) out.push(element("p", { class: "quiet" }, `Not looked at: ${x.unseen.map((g) => (g.why ? `${g.what} (${g.why})` : g.what)).join(", ")}.`));
    return out;
  }

  changed(pod, n) {
    const step = pod.steps[n];
    const list = changes(pod.steps[n - 1], step);
    const writers = step.writers.map((w) => {
      const who = w.manager || "whoever asked for it";
      return element("li", {}, element("b", {}, who), ` ${w.subresource ? `${w.subresource}, ` : ""}${(w.operation ?? "").toLowerCase()}${w.inferred ? " (inferred)" : ""}`,
        step.writers.length > 1 ? element("span", { class: "quiet" }, `: ${(w.changed ?? []).join(", ")}`) : "");
    });
    const shown = (v) => (typeof v === "string" ? v : JSON.stringify(v));
    const rows = list.map((c) => {
      const kind = c.was === undefined ? "new" : c.is === undefined ? "old" : "both";
      return element("div", { class: `change ${kind}` }, element("span", { class: "path" }, c.path),
        element("span", { class: "values" },
          c.was === undefined ? "" : element("del", {}, shown(c.was)),
          c.is === undefined ? element("span", { class: "quiet" }, "removed") : element("ins", {}, shown(c.is))));
    });
    const lines = summary(pod.steps[n - 1], step).map((c) => element("li", {},
      element("span", { class: "what" }, c.of),
      element("span", {}, c.was === undefined ? "" : element("span", { class: "quiet" }, `${c.was} → `), element("b", { class: `value ${c.kind}` }, c.is ?? "none"),
        c.more ? element("span", { class: "message more" }, c.more) : "")));
    return this.section(n === 0 ? "First state" : "What changed",
      lines.length ? element("ul", { class: "summary" }, ...lines) : element("p", { class: "quiet" }, rows.length ? "Only what is listed below." : "Nothing that a pod shows."),
      writers.length ? element("ul", { class: "writers", "aria-label": "By" }, ...writers) : "",
      rows.length ? element("details", { id: "fields" }, element("summary", {}, `Every field (${rows.length})`), element("div", { class: "changes" }, ...rows)) : "");
  }

  containers(step) {
    const all = allContainers(step.status);
    if (!all.length) return element("div", { hidden: true });
    return this.section("Containers", ...all.map((c) => {
      const state = containerState(c);
      const s = c.state ?? {};
      const message = s.waiting?.message ?? s.terminated?.message ?? "";
      const before = c.lastState?.terminated;
      return element("div", { class: "container-card" },
        element("div", { class: "line" }, element("i", { class: `sw ${state.kind}` }), element("b", {}, c.name), c.part ? element("span", { class: "tag" }, c.part) : "",
          element("span", { class: `state ${state.kind}` }, state.label),
          element("span", { class: "quiet" }, c.ready ? "ready" : "not ready", c.restartCount ? ` · ${c.restartCount} restart${c.restartCount > 1 ? "s" : ""}` : "")),
        message ? element("p", { class: "message" }, message.trim()) : "",
        before ? element("p", { class: "quiet" }, `before: ${before.reason ?? "ended"}, exit code ${before.exitCode}${before.signal ? `, signal ${before.signal}` : ""}`) : "",
        element("p", { class: "image" }, c.image ?? ""));
    }));
  }

  conditions(step) {
    const all = step.status.conditions ?? [];
    if (!all.length) return element("div", { hidden: true });
    return this.section("Conditions", element("table", {},
      element("thead", { class: "unseen" }, element("tr", {}, ...["Condition", "Status", "Reason and message"].map((t) => element("th", { scope: "col" }, t)))),
      element("tbody", {}, ...all.map((c) => element("tr", {}, element("th", { scope: "row" }, c.type),
        element("td", { class: c.status === "True" ? "yes" : "no" }, c.status), element("td", {}, [c.reason, c.message].filter(Boolean).join(": ")))))));
  }

  events(pod, n) {
    const until = pod.steps[n + 1]?.time ?? Infinity;
    const said = pod.said.filter((s) => s.time < until).slice(-30).reverse();
    if (!said.length) return element("div", { hidden: true });
    const from = pod.steps[n].time;
    return this.section("Events until then", element("ul", { class: "said" }, ...said.map((s) => {
      const times = s.said.series?.count ?? s.said.count ?? 1;
      return element("li", { class: `${s.said.type === "Warning" ? "warning" : "normal"}${s.time >= from ? " now" : ""}` },
        element("span", { class: "at" }, clock(s.time)), element("b", {}, s.said.reason), times > 1 ? element("span", { class: "quiet" }, ` ×${times}`) : "", element("span", { class: "message" }, s.said.message ?? ""));
    })));
  }

  status(step) {
    return element("details", { id: "raw" }, element("summary", {}, "Status as JSON"), element("pre", { tabindex: "0" }, JSON.stringify(step.status, null, 2)));
  }
}
