// One Chromium for a file of tests, and pages that remember what went wrong in them.

import { createRequire } from "node:module";
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

const modules = createRequire(path.join(process.env.GIMP_BRIDGE_BROWSER_MODULES ?? import.meta.dirname, "package.json"));
const { chromium } = modules("playwright-core");
const AXE = fs.readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 20_000;
/** For work on the page: its scripts and styles from this folder instead of the daemon's own, so that nothing is built anew. */
const FILES = process.env.GIMP_BRIDGE_TEST_PAGE;

async function edited(route) {
  const address = new URL(route.request().url());
  // Names of this Chromium's own are not known outside of it.
  address.hostname = "127.0.0.1";
  const { origin: _, ...headers } = route.request().headers();
  const response = await route.fetch({ url: address.href, headers });
  await route.fulfill({ response, body: fs.readFileSync(path.join(FILES, path.basename(address.pathname)), "utf8") });
}

/** `names`: host names that lead to this machine, as a rebound name or one of a hosts file would. */
export function launch(names = []) {
  const args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  if (names.length) args.push(`--host-resolver-rules=${names.map((name) => `MAP ${name} 127.0.0.1`).join(",")}`);
  // As root Chromium has no sandbox of its own.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: process.env.GIMP_BRIDGE_TEST_CHROMIUM ?? "/usr/bin/chromium", args });
}

/** A page in a context of its own; `page.wrong` collects console errors, exceptions, failed policies and foreign requests. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, locale: "en-GB", acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.wrong = [];
  page.on("console", (message) => message.type() === "error" && page.wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.wrong.push(`exception: ${error.message}`));
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (to.protocol.startsWith("http") && to.origin !== new URL(url).origin) page.wrong.push(`foreign request: ${to}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  if (FILES) await page.route((address) => address.pathname.startsWith("/gallery/"), edited);
  await page.goto(url);
  return page;
}

/** Closes a page in which nothing may have gone wrong but what is named. */
export async function close(page, ...expected) {
  const violations = await page.evaluate(() => window.violations);
  const wrong = page.wrong.filter((line) => !expected.some((known) => known.test(line)));
  await page.context().close();
  assert.deepEqual({ violations, wrong }, { violations: [], wrong: [] });
}

/** What axe-core finds in the page as it is. */
export async function accessibility(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`));
}

/** By how many pixels the page is wider than its window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Polls until it is so; a GIMP takes longer than a page. */
export async function until(what, is, patience = PATIENCE) {
  const limit = Date.now() + patience;
  while (Date.now() < limit) {
    const value = await is();
    if (value) return value;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what}: not within ${patience / 1000} s`);
}
