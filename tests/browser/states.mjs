// Each view in each state that it can be in: gridwatch has never run, has just been started, fails at whatever can fail, is stuck, has died, watches
// several organizations; and the page itself has gone, or refuses. A picture of each is left behind, and it says in words what is the matter.

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import assert from "node:assert/strict";
import { BEARER, PICTURES, Scene, TEST_MODULES, ended, freePort, inspected, slack, until, watched } from "./scene.mjs";

export const VIEWS = {
  now: "/", alerts: "/alerts?since=all", ingestion: "/ingestion", modules: "/modules", detections: "/detections",
  exceptions: "/exceptions", coverage: "/coverage", sinks: "/sinks",
};

/// A Slack that answers whatever is asked for in one way, or never.
const stub = async (port, answer) => {
  const server = createServer((request, response) => answer?.(response));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
};

/// A picture of each view, which has to say this: what all say, what each says by itself. `query` goes with each address.
const pictures = async (browser, base, state, { all, query, mayFail, ...said }) => {
  const context = await watched(browser, base, { bypassCSP: true, extraHTTPHeaders: BEARER, mayFail });
  const page = await context.newPage();
  const views = { ...VIEWS, actor: "/actor?who=W0NOBODY" };
  for (const [view, path] of Object.entries(views)) {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(base + path + (query ? `${path.includes("?") ? "&" : "?"}${query}` : ""));
    const text = await page.locator("body").innerText();
    for (const what of [all, said[view]].flat().filter(Boolean)) assert.match(text, what, `${view} while ${state}`);
    await page.screenshot({ path: join(PICTURES, `${state}-${view}.png`), fullPage: view === "now" || view === "sinks" || view === "exceptions" });
    await inspected(page, `${view} while ${state}`);
    await page.setViewportSize({ width: 360, height: 800 });
    await inspected(page, `${view} while ${state}`);
  }
  await context.close();
  console.log(`seen: ${state}`);
};

const neverRan = async (browser) => {
  const scene = new Scene("new", { slack: await freePort(), page: await freePort() });
  const page = scene.start("web", "serve");
  await scene.says("/", /has not run/);
  await pictures(browser, scene.base, "never-ran", {
    all: /gridwatch has not run on this state folder yet/,
    now: [/never ran/, /Nothing is open/],
    alerts: /There is no history yet/,
    ingestion: /No organization is known yet/,
    modules: /No module serves/,
    detections: /No rule is known/,
    exceptions: /The file is empty: nothing is silenced by it/,
    coverage: /No rule is known/,
    sinks: /No sink has been opened yet/,
    actor: /No alert names them/,
  });
  await ended(page);
};

/// Slack takes its time with the first page.
const justStarted = async (browser) => {
  const from = await freePort();
  const gone = await stub(from);
  const scene = new Scene("started", { slack: from, page: await freePort() });
  const running = scene.start("run");
  await until("it runs", () => scene.status().health?.state === "running");
  await pictures(browser, scene.base, "just-started", {
    now: [/nothing has been read to its end yet/, /Nothing is open/],
    alerts: /Nothing has been found yet/,
    ingestion: [/Nothing has been written down yet|Read from/, /none yet/, /No entry has come yet/],
    modules: /well/,
    detections: /never/,
    exceptions: /The file is empty/,
    coverage: /0 of them observed/,
    sinks: /has all/,
    actor: /No alert names them/,
  });
  await ended(running, "SIGKILL");
  await gone();
};

/// The token is revoked, a receiver is away, a module panics, another is none, and the file of exceptions has errors.
const failing = async (browser) => {
  const [from, away] = [await freePort(), await freePort()];
  const scene = new Scene("failing", {
    slack: from,
    page: await freePort(),
    modules: "misbehave = [\"kv\", \"lookup\"]\n[modules.config.misbehave]\nsetup = [\"always panic\"]",
    lookups: "names = [\"x\"]",
    sinks: `[[sink]]\nname = "elsewhere"\ntype = "http"\nurl = "http://127.0.0.1:${away}/"\ninclude = ["alerts"]`,
  });
  copyFileSync(join(TEST_MODULES, "misbehave-1.0.0.wasm"), scene.path("modules", "misbehave-1.0.0.wasm"));
  const sim = await slack(from);
  const running = await scene.read();
  await ended(sim);
  const gone = await stub(from, (response) => response.writeHead(401, { "Content-Type": "application/json" }).end("{\"ok\":false,\"error\":\"token_revoked\"}"));
  writeFileSync(scene.path("exceptions.toml"), "[[exception]]\nid = \"all\"\n");
  writeFileSync(scene.path("modules", "broken-1.0.0.wasm"), "no module");
  await until("everything fails", () => {
    const status = scene.status();
    const module = status.modules?.find((module) => module.name === "misbehave");
    return status.poll?.paused && status.sinks.elsewhere.error && module?.set_aside && status.exceptions?.broken && status.modules_waiting?.length;
  });
  await pictures(browser, scene.base, "failing", {
    now: [/Blind/, /polling is paused: token_rejected/, /sink `elsewhere` fails/, /`misbehave` is set aside/, /the exceptions file has errors/, /broken-1\.0\.0\.wasm/],
    alerts: /set aside/,
    ingestion: /token_rejected/,
    modules: [/In the folder, and not in service/, /set aside/],
    detections: [/blind/, /is set aside since/],
    exceptions: /The file has errors, and what was read before stays in force/,
    sinks: [/failing/, /Connection refused|connection|connect/i],
  });
  await ended(running, "SIGKILL");
  await gone();
};

/// Two organizations: all at once, and one alone.
const several = async (browser) => {
  const [acme, globex] = [await freePort(), await freePort()];
  const scene = new Scene("several", { orgs: { acme, globex }, page: await freePort() });
  await slack(acme, { seed: 1, users: 30 });
  await slack(globex, { seed: 2, users: 30 });
  const running = await scene.read();
  await scene.says("/", /globex/);
  await pictures(browser, scene.base, "several", {
    all: [/all\s+acme\s+globex/],
    now: /acme[\s\S]*globex/, alerts: /org/, ingestion: /acme[\s\S]*globex/, modules: /acme[\s\S]*globex/, detections: /acme[\s\S]*globex/,
    exceptions: /acme[\s\S]*globex/, coverage: /acme[\s\S]*globex/,
  });
  await pictures(browser, scene.base, "one-of-several", { all: [/all\s+acme\s+globex/], query: "org=globex", detections: /rules in/ });
  await ended(running, "SIGKILL");
};

/// The one that was watched so far: it stands still, then is gone while somebody looks, and doesn't come back.
const gone = async (browser, scene, running) => {
  const port = await freePort();
  const beside = { ...scene, base: `http://127.0.0.1:${port}` };
  const page = scene.start("web", "serve", "--listen", `127.0.0.1:${port}`);
  const says = (what) => Scene.prototype.says.call(beside, "/", what);
  const open = await (await watched(browser, scene.base, { extraHTTPHeaders: BEARER })).newPage();
  await open.goto(scene.base);
  running.kill("SIGSTOP");
  await says(/gridwatch is stuck/);
  await pictures(browser, beside.base, "stuck", { all: /gridwatch is stuck: what is shown is as of/, now: /Blind/ });
  // The page that is served by who stands still hangs, and says so.
  await open.locator("#stale").waitFor();
  assert.match(await open.locator("#stale").innerText(), /This page is as of .* doesn't answer any more/);
  await open.screenshot({ path: join(PICTURES, "page-gone-now.png") });
  running.kill("SIGCONT");
  await open.locator("#stale").waitFor({ state: "hidden" });
  await ended(running, "SIGKILL");
  await open.locator("#stale").waitFor();
  await says(/running since/);
  await pictures(browser, beside.base, "not-running", {
    all: /gridwatch isn't running since .*: nothing is read, and nobody is told of anything/,
    now: /died/,
  });
  const status = readFileSync(scene.path("state", "status.json"));
  writeFileSync(scene.path("state", "status.json"), "{");
  await pictures(browser, beside.base, "unreadable", { all: /status\.json is not a status file/, mayFail: true });
  writeFileSync(scene.path("state", "status.json"), status);
  await open.context().close();
  await ended(page);
};

/// What isn't there, and who may not.
const refused = async (browser, { base }) => {
  const context = await watched(browser, base, { bypassCSP: true, extraHTTPHeaders: BEARER });
  const page = await context.newPage();
  for (const [name, path, said] of [["no-alert", "/alerts/gw-0", /There is no such alert/], ["no-organization", "/?org=other", /no such organization/]]) {
    await page.goto(base + path);
    assert.match(await page.locator("main").innerText(), said);
    await page.screenshot({ path: join(PICTURES, `refused-${name}.png`) });
    await inspected(page, name);
  }
  await context.close();
  const strange = await watched(browser, base, { bypassCSP: true });
  const login = await strange.newPage();
  await login.goto(base);
  await login.screenshot({ path: join(PICTURES, "login.png") });
  await inspected(login, "login");
  // Five wrong ones a minute.
  for (let n = 0; n < 6; n++) {
    await login.getByLabel("Token").fill("wrong".repeat(8));
    await Promise.all([login.waitForEvent("load"), login.getByRole("button", { name: "Log in" }).click()]);
    if (n === 0) assert.match(await login.locator(".problem").innerText(), /./);
  }
  await login.screenshot({ path: join(PICTURES, "refused-login.png") });
  await inspected(login, "refused login");
  await strange.close();
};

export const states = async (browser, scene, running) => {
  await neverRan(browser);
  await justStarted(browser);
  await failing(browser);
  await several(browser);
  await gone(browser, scene, running);
  const page = scene.start("web", "serve");
  await scene.says("/login", /Token/);
  await refused(browser, scene);
  await ended(page);
};
