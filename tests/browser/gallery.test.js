// The gallery as a person uses it, in a real Chromium, against the real daemon.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { accessibility, close, launch, open, overflow, until } from "./browser.js";
import { Daemon } from "./daemon.js";
import { Painter, picture } from "./painter.js";

let browser;
let painter;
let daemon;
const LIMIT = { timeout: 120_000 };

before(async () => (browser = await launch()), LIMIT);
after(() => browser?.close());
beforeEach(async () => {
  painter = await new Painter().start();
  daemon = await new Daemon({ painter }).start();
}, LIMIT);
afterEach(async () => {
  painter.release();
  await daemon?.stop();
  await painter?.stop();
}, LIMIT);

const size = { width: 320, height: 208, num_inference_steps: 4 };
const cards = (page) => page.locator("#grid .card");
const shown = (page, count) => until(`${count} images`, async () => (await cards(page).count()) === count);

/** Whether the thumbnail of a card has pixels, and which colour its middle has. */
const middle = (page, at) =>
  cards(page).nth(at).locator("img").evaluate(async (image) => {
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return { width: image.naturalWidth, height: image.naturalHeight, rgb: [...context.getImageData(image.naturalWidth / 2, 3, 1, 1).data].slice(0, 3) };
  });

async function write(page, params) {
  for (const [name, value] of Object.entries(params)) await page.locator(`#make [name=${name}]`).fill(`${value}`);
}

test("an image is made, appears, is downloaded to the byte, and deleted after a question", LIMIT, async () => {
  const page = await open(browser, daemon.url);
  await page.getByText("No images yet").waitFor();
  await write(page, { prompt: "a mountain lake", seed: 7, ...size });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await shown(page, 1);
  assert.deepEqual(painter.requests, [{ prompt: "a mountain lake", width: 320, height: 208, steps: 4, cfg_scale: 7.5, seed: 7 }]);
  const bytes = picture("a mountain lake", 7, 320, 208);
  const seen = await middle(page, 0);
  assert.deepEqual([seen.width, seen.height], [320, 208]);
  const kept = fs.readdirSync(`${daemon.folder}/images`).filter((name) => name.endsWith(".png"));
  assert.ok(fs.readFileSync(`${daemon.folder}/images/${kept[0]}`).equals(bytes));

  await cards(page).first().click();
  const detail = page.getByRole("dialog", { name: "Image" });
  await detail.getByText("a mountain lake").waitFor();
  assert.match(await detail.innerText(), /Steps\s+4[^]*Seed\s+7[^]*Backend\s+home[^]*Model\s+dreamer/);
  const [saved] = await Promise.all([page.waitForEvent("download"), detail.getByRole("button", { name: "Download" }).click()]);
  assert.equal(saved.suggestedFilename(), kept[0]);
  assert.ok(fs.readFileSync(await saved.path()).equals(bytes));

  await detail.getByRole("button", { name: "Delete" }).click();
  const ask = page.getByRole("dialog", { name: "Delete this image?" });
  await ask.getByRole("button", { name: "Keep it" }).click();
  assert.equal((await daemon.ask("GET", "/images")).body.total, 1);
  await detail.getByRole("button", { name: "Delete" }).click();
  await ask.getByRole("button", { name: "Delete" }).click();
  await shown(page, 0);
  assert.equal((await daemon.ask("GET", "/images")).body.total, 0);
  assert.deepEqual(fs.readdirSync(`${daemon.folder}/images`), []);
  await close(page);
});

test("a link is copied that gets the image without a key or a page", LIMIT, async () => {
  const made = await daemon.generate({ prompt: "a tower", seed: 1, ...size });
  const page = await open(browser, daemon.url, { permissions: ["clipboard-read", "clipboard-write"] });
  await cards(page).first().click();
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("The link is copied.").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, made.body.url);
  const answer = await fetch(link);
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(picture("a tower", 1, 320, 208)));
  await close(page);
});

test("search finds by a part of the prompt and of the model, and says when nothing matches", LIMIT, async () => {
  for (const prompt of ["a mountain LAKE", "a red tower", "lake in fog"]) await daemon.generate({ prompt, ...size });
  const page = await open(browser, daemon.url);
  await shown(page, 3);
  const find = page.getByRole("searchbox", { name: "Search prompts" });
  await find.fill("lake");
  await shown(page, 2);
  assert.deepEqual((await page.locator("#grid .words").allInnerTexts()).sort(), ["a mountain LAKE", "lake in fog"]);
  await find.fill("castle");
  await page.getByText("No image matches.").waitFor();
  await find.fill("");
  await page.getByRole("combobox", { name: "Search models" }).fill("dream");
  await shown(page, 3);
  await page.getByRole("combobox", { name: "Search models" }).fill("other");
  await shown(page, 0);
  await close(page);
});

test("pages of images follow each other, newest first", LIMIT, async () => {
  for (let at = 0; at < 50; at += 1) await daemon.generate({ prompt: `number ${at}`, width: 64, height: 64 });
  const page = await open(browser, daemon.url);
  await shown(page, 48);
  assert.equal(await page.locator("#grid .words").first().innerText(), "number 49");
  await page.getByRole("button", { name: "Older" }).click();
  await shown(page, 2);
  await page.getByText("49 to 50 of 50").waitFor();
  assert.ok(await page.getByRole("button", { name: "Older" }).isDisabled());
  await page.getByRole("button", { name: "Newer" }).click();
  await shown(page, 48);
  await close(page);
});

test("again with this seed asks for the same image, and another seed for another", LIMIT, async () => {
  const wanted = { prompt: "a harbour", negative_prompt: "people", seed: 99, guidance_scale: 4.5, ...size };
  await daemon.generate(wanted);
  const page = await open(browser, daemon.url);
  await cards(page).first().click();
  await page.getByRole("button", { name: "Again with this seed" }).click();
  assert.equal(await page.locator("#prompt").inputValue(), "a harbour");
  assert.ok(await page.locator("#prompt").evaluate((field) => field === document.activeElement));
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await shown(page, 2);
  const [first, again] = painter.requests;
  // The backend's own name and model are known now, and are asked for.
  assert.deepEqual({ ...again, override_settings: undefined }, { ...first, override_settings: undefined });
  const { images } = (await daemon.ask("GET", "/images")).body;
  const files = await Promise.all(images.map(async ({ url }) => Buffer.from(await (await fetch(url)).arrayBuffer())));
  assert.ok(files[0].equals(files[1]));
  await cards(page).first().click();
  await page.getByRole("button", { name: "Again, new seed" }).click();
  assert.equal(await page.locator("#seed").inputValue(), "");
  await close(page);
});

test("a running job tells how far it is, outlives a reload, and is cancelled at the backend", LIMIT, async () => {
  painter.hold();
  painter.progress = 0.37;
  const page = await open(browser, daemon.url);
  await write(page, { prompt: "a slow one", ...size });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.getByText(/^37 %/).waitFor();
  assert.equal(await page.locator("#jobs progress").evaluate((bar) => bar.value), 0.37);
  await page.reload();
  await page.getByText(/^37 %/).waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.getByRole("button", { name: "Cancel: a slow one" }).click();
  await until("an interrupt", () => painter.interrupts === 1);
  await until("no job", async () => (await page.locator("#jobs li").count()) === 0);
  painter.release();
  assert.equal((await daemon.ask("GET", "/images")).body.total, 0);
  // The end was seen: the daemon need not keep it.
  assert.deepEqual((await daemon.ask("GET", "/jobs")).body.jobs, []);
  await close(page);
});

test("what a program of the same caller began is shown, and can be cancelled here", LIMIT, async () => {
  painter.hold();
  const body = { jsonrpc: "2.0", id: 1, method: "generate_image", params: { prompt: "from a script", ...size } };
  await daemon.ask("POST", "/jsonrpc", body, { Prefer: "respond-async" });
  const page = await open(browser, daemon.url);
  await page.getByRole("button", { name: "Cancel: from a script" }).click();
  await until("an interrupt", () => painter.interrupts === 1);
  await close(page);
});

test("a failure says why and what to do, and can be tried again", LIMIT, async () => {
  painter.refusal = "CUDA out of memory";
  const page = await open(browser, daemon.url);
  await write(page, { prompt: "too much", ...size });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  const alert = page.getByRole("alert").filter({ hasText: "CUDA out of memory" });
  await alert.waitFor();
  assert.deepEqual(await accessibility(page), []);
  painter.refusal = null;
  await page.getByRole("button", { name: "Change and try again" }).click();
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await shown(page, 1);
  assert.equal(await alert.count(), 0);
  // What the form itself refuses is never sent.
  await write(page, { prompt: "   " });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  assert.equal(await page.locator("#prompt").evaluate((field) => field.validationMessage), "Say what the image shows.");
  await close(page);
});

test("a hostile prompt is text wherever it is shown", LIMIT, async () => {
  const hostile = `<img src=x onerror="window.owned=1"><script>window.owned=2</script>"'><svg onload=window.owned=3> \u202eevil`;
  await daemon.generate({ prompt: hostile, negative_prompt: hostile, model: "<b>m</b>", ...size });
  const page = await open(browser, daemon.url);
  painter.hold();
  await write(page, { prompt: hostile, ...size });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.locator("#jobs li").waitFor();
  const before = await page.locator("body *").count();
  await cards(page).first().click();
  assert.equal(await page.locator("#detail-prompt").innerText(), hostile);
  await page.getByRole("button", { name: "Delete" }).click();
  assert.equal(await page.locator("#ask-what").innerText(), hostile);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  for (const selector of ["#grid script", "#grid svg", "#detail script", "#detail svg", "#ask img", "#jobs img", "dd b"]) {
    assert.equal(await page.locator(selector).count(), 0, selector);
  }
  assert.equal(await page.locator("#grid img").count(), 1);
  assert.ok(before > 0);
  await close(page);
});

test("the policy is there: markup is not even taken, and the page's own listener hears of it", LIMIT, async () => {
  const page = await open(browser, daemon.url);
  const taken = await page.evaluate(() => {
    const style = document.createElement("style");
    style.textContent = "h1 { display: none }";
    document.head.append(style);
    try {
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=window.owned=1>");
      return "taken";
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(taken, "TypeError");
  assert.ok(await page.locator("h1").isVisible());
  await until("two reports", () => page.evaluate(() => window.violations.length === 2));
  await page.context().close();
});

test("everything works with the keyboard alone", LIMIT, async () => {
  await daemon.generate({ prompt: "first", ...size });
  await daemon.generate({ prompt: "second", ...size });
  const page = await open(browser, daemon.url);
  await shown(page, 2);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  const tabTo = async (what) => {
    for (let turn = 0; turn < 60; turn += 1) {
      if ((await focused()) === what) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`${what} cannot be reached with Tab`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the images");
  await tabTo("prompt");
  await page.keyboard.type("third");
  await tabTo("make-button");
  await page.keyboard.press("Enter");
  await shown(page, 3);
  await tabTo("card");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await page.keyboard.press("Enter");
  await page.locator("#detail[open]").waitFor();
  assert.equal(await page.locator("#detail-prompt").innerText(), "third");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#detail-prompt").innerText(), "second");
  await page.keyboard.press("Escape");
  await page.locator("#detail[open]").waitFor({ state: "hidden" });
  // The focus is back where it was.
  assert.equal(await focused(), "card");
  await page.keyboard.press("Enter");
  await tabTo("delete");
  await page.keyboard.press("Enter");
  // The harmless answer has the focus.
  assert.equal(await focused(), "ask-no");
  await tabTo("ask-yes");
  await page.keyboard.press("Enter");
  await shown(page, 2);
  assert.equal(await focused(), "card");
  await close(page);
});

test("it is accessible, and no wider than its window, at 360 and 1400 pixels, dark and light", LIMIT, async () => {
  const long = "Donaudampfschifffahrtsgesellschaftskapitän".repeat(20);
  await daemon.generate({ prompt: long, ...size });
  await daemon.generate({ prompt: "a lake", ...size });
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [{ width: 1400, height: 900 }, { width: 360, height: 740 }]) {
      const page = await open(browser, daemon.url, { colorScheme, viewport, reducedMotion: "reduce" });
      await shown(page, 2);
      await page.locator("summary", { hasText: "AI filters" }).click();
      const what = `${colorScheme} ${viewport.width}`;
      assert.deepEqual(await accessibility(page), [], what);
      assert.equal(await overflow(page), 0, what);
      await cards(page).last().click();
      assert.deepEqual(await accessibility(page), [], `${what}, detail`);
      assert.equal(await overflow(page), 0, `${what}, detail`);
      await page.getByRole("button", { name: "Delete" }).click();
      assert.deepEqual(await accessibility(page), [], `${what}, question`);
      const moving = await page.evaluate(() => document.getAnimations().length);
      assert.equal(moving, 0);
      await close(page);
    }
  }
});
