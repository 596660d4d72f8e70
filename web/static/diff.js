// What is different between two states.

import { allContainers, condition, containerState } from "./model.js";

const names = ["type", "name", "ip", "mountPath", "manager", "key"];

// keyed gives a list's members names of their own where they have one, so that one that moved or came
// is told from one that changed.
function keyed(list) {
  for (const k of names) {
    const keys = list.map((e) => (e !== null && typeof e === "object" && !Array.isArray(e) ? e[k] : undefined));
    if (list.length && keys.every((v) => v !== undefined) && new Set(keys).size === list.length) return new Map(list.map((e, i) => [`[${keys[i]}]`, e]));
  }
  return new Map(list.map((e, i) => [`[${i}]`, e]));
}

function members(v) {
  if (Array.isArray(v)) return keyed(v);
  if (v !== null && typeof v === "object") return new Map(Object.entries(v));
  return undefined;
}

const join = (path, key) => (key.startsWith("[") ? path + key : path ? `${path}.${key}` : key);

// diff lists what differs, as {path, was, is}; undefined stands for what is not there.
export function diff(was, is, path = "") {
  const a = members(was), b = members(is);
  if (!a && !b) return was === is ? [] : [{ path, was, is }];
  if ((was !== undefined && !a) || (is !== undefined && !b)) return [{ path, was, is }];
  const out = [];
  for (const key of new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])])) out.push(...diff(a?.get(key), b?.get(key), join(path, key)));
  return out;
}

const dull = /^(metadata\.(resourceVersion|managedFields)|.*\.(lastProbeTime)$)/;

// changes are the differences between a state and the one before, without what goes with every write.
export function changes(before, step) {
  const part = (s) => (s ? { status: s.status, metadata: s.metadata, spec: s.spec } : { status: {}, metadata: {}, spec: {} });
  const a = part(before), b = part(step);
  const list = before ? diff(a, b) : diff(a.status, b.status, "status");
  return list.filter((c) => !dull.test(c.path) && !(c.was === undefined && c.is === null) && !(c.was === null && c.is === undefined));
}

// summary is the same in a few lines, for people: {of, was, is, more, kind}.
export function summary(before, step) {
  if (step.type === "DELETED") return [{ of: "pod", is: "deleted", kind: "gone" }];
  const a = before?.status ?? {}, b = step.status;
  const out = [];
  const add = (of, was, is, kind, more) => { if (was !== is) out.push({ of, was, is, kind, more }); };
  add("phase", a.phase, b.phase, (b.phase ?? "unknown").toLowerCase());
  add("reason", a.reason, b.reason, "failed", b.message);
  add("deletion", before?.metadata.deletionTimestamp, step.metadata.deletionTimestamp, "deleting", before ? "" : undefined);
  add("node", before?.spec.nodeName, step.spec.nodeName, "");
  for (const c of allContainers(b)) {
    const old = allContainers(a).find((o) => o.name === c.name && o.part === c.part);
    const was = old ? containerState(old) : undefined, is = containerState(c);
    const state = c.state ?? {};
    add(c.name, was?.label, is.label, is.kind, (state.waiting?.message ?? state.terminated?.message ?? "").trim());
    if (old) add(`${c.name} restarts`, String(old.restartCount ?? 0), String(c.restartCount ?? 0), "");
    if (old) add(`${c.name} ready`, String(!!old.ready), String(!!c.ready), c.ready ? "yes" : "no");
  }
  for (const c of b.conditions ?? []) {
    const old = condition(a, c.type);
    const told = (x) => [x?.reason, x?.message].filter(Boolean).join(": ");
    if (old?.status !== c.status || told(old) !== told(c)) out.push({ of: c.type, was: old?.status === c.status ? undefined : old?.status, is: c.status, kind: c.status === "True" ? "yes" : "no", more: told(c) });
  }
  add("pod IP", a.podIP, b.podIP, "");
  return out;
}
