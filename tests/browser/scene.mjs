// What the tests of the page share: a folder with a gridwatch in it, a Slack that it reads, and a browser that notes what must not happen.
//
// Nothing waits for a time, but for what is to be seen: a machine that builds beside this takes as long as it takes.

import { spawn, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";

export const { GRIDWATCH, MODULES, TEST_MODULES, CHROMIUM, PICTURES } = process.env;
export const TOKEN = "0123456789abcdef0123456789abcdef";
/// Who looks without logging in.
export const BEARER = { Authorization: `Bearer ${TOKEN}` };
/// How long something is waited for that has to come: far longer than it takes anywhere.
const PATIENCE_MS = 600_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// What must never happen, as it happened.
export const wrong = [];

const root = mkdtempSync(join(tmpdir(), "gridwatch-page-"));
// Compiled once for all of them.
mkdirSync(join(root, "compiled"), { mode: 0o700 });
const children = [];
/// Who ended without being told to: nobody waits for them.
const left = [];

export const started = (args, options = {}) => {
  const child = spawn(GRIDWATCH, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (child.said += data));
  child.over = new Promise((resolve) => child.on("exit", (code, signal) => {
    if (!child.isTold) left.push(`${args.join(" ")} ended with ${code ?? signal}: ${child.said.split("\n").slice(-9).join("\n")}`);
    resolve();
  }));
  children.push(child);
  return child;
};
export const ended = async (child, signal = "SIGTERM") => {
  child.isTold = true;
  child.kill(signal);
  await child.over;
};
/// Ends whatever still runs, and takes all folders away.
export const cleared = async () => {
  // Who was stopped can't end.
  for (const child of children) {
    child.isTold = true;
    for (const signal of ["SIGCONT", "SIGKILL"]) child.kill(signal);
  }
  await Promise.all(children.map((child) => child.over));
  rmSync(root, { recursive: true, force: true });
};
/// The last words of all of them.
export const lastWords = () => children.filter((child) => child.said).map((child) => child.said.split("\n").slice(-6).join("\n"));

export const until = async (what, happened) => {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const found = await happened();
    if (found) return found;
    if (left.length) throw new Error(`waited in vain: ${what}: ${left.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain: ${what}`);
};
/// A port that nobody has, below those that the system gives to connections: one of them could take it before it is listened on.
const given = new Set();
export const freePort = async () => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const isFree = new Promise((resolve) => {
      const server = createServer().on("error", () => resolve(false)).listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (!given.has(port) && (await isFree)) {
      given.add(port);
      return port;
    }
  }
};

/// A simulated Slack with some days of an organization.
export const slack = async (port, { seed = 1, users = 60, days = 4 } = {}) => {
  const sim = started(["sim", "--addr", `127.0.0.1:${port}`, "--seed", `${seed}`, "--users", `${users}`, "--days", `${days}`, "--rate", "0"]);
  await until("Slack", () => /serving/.test(sim.said));
  return sim;
};

const polled = (port, token) => `base_url = "http://127.0.0.1:${port}"
token_file = "${token}"
`;
const settings = ({ slack, orgs, page, modules, lookups, sinks }) => `state_dir = "state"
[slack]
${slack ? polled(slack, "token") : ""}start = "4d"
requests_per_minute = 6000
settle = "5s"
interval = "1s"
${Object.entries(orgs ?? {}).map(([org, port]) => `[org.${org}.slack]\n${polled(port, `token-${org}`)}`).join("")}[modules]
dir = "modules"
allow_unsigned = true
[modules.grants]
sign-in = ["lookup"]
sessions = ["lookup"]
places = ["lookup"]
channels = ["lookup"]
connect = ["lookup"]
${modules ?? ""}
[lookups]
corporate_egress = ["198.51.100.0/24"]
${lookups ?? ""}
[detect]
exceptions = "exceptions.toml"
[store]
min_free = "16MiB"
[[sink]]
name = "siem"
type = "file"
path = "events.ndjson"
include = ["events"]
[[sink]]
name = "alerts"
type = "file"
path = "alerts.ndjson"
include = ["alerts"]
${sinks ?? ""}
[web]
listen = "127.0.0.1:${page}"
[[web.user]]
name = "night-shift"
token_file = "web-token"
act = ["*"]
`;

/// A folder with a configuration, modules and secrets; nothing runs in it yet.
export class Scene {
  constructor(name, setup) {
    this.dir = join(root, name);
    this.setup = setup;
    this.base = `http://127.0.0.1:${setup.page}`;
    mkdirSync(join(this.dir, "modules"), { recursive: true });
    mkdirSync(join(this.dir, "state"));
    symlinkSync(join(root, "compiled"), join(this.dir, "state/compiled"));
    for (const file of readdirSync(MODULES).filter((file) => file.endsWith(".wasm"))) cpSync(join(MODULES, file), this.path("modules", file));
    for (const token of ["token", ...Object.keys(setup.orgs ?? {}).map((org) => `token-${org}`)]) this.secret(token, "xoxp-test");
    this.secret("web-token", TOKEN);
    writeFileSync(this.path("exceptions.toml"), "");
    writeFileSync(this.path("gridwatch.toml"), settings(setup));
  }

  path(...parts) {
    return join(this.dir, ...parts);
  }

  secret(name, text) {
    writeFileSync(this.path(name), text, { mode: 0o600 });
  }

  /// What a command prints that ends well.
  said(...args) {
    return execFileSync(GRIDWATCH, [...args, "--config", this.path("gridwatch.toml")], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  }

  /// What it prints, or nothing while nobody runs.
  quietly(...args) {
    try {
      return this.said(...args);
    } catch (error) {
      return error.stdout ?? "";
    }
  }

  status() {
    return JSON.parse(this.quietly("status", "--json") || "{}");
  }

  alerts() {
    return JSON.parse(`[${this.said("alerts", "list", "--json", "--limit", "0").trim().split("\n").filter(Boolean).join(",")}]`);
  }

  /// `gridwatch run`, or `gridwatch web serve`.
  start(...args) {
    return started([...args, "--config", this.path("gridwatch.toml")], { cwd: this.dir });
  }

  /// The page, until what it says at this address is like this.
  async says(path, what) {
    await until(`${path} says ${what}`, async () => what.test(await fetch(this.base + path, { headers: BEARER }).then((answer) => answer.text()).catch(() => "")));
  }

  /// Runs until all of the log has been read, and something High was found in it.
  async read() {
    const running = this.start("run");
    await until("everything is read", () => {
      const { phase, poll, orgs } = this.status();
      const polls = orgs ? Object.values(orgs).map((org) => org.poll) : [poll ?? {}];
      const isRead = phase === "running" && polls.every((poll) => poll.last_success && !poll.catching_up);
      return isRead && this.quietly("alerts", "list", "--severity", "high").includes("HIGH");
    });
    return running;
  }
}

/// A browser that notes what must not happen.
export const watched = async (browser, base, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  context.on("request", (request) => {
    if (!request.url().startsWith(`${base}/`)) wrong.push(`asked outside: ${request.url()}`);
  });
  context.on("response", (response) => {
    if (response.status() >= 500 && !options.mayFail) wrong.push(`${response.status()}: ${response.url()}`);
  });
  context.on("page", (page) => {
    page.on("pageerror", (error) => wrong.push(`page error: ${error}`));
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) wrong.push(`policy: ${message.text()}`);
    });
  });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return context;
};

/// What is wrong with a page as it is shown: wider than the screen, or anything that axe says. Under the real policy axe can't be put into a page,
/// so this wants a browser without it (`bypassCSP`).
export const inspected = async (page, name) => {
  const { width } = page.viewportSize();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) wrong.push(`${name} is ${wide} pixels wide at ${width}`);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, nodes } of violations) wrong.push(`axe, ${name} at ${width}: ${id} ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
};
