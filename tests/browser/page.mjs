// The page in Debian's Chromium: ten journeys by keyboard alone, and what must never happen on the way; then each view in each state that it can be
// in. `cargo xtask test --web` runs it.
//
// It starts a simulated Slack, a gridwatch that reads it and serves its page, and a browser; it leaves pictures of each view behind.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { BEARER, CHROMIUM, PICTURES, Scene, TOKEN, cleared, freePort, inspected, lastWords, slack, until, watched, wrong } from "./scene.mjs";
import { VIEWS, states } from "./states.mjs";

// The same module under the next version: there is something to go back from.
const another = (scene, name) => {
  const file = readdirSync(scene.path("modules")).find((file) => file.startsWith(`${name}-`) && file.endsWith(".wasm"));
  const version = file.slice(name.length + 1, -".wasm".length);
  const next = version.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
  const bytes = readFileSync(scene.path("modules", file));
  const at = bytes.indexOf(`version = "${version}"`);
  assert.ok(at > 0, "the manifest's version");
  bytes.write(`version = "${next}"`, at);
  writeFileSync(scene.path("modules", `${name}-${next}.wasm`), bytes);
  return next;
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
// And where that leads.
const enter = (page) => Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
const follow = async (page, name) => {
  await tabTo(page, name);
  await enter(page);
};
const heading = (page) => page.locator("h1").first().innerText();
const main = (page) => page.locator("main").innerText();
// Titles as the keyboard finds them.
const titles = async (page) => (await page.locator("td.what a").allTextContents()).map((title) => title.trim().replace(/\s+/g, " "));

const journeys = {
  "log in with a token": async (page, { base }) => {
    await page.goto(`${base}/alerts`);
    assert.equal(await focused(page), "Token", "the field has the focus");
    await page.keyboard.type(TOKEN);
    await enter(page);
    assert.equal(new URL(page.url()).pathname, "/alerts", "and leads to what was asked for");
  },
  "what is open, and why did it fire": async (page, { base }) => {
    await page.goto(base);
    assert.match(await heading(page), /well|somebody/);
    await tabTo(page, /^To the content$/);
    await page.keyboard.press("Enter");
    const first = (await page.locator("a.title").first().innerText()).trim();
    await follow(page, first);
    assert.equal(await heading(page), first);
    await follow(page, "Why it was made");
    assert.match(await main(page), /What the rule detects/);
    await follow(page, "All of it");
    assert.match(await page.locator("pre.json").innerText(), /"dedup_key"/);
  },
  "only what is High": async (page, { base }) => {
    await page.goto(`${base}/alerts?since=all`);
    await tabTo(page, "at least");
    await page.keyboard.type("High");
    await follow(page, "Show");
    assert.match(page.url(), /severity=high/);
    const words = await page.locator("table.alerts .severity").allInnerTexts();
    assert.ok(words.length > 0 && words.every((word) => /High|Critical/.test(word)), words.join());
  },
  "the calls to copy": async (page, { base }) => {
    await page.goto(`${base}/alerts?severity=high&since=all`);
    await follow(page, (await titles(page))[0]);
    await tabTo(page, "Show the calls to copy");
    await page.keyboard.press("Enter");
    await page.locator("ol.plan").waitFor();
    assert.match(await page.locator("#plan").innerText(), /gridwatch respond/);
  },
  "acknowledge it, close it as expected, and open it again": async (page, { base }) => {
    await page.goto(`${base}/alerts?severity=high&since=all`);
    await follow(page, (await titles(page))[0]);
    await tabTo(page, "What there is to say");
    await page.keyboard.type("looking at it");
    await follow(page, "Acknowledge");
    assert.match(await main(page), /acknowledged by night-shift: looking at it/);
    await tabTo(page, "It turned out to be");
    await page.keyboard.type("expected");
    await follow(page, "Close");
    assert.match(await main(page), /closed as expected by night-shift/);
    await follow(page, "Open again");
    assert.match(await main(page), /Where it stands: open/);
  },
  "who is it": async (page, { base }) => {
    await page.goto(`${base}/alerts?since=all`);
    const name = (await page.locator("td[data-label=who] a").first().innerText()).trim();
    await follow(page, name);
    assert.match(page.url(), /\/actor\?who=/);
    assert.ok((await page.locator("table.alerts tbody tr").count()) > 0);
  },
  "from what is open to a committed exception": async (page, scene) => {
    await page.goto(`${scene.base}/alerts?since=all`);
    for (const title of await titles(page)) {
      await follow(page, title);
      if (await page.locator("pre.toml").count()) break;
      await page.goBack();
    }
    const proposed = await page.locator("pre.toml").innerText();
    const filled = proposed.replace(/^(reason|owner|ticket) = .*$/gm, (_, key) => `${key} = "as agreed"`);
    writeFileSync(scene.path("exceptions.toml"), `${filled}\n`);
    const git = (...args) => execFileSync("git", ["-C", scene.dir, "-c", "user.name=t", "-c", "user.email=t@t", ...args], { encoding: "utf8" });
    git("add", "exceptions.toml");
    git("commit", "-qm", "Silence what is wanted");
    assert.match(git("show", "--stat"), /exceptions\.toml/);
    await follow(page, "Exceptions");
    await until("the exception holds", async () => {
      await page.reload();
      return (await page.locator("table.exceptions").count()) && /holds/.test(await page.locator("table.exceptions").innerText());
    });
    const id = /^id = "(.*)"$/m.exec(proposed)[1];
    assert.ok((await page.locator("table.exceptions").innerText()).includes(id), id);
  },
  "a module is rolled back": async (page) => {
    await follow(page, "Modules");
    await follow(page, "Roll back files");
    assert.match(await page.locator(".outcome").innerText(), /^files@\S+ serves from event/);
  },
  "what is covered, and what was found of it": async (page) => {
    await follow(page, "Coverage");
    assert.ok((await page.locator(".matrix li").count()) > 40);
    await follow(page, /^T1\d{3}/);
    assert.match(page.url(), /\/alerts\?rule=/);
  },
  "is everything read, and does everybody have it": async (page) => {
    await follow(page, "Ingestion");
    assert.equal(await page.locator("svg.ticks").count(), 2);
    await follow(page, "Sinks");
    assert.match(await main(page), /has all/);
    await follow(page, "Detections");
    await tabTo(page, /^[A-Z].* /);
  },
  "log out": async (page, { base }) => {
    await page.goto(base);
    await follow(page, "Log out");
    await page.goto(base);
    assert.equal(new URL(page.url()).pathname, "/login");
  },
};

// Every view at two widths, light and dark: nothing wider than the screen, and nothing that axe would say of it.
const looked = async (browser, scene) => {
  const { base } = scene;
  const alerts = scene.alerts();
  const grave = ["critical", "high", "medium"].map((severity) => alerts.findLast((alert) => alert.severity === severity)).find(Boolean);
  const views = { ...VIEWS, alert: `/alerts/${grave.uid}`, why: `/alerts/${grave.uid}?depth=why`, json: `/alerts/${grave.uid}?depth=json`, plan: `/alerts/${grave.uid}/plan`, entries: `/alerts/${grave.uid}/entries`, actor: `/actor?who=${grave.actor.id}` };
  for (const [width, colorScheme] of [[1440, "light"], [1440, "dark"], [360, "light"], [360, "dark"]]) {
    const context = await watched(browser, base, { bypassCSP: true, viewport: { width, height: 900 }, colorScheme, extraHTTPHeaders: BEARER });
    const page = await context.newPage();
    for (const [name, path] of Object.entries(views)) {
      await page.goto(base + path);
      await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}.png`), fullPage: name !== "alerts" });
      await inspected(page, `${name}, ${colorScheme}`);
    }
    await page.emulateMedia({ media: "print" });
    await page.goto(base + views.alert);
    assert.ok((await page.pdf()).length > 1000, "it can be printed");
    await context.close();
  }
};

const withoutScript = async (browser, { base }) => {
  const context = await watched(browser, base, { javaScriptEnabled: false, extraHTTPHeaders: BEARER });
  const page = await context.newPage();
  for (const [path, said] of [["/", /Open, of the last 7 days/], ["/alerts?since=all", /Loudest rules/], ["/ingestion", /Which time was read/]]) {
    await page.goto(base + path);
    assert.match(await main(page), said, `${path} without script`);
  }
  await page.goto(`${base}/alerts?since=all`);
  await page.locator("td.what a").first().click();
  await page.locator("section[aria-labelledby=do]").waitFor();
  assert.match(await main(page), /What to do/);
  await page.getByText("Show the calls to copy").click();
  await page.locator("ol.plan").waitFor();
  assert.match(await main(page), /gridwatch respond/);
  await context.close();
};

const all = async () => {
  rmSync(PICTURES, { recursive: true, force: true });
  mkdirSync(PICTURES, { recursive: true });
  const [from, page] = [await freePort(), await freePort()];
  const scene = new Scene("watched", { slack: from, page });
  execFileSync("git", ["init", "-q", scene.dir]);
  await slack(from);
  const running = await scene.read();
  const next = another(scene, "files");
  await until("another version serves", () => scene.quietly("module", "serving").includes(`files@${next} `));

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    const context = await watched(browser, scene.base);
    const tab = await context.newPage();
    for (const [name, journey] of Object.entries(journeys)) {
      await journey(tab, scene).catch(async (error) => {
        await tab.screenshot({ path: join(PICTURES, "failed.png") }).catch(() => {});
        throw new Error(`${name}: ${error.stack}`);
      });
      console.log(`went: ${name}`);
    }
    await context.close();
    await looked(browser, scene);
    console.log("looked at every view, at both widths, light and dark");
    await withoutScript(browser, scene);
    console.log("read without script");
    await states(browser, scene, running);
  } finally {
    await browser.close();
  }
  assert.deepEqual(wrong, []);
  console.log(`${Object.keys(journeys).length} journeys; nothing was wrong; pictures are in ${PICTURES}`);
};

try {
  await all();
} catch (error) {
  console.error(error.message ?? error);
  for (const fault of wrong) console.error(`wrong: ${fault}`);
  for (const said of lastWords()) console.error(said);
  process.exitCode = 1;
} finally {
  await cleared();
}
