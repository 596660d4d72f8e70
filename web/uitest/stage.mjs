// What the tests stand on: podling's processes, a browser, and pages whose errors count.

import { spawn, execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const here = dirname(fileURLToPath(import.meta.url));
const podling = process.env.PODLING_BIN ?? join(here, "../../bin/podling");
// A folder for pictures of the page, in place of the test's own, which goes.
const pictures = process.env.SCREENSHOTS;

export class Stage {
  static async open() {
    const s = new Stage();
    s.folder = await mkdtemp(join(tmpdir(), "podling-ui-"));
    s.processes = [];
    if (pictures) await mkdir(pictures, { recursive: true });
    // Root's Chromium has no sandbox; what it shows here is the page alone.
    s.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
    return s;
  }

  async close() {
    await this.browser?.close();
    await Promise.all(this.processes.map((p) => p.end()));
    await rm(this.folder, { recursive: true, force: true });
  }

  // start starts podling and waits for the address of its page.
  start(...args) {
    const child = spawn(podling, args, { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const end = async () => { child.kill("SIGTERM"); await ended; };
    this.processes.push({ end });
    return new Promise((resolve, reject) => {
      let out = "", err = "";
      child.stderr.on("data", (d) => { err += d; });
      child.stdout.on("data", (d) => {
        out += d;
        const url = /^http:\S+$/m.exec(out)?.[0];
        if (url) resolve({ url, end, kubeconfig: /kubeconfig=(\S+)/.exec(out)?.[1] });
      });
      ended.then((code) => reject(new Error(`podling ${args.join(" ")} ended with ${code}: ${err}`)));
    });
  }

  kubectl(kubeconfig, ...args) {
    return promisify(execFile)(podling, ["kubectl", ...args, "--kubeconfig", kubeconfig]);
  }

  async file(name, text) {
    const path = join(this.folder, name);
    await writeFile(path, text);
    return path;
  }

  // page opens the address. Whatever the browser complains of is kept in its errors: the policy's
  // refusals among it.
  async page(url, options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 760 }, timezoneId: "UTC", ...options });
    const page = await context.newPage();
    page.errors = [];
    page.on("console", (m) => { if (m.type() === "error") page.errors.push(m.text()); });
    page.on("pageerror", (e) => page.errors.push(e.message));
    if (options.before) await options.before(page);
    await page.goto(url);
    return page;
  }

  async picture(page, name) {
    if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
  }
}

const at = (ms) => new Date(Date.UTC(2026, 0, 2, 3, 4, 5) + ms).toISOString();
const condition = (type, status, more = {}) => ({ type, status, lastTransitionTime: at(0), ...more });

// step is a line of a recording.
export function step(ms, event, name, status, more = {}) {
  return JSON.stringify({ time: at(ms), event, namespace: more.namespace ?? "default", name, status,
    metadata: { uid: name, creationTimestamp: at(0), ...more.metadata }, spec: { nodeName: more.node ?? "node-1", containers: [] }, writers: more.writers });
}

export const head = JSON.stringify({ time: at(0), event: "RECORDING", namespace: "", name: "", status: null, version: 1, by: "podling", events: true });

// crowd is a recording of so many pods, some of which do not run.
export function crowd(count) {
  const lines = [head];
  const container = (state, restartCount = 0) => [{ name: "main", image: "example/app:1", imageID: "", ready: !!state.running, restartCount, state }];
  for (let i = 0; i < count; i++) {
    const name = `app-${String(i).padStart(4, "0")}`, t = i * 20, node = `node-${i % 10}`;
    const more = { namespace: `team-${i % 7}`, node };
    lines.push(step(t, "ADDED", name, { phase: "Pending", qosClass: "BestEffort" }, more));
    lines.push(step(t + 40, "MODIFIED", name, { phase: "Pending", conditions: [condition("PodScheduled", "True")] }, more));
    lines.push(step(t + 300 + (i % 50) * 40, "MODIFIED", name, { phase: "Pending", conditions: [condition("PodScheduled", "True"), condition("Ready", "False", { reason: "ContainersNotReady" })], containerStatuses: container({ waiting: { reason: "ContainerCreating" } }) }, more));
    const ready = ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"].map((c) => condition(c, "True"));
    lines.push(step(t + 1500 + (i % 90) * 60, "MODIFIED", name, { phase: "Running", conditions: ready, containerStatuses: container({ running: { startedAt: at(t) } }) }, more));
    if (i % 9 === 4) {
      for (let n = 0; n < 6; n++) {
        lines.push(step(t + 8000 + n * 900, "MODIFIED", name, { phase: "Running", containerStatuses: container({ waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } }, n) }, more));
        lines.push(step(t + 8500 + n * 900, "MODIFIED", name, { phase: "Running", conditions: ready, containerStatuses: container(n === 5 ? { waiting: { reason: "CrashLoopBackOff" } } : { running: { startedAt: at(t) } }, n + 1) }, more));
      }
    }
    if (i % 40 === 7) lines.push(step(t + 9000, "MODIFIED", name, { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." }, more));
    if (i % 25 === 3 && i % 9 !== 4) lines.push(step(t + 12000, "DELETED", name, { phase: "Succeeded" }, more));
  }
  const timed = lines.slice(1).map((l) => [Date.parse(JSON.parse(l).time), l]).sort((a, b) => a[0] - b[0]);
  return `${[head, ...timed.map((l) => l[1])].join("\n")}\n`;
}
