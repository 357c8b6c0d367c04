// Keys, callers without one, foreign pages, a daemon without a backend, and GIMP.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { accessibility, close, launch, open, until } from "./browser.js";
import { Daemon } from "./daemon.js";
import { Painter, picture } from "./painter.js";

const KEY = "maker-key-0123456789";
const READER = "reader-key-0123456789";
const LIMIT = { timeout: 180_000 };
const size = { width: 320, height: 208 };
let browser;
let painter;
let daemon;

before(async () => (browser = await launch(["studio.example", "evil.example"])), LIMIT);
after(() => browser?.close());
beforeEach(async () => (painter = await new Painter().start()));
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
  await painter.stop();
}, LIMIT);

const cards = (page) => page.locator("#grid .card");
const port = () => new URL(daemon.url).port;
const keys = { GIMP_BRIDGE_SERVER_API_KEYS: `maker:generate+read:${KEY},reader:read:${READER}`, GIMP_BRIDGE_IMAGES_PUBLIC: "false" };
/** Chromium's own line for an answer that was no success. */
const STATUS = /console: Failed to load resource: .* 40[13]/;

async function give(page, key) {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Use this key" }).click();
}

test("where a key is needed the page asks for it, and keeps it in this tab alone", LIMIT, async () => {
  daemon = await new Daemon({ painter, env: keys }).start();
  const made = await daemon.ask("POST", "/mcp/v1/tools/generate_image", { prompt: "behind a key", seed: 3, ...size }, { "X-API-Key": KEY });
  assert.equal(made.status, 200);
  const page = await open(browser, daemon.url);
  await page.getByRole("heading", { name: "A key is needed" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  await give(page, "a-wrong-key-0123456789");
  await page.getByText("The daemon does not know this key.").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await give(page, KEY);
  // The image takes the key too: its thumbnail was fetched with it.
  const width = await cards(page).first().locator("img").evaluate(async (image) => {
    while (!image.naturalWidth) await new Promise((done) => setTimeout(done, 50));
    return [image.src.split(":")[0], image.naturalWidth];
  });
  assert.deepEqual(width, ["blob", 320]);
  await cards(page).first().click();
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  assert.ok(fs.readFileSync(await saved.path()).equals(picture("behind a key", 3, 320, 208)));
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.ok(!page.url().includes(KEY));
  await page.reload();
  await cards(page).first().waitFor();
  // Another tab knows nothing of it.
  const other = await page.context().newPage();
  await other.goto(daemon.url);
  await other.getByRole("heading", { name: "A key is needed" }).waitFor();
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.getByRole("heading", { name: "A key is needed" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await close(page, STATUS);
});

test("a key without the right is told so, and sees what it may", LIMIT, async () => {
  daemon = await new Daemon({ painter, env: keys }).start();
  const page = await open(browser, daemon.url);
  await give(page, READER);
  await page.getByText("Generating takes a key with the right generate.").waitFor();
  await page.getByText("The list of images takes a key with the right generate.").waitFor();
  await page.locator("summary", { hasText: "AI filters" }).click();
  await page.locator("#filters code", { hasText: "upscale" }).waitFor();
  await close(page);
});

test("callers without a key make images and see their own, and no list", LIMIT, async () => {
  const env = { GIMP_BRIDGE_SERVER_HOST: "0.0.0.0", GIMP_BRIDGE_SERVER_ANONYMOUS: "generate" };
  daemon = await new Daemon({ painter, env }).start();
  await daemon.generate({ prompt: "of somebody else", ...size });
  const page = await open(browser, daemon.url);
  await page.getByText("The list of all images takes a key with the right generate. What this tab makes is shown here.").waitFor();
  await page.locator("#prompt").fill("my own");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await cards(page).first().waitFor();
  assert.deepEqual(await page.locator("#grid .words").allInnerTexts(), ["my own"]);
  await page.reload();
  await cards(page).first().click();
  for (const [button, why] of [["Delete", "Deleting takes a key"], ["Open in GIMP", "takes a key with the right edit"]]) {
    assert.ok(await page.getByRole("button", { name: button }).isDisabled(), button);
    await page.getByText(why).first().waitFor();
  }
  assert.deepEqual(await accessibility(page), []);
  await close(page);
});

test("under a name of its own the page works, and a rebound name gets nothing", LIMIT, async () => {
  const env = { GIMP_BRIDGE_SERVER_ALLOWED_HOSTS: "studio.example" };
  daemon = await new Daemon({ painter, env }).start();
  const page = await open(browser, `http://studio.example:${port()}/`);
  await page.locator("#prompt").fill("by name");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await cards(page).first().waitFor();
  await close(page);
  const context = await browser.newContext();
  const rebound = await context.newPage();
  const answer = await rebound.goto(`http://evil.example:${port()}/`);
  assert.equal(answer.status(), 403);
  const refused = await rebound.evaluate(async () => {
    const body = JSON.stringify({ prompt: "stolen" });
    const made = await fetch("/mcp/v1/tools/generate_image", { method: "POST", body });
    const listed = await fetch("/images");
    return [made.status, listed.status];
  });
  assert.deepEqual(refused, [403, 403]);
  assert.equal(painter.requests.length, 1);
  await context.close();
});

test("the page of an address may post to it, and no other origin", LIMIT, async () => {
  daemon = await new Daemon({ painter }).start();
  const post = (host, origin) => new Promise((done, failed) => {
    const headers = { Host: host, Origin: origin, "Content-Type": "application/json" };
    const request = http.request({ host: "127.0.0.1", port: port(), method: "POST", path: "/mcp/v1/tools/list_generation_backends", headers });
    request.on("response", (answer) => done(answer.resume().statusCode)).on("error", failed).end("{}");
  });
  for (const [host, origin, status] of [
    ["192.0.2.7:8000", "http://192.0.2.7:8000", 200],
    ["[2001:db8::7]:8000", "http://[2001:db8::7]:8000", 200],
    ["192.0.2.7:8000", "http://192.0.2.7:8001", 403],
    ["192.0.2.7:8000", "https://192.0.2.7:8000", 403],
    ["192.0.2.7:8000", "http://192.0.2.8:8000", 403],
    ["192.0.2.7:8000", "null", 403],
    ["evil.example:8000", "http://evil.example:8000", 403],
  ]) assert.equal(await post(host, origin), status, `${origin} to ${host}`);
});

test("a foreign page can neither generate, delete, cancel nor frame", LIMIT, async () => {
  daemon = await new Daemon({ painter }).start();
  const made = await daemon.generate({ prompt: "mine", ...size });
  painter.hold();
  const running = { jsonrpc: "2.0", id: 1, method: "generate_image", params: { prompt: "running", ...size } };
  const { body: job } = await daemon.ask("POST", "/jsonrpc", running, { Prefer: "respond-async" });
  await until("the job at the backend", () => painter.requests.length === 2);
  const foreign = http.createServer((_, answer) => answer.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>evil</title>"));
  await new Promise((done) => foreign.listen(0, "127.0.0.1", done));
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://evil.example:${foreign.address().port}/`);
    const outcome = await page.evaluate(async ([root, id, job]) => {
      const tried = [];
      const attempt = async (path, options) => {
        try {
          const answer = await fetch(root + path, options);
          tried.push(`${path} ${answer.type} ${answer.status}`);
        } catch {
          tried.push("blocked");
        }
      };
      const body = JSON.stringify({ prompt: "stolen" });
      const rpc = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "generate_image", params: { prompt: "stolen" } });
      for (const mode of ["cors", "no-cors"]) {
        await attempt("/mcp/v1/tools/generate_image", { method: "POST", mode, body });
        await attempt("/jsonrpc", { method: "POST", mode, body: rpc });
        await attempt(`/images/${id}/open`, { method: "POST", mode });
      }
      await attempt(`/images/${id}`, { method: "DELETE" });
      await attempt(`/jobs/${job}`, { method: "DELETE" });
      await attempt("/images", {});
      // A form goes out without a question, and a sandboxed frame has the origin null.
      for (const sandbox of [null, "allow-scripts allow-forms"]) {
        const frame = document.createElement("iframe");
        if (sandbox) frame.setAttribute("sandbox", sandbox);
        frame.srcdoc = `<form method=post enctype="text/plain" action="${root}/mcp/v1/tools/generate_image">
          <input name='{"prompt":"stolen","x":"' value='"}'></form><script>document.forms[0].submit()</` + "script>";
        document.body.append(frame);
      }
      const frame = document.createElement("iframe");
      frame.src = root;
      document.body.append(frame);
      await new Promise((done) => setTimeout(done, 1500));
      return tried;
    }, [daemon.url, made.body.image_id, job.job]);
    // What came back without cors tells nothing; with it, it was not even given to the page.
    assert.ok(outcome.every((line) => line === "blocked" || line.includes(" opaque 0")), outcome.join("; "));
    const framed = page.frames().find((frame) => frame.url().startsWith(daemon.url) && frame !== page.mainFrame());
    assert.equal(framed ? await framed.locator("#prompt").count() : 0, 0);
    await context.close();
  } finally {
    foreign.closeAllConnections();
    await new Promise((done) => foreign.close(done));
  }
  assert.equal(painter.requests.length, 2);
  assert.equal(painter.interrupts, 0);
  assert.equal((await daemon.ask("GET", `/jobs/${job.job}`)).body.status, "running");
  assert.equal((await daemon.ask("GET", "/images")).body.total, 1);
  painter.release();
});

test("without a backend the page says how to get one, and what it says works", LIMIT, async () => {
  daemon = await new Daemon().start();
  const page = await open(browser, daemon.url);
  await page.getByText("No backend that generates images is configured.").waitFor();
  await page.getByText("None is running here.").waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.locator("summary", { hasText: "AI filters" }).click();
  await page.locator("#filters code", { hasText: "denoise" }).waitFor();
  const advice = await page.locator("#no-backend pre").allInnerTexts();
  await close(page);
  await daemon.stop();
  const declared = advice.find((text) => text.startsWith("[[backend]]")).replace(/http:\S+7860/, painter.url);
  const variable = advice.at(-1).match(/^(GIMP_BRIDGE_\w+)=(\S+) gimp-bridge serve$/);
  daemon = new Daemon({ env: { [variable[1]]: variable[2] } });
  fs.writeFileSync(`${daemon.folder}/${variable[2]}`, declared);
  await daemon.start();
  const made = await daemon.generate({ prompt: "as advised", ...size });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  assert.match(advice[0], /^KSERVE_ENDPOINT=\S+ gimp-bridge serve$/);
});

test("programs get the ways in at the same address, and the page's files their own policy", LIMIT, async () => {
  daemon = await new Daemon({ painter }).start();
  const plain = await daemon.ask("GET", "/", undefined, { Accept: "application/json" });
  assert.deepEqual([plain.status, plain.body.endpoints.mcp], [200, "/mcp"]);
  const page = await fetch(daemon.url, { headers: { Accept: "text/html,*/*" } });
  assert.match(page.headers.get("content-type"), /^text\/html/);
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'/);
  assert.ok(!/'unsafe-|https?:|\*/.test(page.headers.get("content-security-policy")));
  const text = await page.text();
  assert.ok(!/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?:\/\//i.test(text));
  const tag = page.headers.get("etag");
  const again = await fetch(daemon.url, { headers: { Accept: "text/html", "If-None-Match": tag } });
  assert.equal(again.status, 304);
  assert.equal((await daemon.ask("GET", "/gallery/nothing.js")).status, 404);
});

test("a daemon that ends is told of, and the page goes on when it is back", LIMIT, async () => {
  daemon = await new Daemon({ painter }).start();
  await daemon.generate({ prompt: "kept", ...size });
  const page = await open(browser, daemon.url);
  await cards(page).first().waitFor();
  await daemon.halt();
  await page.getByRole("alert").filter({ hasText: "The daemon does not answer. Trying again." }).waitFor();
  assert.equal(await cards(page).count(), 1);
  await daemon.start(port());
  await page.getByRole("alert").filter({ hasText: "Trying again" }).waitFor({ state: "hidden" });
  // A request may also meet it while it ends.
  await close(page, /ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)/, /status of 503/);
});

test("an image is opened in a real GIMP, and without one the page says why not", LIMIT, async () => {
  daemon = await new Daemon({ painter }).start();
  await daemon.generate({ prompt: "into GIMP\nwith it", seed: 5, ...size });
  const page = await open(browser, daemon.url);
  await cards(page).first().click();
  assert.ok(await page.getByRole("button", { name: "Open in GIMP" }).isDisabled());
  await page.locator("#open-why", { hasText: "No GIMP is running" }).waitFor();
  const instance = await daemon.gimp();
  // It shows up by itself.
  await until("the button", () => page.getByRole("button", { name: "Open in GIMP" }).isEnabled());
  await page.getByRole("button", { name: "Open in GIMP" }).click();
  await page.locator("#detail-said", { hasText: "pened" }).waitFor({ timeout: 90_000 });
  const [image] = (await daemon.call("list_images")).images;
  assert.deepEqual([image.width, image.height], [320, 208]);
  assert.ok(JSON.stringify(await daemon.call("get_image_metadata", { image: image.image })).includes("into GIMP with it"));
  await page.keyboard.press("Escape");
  await page.locator("#gimp-state", { hasText: `GIMP ${instance.gimp_version}, without windows` }).waitFor();

  // Straight from the form, too.
  await page.getByLabel("Open it in GIMP too").check();
  await page.locator("#prompt").fill("at once");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.locator("#said", { hasText: "It is open in GIMP." }).waitFor({ timeout: 90_000 });
  assert.equal((await daemon.call("list_images")).images.length, 2);
  await close(page);
});
