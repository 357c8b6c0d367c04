// The images: a page of them, searched, newest first.

import { json } from "./api.js";
import * as detail from "./detail.js";
import * as files from "./files.js";
import { $, fold, inWords, make, show, when } from "./dom.js";
import { kept, seesAll, state } from "./state.js";

const PAGE = 48;
const THUMB = 320;
/** What this page made where nothing can be listed. */
const own = kept("gimp-bridge.made");
const cards = new Map();
let shown = [];
let offset = 0;
let total = 0;
let asked = 0;

const query = () => ({ prompt: $("find").value.trim(), model: $("find-model").value.trim() });

async function page() {
  const { prompt, model } = query();
  if (seesAll()) {
    const search = new URLSearchParams({ offset, limit: PAGE });
    if (prompt) search.set("prompt", prompt);
    if (model) search.set("model", model);
    return json("GET", `images?${search}`);
  }
  const has = (text, part) => (text ?? "").toLowerCase().includes(part.toLowerCase());
  const living = own.entries.filter(({ metadata }) => Date.parse(metadata.expires) > Date.now());
  const images = living.filter(({ metadata }) => has(metadata.prompt, prompt) && has(metadata.model, model));
  return { images: images.slice(offset, offset + PAGE), total: images.length };
}

/** Asks for the page again; an answer that a later question has overtaken is dropped. */
export async function load() {
  const turn = ++asked;
  let found;
  try {
    found = await page();
  } catch (error) {
    if (turn === asked) note(inWords(error));
    throw error;
  }
  if (turn !== asked) return;
  if (!found.images.length && offset > 0 && found.total > 0) {
    offset = Math.floor((found.total - 1) / PAGE) * PAGE;
    return load();
  }
  total = found.total;
  note([seesAll() ? "" : why(), ...(found.notes ?? [])].filter(Boolean).join(" "));
  draw(found.images);
}

function why() {
  return state.caller.rights.includes("generate")
    ? "The list of all images takes a key with the right generate. What this tab makes is shown here."
    : "The list of images takes a key with the right generate.";
}

function note(text) {
  $("list-note").textContent = text;
  show($("list-note"), text !== "");
}

const meta = ({ width, height, created }) => `${width} × ${height} · ${when(created)}`;

function card(entry) {
  const { image_id: id, metadata } = entry;
  const picture = make("img", { alt: "", decoding: "async" });
  const thumb = make("span", { className: "thumb" }, picture);
  const told = make("span", { className: "meta" }, meta(metadata));
  const button = make("button", { type: "button", className: "card", "data-id": id, on: { click: () => open(id) } }, thumb,
    make("span", { className: "words" }, fold(metadata.prompt ?? "Without a prompt", 300)), told);
  let tries = 0;
  const failed = () => {
    // Many at once may be more than the daemon takes at a time.
    tries += 1;
    if (tries < 7) setTimeout(() => cards.get(id)?.picture === picture && files.fill(picture, id, THUMB, failed), 1500 * tries);
    else thumb.replaceChildren("No preview");
  };
  files.fill(picture, id, THUMB, failed);
  return { element: make("li", {}, button), button, picture, told };
}

function draw(images) {
  const focused = document.activeElement?.dataset?.id;
  const before = shown.map(({ image_id: id }) => id).join();
  shown = images;
  for (const [id, { picture }] of cards) {
    if (!images.some(({ image_id }) => image_id === id)) {
      files.drop(picture);
      cards.delete(id);
    }
  }
  for (const entry of images) {
    const known = cards.get(entry.image_id);
    if (known) known.told.textContent = meta(entry.metadata);
    else cards.set(entry.image_id, card(entry));
  }
  if (images.map(({ image_id: id }) => id).join() !== before) {
    $("grid").replaceChildren(...images.map(({ image_id: id }) => cards.get(id).element));
    if (focused) cards.get(focused)?.button.focus();
  }
  drawPages();
  drawEmpty();
}

function drawPages() {
  $("total").textContent = total ? `${total}` : "";
  $("page").textContent = total ? `${offset + 1} to ${offset + shown.length} of ${total}` : "";
  show($("pages"), total > PAGE);
  $("newer").disabled = offset === 0;
  $("older").disabled = offset + PAGE >= total;
}

function drawEmpty() {
  const { prompt, model } = query();
  const empty = shown.length === 0;
  show($("empty"), empty);
  if (!empty) return;
  $("empty").textContent = prompt || model
    ? "No image matches."
    : state.hasBackend && state.caller.rights.includes("generate")
      ? "No images yet. Describe one and press Generate."
      : "No images yet.";
}

const at = (id) => shown.findIndex(({ image_id }) => image_id === id);

export function open(id) {
  const index = at(id);
  if (index < 0) return;
  detail.open(shown[index], { newer: shown[index - 1]?.image_id, older: shown[index + 1]?.image_id });
}

/** After an image was deleted: its neighbour has the focus. */
export async function removed(id) {
  const index = at(id);
  const next = (shown[index + 1] ?? shown[index - 1])?.image_id;
  own.remove(({ image_id }) => image_id === id);
  await load();
  (cards.get(next)?.button ?? $("pictures")).focus();
}

/** Images that a job of this page has made. */
export function made(images) {
  if (!seesAll()) images.toReversed().forEach((entry) => own.add(entry));
  offset = 0;
  return load();
}

function turn(by) {
  offset = Math.max(0, offset + by * PAGE);
  return load().then(() => $("pictures").focus()).catch(() => {});
}

export const onFirst = () => offset === 0;

export function setUp() {
  let typing;
  const search = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      offset = 0;
      load().catch(() => {});
    }, 250);
  };
  for (const field of ["find", "find-model"]) $(field).addEventListener("input", search);
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  $("newer").addEventListener("click", () => turn(-1));
  $("older").addEventListener("click", () => turn(1));
}
