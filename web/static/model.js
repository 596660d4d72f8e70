// What was seen: pods with their states in order, and what Events said about them. It is made from the
// lines of a recording (docs/recording.md).

import { length } from "./text.js";

export const conditions = ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"];

export class Pod {
  constructor(namespace, name) {
    this.namespace = namespace;
    this.name = name;
    this.steps = []; // {time, type, status, metadata, spec, writers, existing}
    this.said = []; // {time, said}
    this.version = 0; // changes whenever something comes
  }

  get last() { return this.steps[this.steps.length - 1]; }
  get gone() { return this.last?.type === "DELETED"; }

  // at is the number of the state that holds at a time, -1 before the first.
  at(time) {
    let low = 0, high = this.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.steps[middle].time <= time) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  get bands() {
    if (this.made !== this.version) {
      this.cache = bands(this);
      this.made = this.version;
    }
    return this.cache;
  }
}

export class Store {
  constructor() { this.clear(); }

  clear() {
    this.pods = new Map();
    this.order = [];
    this.first = Infinity;
    this.last = -Infinity;
    this.problems = [];
    this.lines = 0;
    this.version = 0;
  }

  // take takes a line in and throws what is wrong with it.
  take(text) {
    const line = JSON.parse(text);
    if (line === null || typeof line !== "object" || typeof line.event !== "string") throw new Error("no line of a recording");
    if (line.event === "RECORDING") {
      if (line.version !== 1) throw Object.assign(new Error(`a recording of version ${line.version}; this page reads version 1`), { fatal: true });
      this.lines++;
      return;
    }
    const time = Date.parse(line.time);
    if (Number.isNaN(time)) throw new Error("no time");
    switch (line.event) {
      case "ADDED": case "MODIFIED": case "DELETED": {
        if (!line.name || typeof line.status !== "object" || line.status === null) throw new Error(`an event ${line.event} without the pod's name or status`);
        const pod = this.pod(line.namespace, line.name);
        pod.steps.push({ time, type: line.event, status: line.status, metadata: line.metadata ?? {}, spec: line.spec ?? {}, writers: line.writers ?? [], existing: !!line.existing, text });
        pod.version++;
        break;
      }
      case "EVENT": {
        const about = line.said?.involvedObject;
        if (!about) throw new Error("an event EVENT without what was said");
        const pod = this.pod(line.namespace, line.name);
        pod.said.push({ time: line.existing ? saidAt(line.said, time) : time, said: line.said, text });
        pod.version++;
        if (line.existing) { this.lines++; this.version++; return; }
        break;
      }
      case "ERROR": case "PAST": case "DECISION": break;
      default: throw new Error(`event ${line.event} is not known`);
    }
    this.lines++;
    this.version++;
    this.first = Math.min(this.first, time);
    this.last = Math.max(this.last, time);
  }

  pod(namespace, name) {
    const key = `${namespace}/${name}`;
    let pod = this.pods.get(key);
    if (!pod) {
      pod = new Pod(namespace, name);
      pod.key = key;
      this.pods.set(key, pod);
      this.order.push(pod);
    }
    return pod;
  }

  // read takes a whole file in. Lines that cannot be used are kept in problems; that none can be is an error.
  read(text) {
    this.clear();
    const lines = text.split("\n");
    lines.forEach((line, i) => {
      if (line.trim() === "") return;
      try { this.take(line); } catch (e) {
        if (e.fatal) throw e;
        const cut = i === lines.length - 1 && e instanceof SyntaxError;
        this.problems.push({ line: i + 1, text: cut ? "the line is cut off" : e instanceof SyntaxError ? "no line of a recording" : e.message });
      }
    });
    if (this.lines === 0) throw new Error("This is not a recording: no line of it is an event. podling trace --record FILE makes one.");
  }
}

function saidAt(said, otherwise) {
  for (const t of [said.series?.lastObservedTime, said.lastTimestamp, said.eventTime, said.metadata?.creationTimestamp]) {
    const ms = Date.parse(t ?? "");
    if (!Number.isNaN(ms)) return ms;
  }
  return otherwise;
}

// containerState is what a container does, as {kind, reason, label}.
export function containerState(c) {
  const s = c.state ?? {};
  if (s.running) return { kind: "running", reason: "", label: "running" };
  if (s.terminated) {
    const bad = s.terminated.exitCode !== 0;
    return { kind: bad ? "failed" : "succeeded", reason: s.terminated.reason ?? "", label: `${s.terminated.reason ?? "terminated"} ${s.terminated.exitCode}` };
  }
  const reason = s.waiting?.reason ?? "";
  const usual = ["", "ContainerCreating", "PodInitializing"].includes(reason);
  return { kind: usual ? "pending" : "failed", reason, label: reason || "waiting" };
}

export function allContainers(status) {
  return [
    ...(status.initContainerStatuses ?? []).map((c) => ({ ...c, part: "init" })),
    ...(status.containerStatuses ?? []).map((c) => ({ ...c, part: "" })),
    ...(status.ephemeralContainerStatuses ?? []).map((c) => ({ ...c, part: "ephemeral" })),
  ];
}

export const condition = (status, type) => (status.conditions ?? []).find((c) => c.type === type);

// trouble is why a pod is not well, in a word, "" if it is or may yet be.
export function trouble(pod) {
  const step = pod.last;
  if (!step || pod.gone) return "";
  const s = step.status;
  if (s.phase === "Failed" || s.phase === "Unknown") return s.reason || s.phase;
  for (const c of allContainers(s)) {
    const state = containerState(c);
    if (state.kind === "failed") return state.reason || state.label;
  }
  const scheduled = condition(s, "PodScheduled");
  if (scheduled?.status === "False") return scheduled.reason ?? "Unschedulable";
  if (s.phase === "Running" && condition(s, "Ready")?.status === "False" && !step.metadata.deletionTimestamp) return "not ready";
  return "";
}

// bands are stretches of time in which something is the same: {from, to, kind, label}; to is undefined
// for what still goes on.
function bands(pod) {
  const out = { phase: [], deleting: [], conditions: conditions.map(() => []), containers: [] };
  const byName = new Map();
  const push = (list, time, kind, label) => {
    const open = list[list.length - 1];
    if (open && open.to === undefined) {
      if (open.kind === kind && open.label === label) return;
      open.to = time;
    }
    if (kind) list.push({ from: time, to: undefined, kind, label });
  };
  for (const step of pod.steps) {
    const t = step.time, s = step.status;
    if (step.type === "DELETED") {
      for (const list of [out.phase, out.deleting, ...out.conditions, ...byName.values()]) push(list, t, "", "");
      continue;
    }
    push(out.phase, t, (s.phase ?? "unknown").toLowerCase(), s.phase ?? "");
    push(out.deleting, t, step.metadata.deletionTimestamp ? "deleting" : "", "");
    conditions.forEach((type, i) => {
      const c = condition(s, type);
      push(out.conditions[i], t, c ? (c.status === "True" ? "yes" : "no") : "", "");
    });
    const there = allContainers(s);
    for (const [name, list] of byName) if (!there.some((c) => c.name === name)) push(list, t, "", "");
    for (const c of there) {
      let list = byName.get(c.name);
      if (!list) {
        list = [];
        byName.set(c.name, list);
        out.containers.push({ name: c.name, bands: list });
      }
      const state = containerState(c);
      push(list, t, state.kind, state.label);
    }
  }
  return out;
}

// describe is a pod in one sentence, for those who hear it.
export function describe(pod) {
  const s = pod.last?.status;
  if (!s) return `${pod.key}, not seen`;
  const restarts = allContainers(s).reduce((n, c) => n + (c.restartCount ?? 0), 0);
  const why = trouble(pod);
  return [pod.key, pod.gone ? "deleted" : s.phase, why, restarts ? `${restarts} restarts` : "", `${pod.steps.length} states`]
    .filter(Boolean).join(", ");
}

export const since = (store, time) => (time < store.first ? "" : "+") + length(time - store.first);
