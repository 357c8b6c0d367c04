// Begins the page, asks for the key where one is needed, and keeps what is shown true.

import { json, key } from "./api.js";
import * as around from "./around.js";
import * as detail from "./detail.js";
import { $, inWords, say, show } from "./dom.js";
import * as form from "./form.js";
import * as jobs from "./jobs.js";
import * as pictures from "./pictures.js";
import { may, state } from "./state.js";

/** Milliseconds between looks: at jobs while some run, at who asks and GIMP, at the list, which costs a bucket more. */
const SOON = 900;
const LATER = 10_000;
const LISTED = 30_000;
let timer;
let inside = false;

/** Who asks, and how GIMP is. False: a key is needed. */
async function look() {
  const health = await json("GET", "health");
  if (!health.caller) return false;
  state.caller = health.caller;
  state.hasBackend = Boolean(health.generation);
  state.publicImages = Boolean(health.generation?.public_images);
  state.gimp = health.gimp;
  around.drawCaller();
  around.drawGimp();
  form.drawInto();
  detail.draw();
  return true;
}

function lock(why) {
  inside = false;
  clearTimeout(timer);
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show($("room"), false);
  show($("door"), true);
  show($("give-key"), false);
  show($("forget-key"), false);
  show($("key-back"), false);
  $("who").textContent = "";
  $("gimp-short").textContent = "";
  $("key-error").textContent = why;
  $("key").value = "";
  $("key").focus();
}

/** The page for who may see it. */
async function enter() {
  let allowed;
  try {
    allowed = await look();
  } catch (error) {
    if (error.status !== 401) return trouble(error);
    const had = key.get() !== null;
    key.forget();
    return lock(had ? "The daemon does not know this key." : "");
  }
  trouble(null);
  if (!allowed) return lock("");
  inside = true;
  show($("door"), false);
  show($("room"), true);
  show($("forget-key"), key.get() !== null);
  show($("give-key"), key.get() === null && state.caller.name !== "local");
  const makes = state.hasBackend && may("generate");
  show($("make"), makes);
  show($("no-backend"), !makes);
  if (!state.hasBackend) around.drawNoBackend();
  else if (!makes) $("no-backend").textContent = "Generating takes a key with the right generate.";
  await Promise.allSettled([pictures.load(), around.loadBackends(), around.loadFilters()]);
  return tick();
}

function trouble(error) {
  show($("trouble"), error !== null);
  if (error !== null) $("trouble").textContent = `${inWords(error)} Trying again.`;
  if (error !== null && !inside) {
    clearTimeout(timer);
    timer = setTimeout(enter, LATER / 2);
  }
}

let looked = 0;
let listed = Date.now();
let ticking = false;
/** One round of questions, and the next one after a while. */
async function tick() {
  if (ticking || !inside) return;
  ticking = true;
  clearTimeout(timer);
  try {
    if (!document.hidden) {
      await jobs.refresh();
      if (Date.now() - looked > LATER - SOON) {
        looked = Date.now();
        if (!(await look())) throw Object.assign(new Error("a key is needed"), { status: 401 });
      }
      if (Date.now() - listed > LISTED && pictures.onFirst()) {
        listed = Date.now();
        await pictures.load();
      }
      trouble(null);
    }
  } catch (error) {
    if (error.status === 401) {
      key.forget();
      return lock("The key is not accepted any more.");
    }
    trouble(error);
  } finally {
    ticking = false;
    if (inside) timer = setTimeout(tick, jobs.areRunning() ? SOON : LATER);
  }
}

const soon = () => {
  clearTimeout(timer);
  timer = setTimeout(tick, 150);
};

jobs.setUp({
  made: (images) => pictures.made(images).catch((error) => say(inWords(error))),
  again: form.fill,
  soon,
});
detail.setUp({ open: pictures.open, again: form.fill, removed: pictures.removed });
form.setUp();
pictures.setUp();
document.addEventListener("visibilitychange", () => !document.hidden && soon());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = $("key").value.trim();
  // Anything else is none, and no header could carry it.
  if (!/^[\x21-\x7e]+$/.test(given)) return lock("A key has letters, digits and signs, and no blanks.");
  key.use(given);
  enter();
});
$("give-key").addEventListener("click", () => {
  lock("");
  show($("key-back"), true);
});
$("key-back").addEventListener("click", enter);
$("forget-key").addEventListener("click", () => {
  // What was made with it is forgotten as well.
  sessionStorage.clear();
  location.reload();
});
enter();
