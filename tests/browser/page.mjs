// The page in Debian's Chromium: ten journeys by keyboard alone, and what must never happen on the way. `cargo xtask test --web` runs it.
//
// It starts a simulated Slack, a gridwatch that reads it and serves its page, and a browser; it leaves pictures of each view behind.
// Nothing here waits for a time, but for what is to be seen.

import { spawn, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { GRIDWATCH, MODULES, CHROMIUM, PICTURES } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TOKEN = "0123456789abcdef0123456789abcdef";
const VIEWS = {
  now: "/", alerts: "/alerts?since=all", ingestion: "/ingestion", modules: "/modules", detections: "/detections",
  exceptions: "/exceptions", coverage: "/coverage", sinks: "/sinks",
};
const dir = mkdtempSync(join(tmpdir(), "gridwatch-page-"));
const config = join(dir, "gridwatch.toml");
const children = [];
const wrong = [];

const started = (args, options = {}) => {
  const child = spawn(GRIDWATCH, args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"], ...options });
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (child.said += data));
  child.over = new Promise((resolve) => child.on("exit", resolve));
  children.push(child);
  return child;
};
const gridwatch = (...args) => execFileSync(GRIDWATCH, [...args, "--config", config], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
// What it says, or nothing while nobody runs.
const quietly = (...args) => {
  try {
    return gridwatch(...args);
  } catch (error) {
    return error.stdout ?? "";
  }
};
const until = async (what, happened) => {
  for (let n = 0; n < 3000; n++) {
    const found = await happened();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain: ${what}`);
};
const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const secret = (name, text) => writeFileSync(join(dir, name), text, { mode: 0o600 });

// The same module under the next version: there is something to go back from.
const another = (name) => {
  const file = readdirSync(join(dir, "modules")).find((file) => file.startsWith(`${name}-`) && file.endsWith(".wasm"));
  const version = file.slice(name.length + 1, -".wasm".length);
  const next = version.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
  const bytes = readFileSync(join(dir, "modules", file));
  const at = bytes.indexOf(`version = "${version}"`);
  assert.ok(at > 0, "the manifest's version");
  bytes.write(`version = "${next}"`, at);
  writeFileSync(join(dir, "modules", `${name}-${next}.wasm`), bytes);
  return next;
};

const settings = (slack, page) => `state_dir = "state"
[slack]
base_url = "http://127.0.0.1:${slack}"
token_file = "token"
start = "4d"
requests_per_minute = 6000
settle = "5s"
interval = "1s"
[modules]
dir = "modules"
allow_unsigned = true
[modules.grants]
sign-in = ["lookup"]
sessions = ["lookup"]
places = ["lookup"]
channels = ["lookup"]
connect = ["lookup"]
[lookups]
corporate_egress = ["198.51.100.0/24"]
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
[web]
listen = "127.0.0.1:${page}"
[[web.user]]
name = "night-shift"
token_file = "web-token"
act = ["*"]
`;

/// A browser that notes what must not happen.
const watched = async (browser, origin, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  // A machine that builds beside this takes its time.
  context.setDefaultTimeout(120_000);
  context.on("request", (request) => {
    if (!request.url().startsWith(origin)) wrong.push(`asked outside: ${request.url()}`);
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

const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  const label = element.labels?.[0]?.textContent ?? "";
  return (element.getAttribute("aria-label") ?? (label || element.textContent)).trim().replace(/\s+/g, " ");
});
// With the keyboard alone: on to what is called so.
const tabTo = async (page, name, most = 400) => {
  const is = (text) => (name instanceof RegExp ? name.test(text) : text === name);
  for (let n = 0; n < most; n++) {
    await page.keyboard.press("Tab");
    if (is(await focused(page))) return;
  }
  throw new Error(`${page.url()}: the keyboard doesn't get to ${name}`);
};
const follow = async (page, name) => {
  await tabTo(page, name);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
};
const heading = (page) => page.locator("h1").first().innerText();

const journeys = {
  "log in with a token": async (page, base) => {
    await page.goto(`${base}/alerts`);
    assert.equal(await focused(page), "Token", "the field has the focus");
    await page.keyboard.type(TOKEN);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.equal(new URL(page.url()).pathname, "/alerts", "and leads to what was asked for");
  },
  "what is open, and why did it fire": async (page, base) => {
    await page.goto(base);
    assert.match(await heading(page), /well|somebody/);
    await tabTo(page, /^To the content$/);
    await page.keyboard.press("Enter");
    const first = await page.locator("a.title").first().innerText();
    await follow(page, first.trim());
    assert.equal(await heading(page), first.trim());
    await follow(page, "Why it was made");
    assert.match(await page.locator("main").innerText(), /What the rule detects/);
    await follow(page, "All of it");
    assert.match(await page.locator("pre.json").innerText(), /"dedup_key"/);
  },
  "only what is High": async (page, base) => {
    await page.goto(`${base}/alerts?since=all`);
    await tabTo(page, "at least");
    await page.keyboard.type("High");
    await follow(page, "Show");
    assert.match(page.url(), /severity=high/);
    const words = await page.locator("table.alerts .severity").allInnerTexts();
    assert.ok(words.length > 0 && words.every((word) => /High|Critical/.test(word)), words.join());
  },
  "the calls to copy": async (page, base) => {
    await page.goto(`${base}/alerts?severity=high&since=all`);
    const first = (await page.locator("td.what a").first().innerText()).trim();
    await follow(page, first);
    await tabTo(page, "Show the calls to copy");
    await page.keyboard.press("Enter");
    await page.locator("ol.plan").waitFor();
    assert.match(await page.locator("#plan").innerText(), /gridwatch respond/);
  },
  "acknowledge it, and close it as expected": async (page, base) => {
    await page.goto(`${base}/alerts?severity=high&since=all`);
    await follow(page, (await page.locator("td.what a").first().innerText()).trim());
    await tabTo(page, "What there is to say");
    await page.keyboard.type("looking at it");
    await follow(page, "Acknowledge");
    assert.match(await page.locator("main").innerText(), /acknowledged by night-shift: looking at it/);
    await tabTo(page, "It turned out to be");
    await page.keyboard.type("expected");
    await follow(page, "Close");
    assert.match(await heading(page), /./);
    assert.match(await page.locator("main").innerText(), /closed as expected by night-shift/);
  },
  "who is it": async (page, base) => {
    await page.goto(`${base}/alerts?since=all`);
    const name = (await page.locator("td[data-label=who] a").first().innerText()).trim();
    await follow(page, name);
    assert.match(page.url(), /\/actor\?who=/);
    assert.ok((await page.locator("table.alerts tbody tr").count()) > 0);
  },
  "from an alert to a committed exception": async (page, base) => {
    await page.goto(`${base}/alerts?since=all`);
    for (const address of await page.locator("td.what a").evaluateAll((links) => links.map((link) => link.href))) {
      await page.goto(address);
      if (await page.locator("pre.toml").count()) break;
    }
    const entry = await page.locator("pre.toml").innerText();
    const filled = entry.replace(/^(reason|owner|ticket) = .*$/gm, (_, key) => `${key} = "as agreed"`);
    writeFileSync(join(dir, "exceptions.toml"), `${filled}\n`);
    if (existsSync(join(dir, ".git"))) {
      execFileSync("git", ["-C", dir, "add", "exceptions.toml"]);
      execFileSync("git", ["-C", dir, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "Silence what is wanted"]);
    }
    await follow(page, "Exceptions");
    await until("the exception holds", async () => {
      await page.reload();
      return (await page.locator("table.exceptions").count()) && /holds/.test(await page.locator("table.exceptions").innerText());
    });
  },
  "a module is rolled back": async (page, base) => {
    await follow(page, "Modules");
    await tabTo(page, "Roll back files");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.match(await page.locator(".outcome").innerText(), /^files@\S+ serves from event/);
  },
  "what is covered, and what was found of it": async (page, base) => {
    await follow(page, "Coverage");
    assert.ok((await page.locator(".matrix li").count()) > 40);
    await tabTo(page, /^T1\d{3}/);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.match(page.url(), /\/alerts\?rule=/);
  },
  "is everything read, and does everybody have it": async (page, base) => {
    await follow(page, "Ingestion");
    assert.equal(await page.locator("svg.ticks").count(), 2);
    await follow(page, "Sinks");
    assert.match(await page.locator("main").innerText(), /has all/);
    await follow(page, "Detections");
    await tabTo(page, /^[A-Z].* /);
  },
  "log out": async (page, base) => {
    await page.goto(base);
    await follow(page, "Log out");
    await page.goto(base);
    assert.equal(new URL(page.url()).pathname, "/login");
  },
};

// Every view at two widths, light and dark: nothing wider than the screen, and nothing that axe would say of it. Under the real policy axe
// can't be put into a page, so this is a browser without it.
const looked = async (browser, base) => {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const alerts = JSON.parse(`[${gridwatch("alerts", "list", "--json", "--limit", "0").trim().split("\n").join(",")}]`);
  const grave = ["critical", "high", "medium"].map((severity) => alerts.findLast((alert) => alert.severity === severity)).find(Boolean);
  const views = { ...VIEWS, alert: `/alerts/${grave.uid}`, why: `/alerts/${grave.uid}?depth=why`, plan: `/alerts/${grave.uid}/plan`, actor: `/actor?who=${grave.actor.id}` };
  for (const [width, scheme] of [[1440, "light"], [1440, "dark"], [360, "light"]]) {
    const context = await watched(browser, base, { bypassCSP: true, viewport: { width, height: 900 }, colorScheme: scheme, extraHTTPHeaders: headers });
    const page = await context.newPage();
    for (const [name, path] of Object.entries(views)) {
      await page.goto(base + path);
      await page.screenshot({ path: join(PICTURES, `${name}-${width}-${scheme}.png`), fullPage: name !== "alerts" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) wrong.push(`${name} is ${wide} pixels wide at ${width}`);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, nodes } of violations) wrong.push(`axe, ${name} at ${width} ${scheme}: ${id} ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
    }
    await page.emulateMedia({ media: "print" });
    await page.goto(base + views.alert);
    assert.ok((await page.pdf()).length > 1000, "it can be printed");
    await context.close();
  }
};

const withoutScript = async (browser, base) => {
  const context = await watched(browser, base, { javaScriptEnabled: false, extraHTTPHeaders: { Authorization: `Bearer ${TOKEN}` } });
  const page = await context.newPage();
  for (const [path, said] of [["/", /Open, of the last 7 days/], ["/alerts?since=all", /Loudest rules/], ["/ingestion", /Which time was read/]]) {
    await page.goto(base + path);
    assert.match(await page.locator("main").innerText(), said, `${path} without script`);
  }
  await page.goto(`${base}/alerts?since=all`);
  await page.locator("td.what a").first().click();
  await page.getByText("Show the calls to copy").click();
  assert.match(await page.locator("main").innerText(), /gridwatch respond/);
  await context.close();
};

const main = async () => {
  const [slack, port] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${port}`;
  mkdirSync(PICTURES, { recursive: true });
  mkdirSync(join(dir, "modules"));
  for (const file of readdirSync(MODULES).filter((file) => file.endsWith(".wasm"))) cpSync(join(MODULES, file), join(dir, "modules", file));
  secret("token", "xoxp-test");
  secret("web-token", TOKEN);
  writeFileSync(join(dir, "exceptions.toml"), "");
  try { execFileSync("git", ["init", "-q", dir]); } catch { /* then nothing is committed */ }
  writeFileSync(config, settings(slack, port));
  const sim = started(["sim", "--addr", `127.0.0.1:${slack}`, "--users", "60", "--days", "4", "--rate", "0"]);
  await until("Slack", () => /serving/.test(sim.said));
  const running = started(["run", "--config", config]);
  const asked = (path) => fetch(base + path, { headers: { Authorization: `Bearer ${TOKEN}` } }).then((answer) => answer.text()).catch(() => "");
  await until("everything is read", () => {
    const { phase, poll = {} } = JSON.parse(quietly("status", "--json") || "{}");
    return phase === "running" && poll.last_success && !poll.catching_up && quietly("alerts", "list", "--severity", "high").includes("HIGH");
  });
  const next = another("files");
  await until("another version serves", () => quietly("module", "serving").includes(`files@${next} `));

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  try {
    const context = await watched(browser, base);
    const page = await context.newPage();
    for (const [name, journey] of Object.entries(journeys)) {
      await journey(page, base).catch(async (error) => {
        await page.screenshot({ path: join(PICTURES, "failed.png") });
        throw new Error(`${name}: ${error.stack}`);
      });
      console.log(`went: ${name}`);
    }
    await context.close();
    await looked(browser, base);
    await withoutScript(browser, base);
    running.kill("SIGKILL");
    await running.over;
    const alone = started(["web", "serve", "--config", config]);
    await until("the page of nobody", async () => /running since/.test(await asked("/")));
    const last = await (await watched(browser, base, { extraHTTPHeaders: { Authorization: `Bearer ${TOKEN}` } })).newPage();
    await last.goto(base);
    await last.screenshot({ path: join(PICTURES, "now-not-running.png"), fullPage: true });
    alone.kill();
  } finally {
    await browser.close();
  }
  assert.deepEqual(wrong, []);
  console.log(`nothing was wrong; pictures are in ${PICTURES}`);
};

try {
  await main();
} catch (error) {
  console.error(error.message ?? error);
  for (const child of children) if (child.said) console.error(child.said.split("\n").slice(-5).join("\n"));
  process.exitCode = 1;
} finally {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => child.over));
  rmSync(dir, { recursive: true, force: true });
}
