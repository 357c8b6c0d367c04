// One image, large: what it was made with, and what can be done with it.

import { image, json } from "./api.js";
import { whyNotInGimp } from "./around.js";
import { $, fold, inWords, make, reachable, say, show, size, when } from "./dom.js";
import * as files from "./files.js";
import { may, seesAll, state } from "./state.js";

const WIDE = 1024;
let hooks = { open: () => {}, again: () => {}, removed: async () => {} };
let entry = null;
let beside = {};

const here = (text) => say(text, $("detail-said"));

function facts(metadata) {
  const { width, height, requested_width: w, requested_height: h } = metadata;
  const asked = w && (w !== width || h !== height) ? ` (asked for ${w} × ${h})` : "";
  const rows = [
    ["Without", metadata.negative_prompt], ["Size", `${width} × ${height}${asked}, ${size(metadata.bytes)}`],
    ["Steps", metadata.num_inference_steps], ["Guidance", metadata.guidance_scale], ["Seed", metadata.seed ?? "unknown"],
    ["Backend", metadata.backend], ["Model", metadata.model], ["Took", metadata.seconds === undefined ? null : `${metadata.seconds} s`],
    ["Made", `${when(metadata.created)} (${new Date(metadata.created).toLocaleString()})`], ["Expires", when(metadata.expires)],
  ];
  const given = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, `${value}`)]);
}

/** A button that says why it does nothing. */
function unless(button, why) {
  $(button).disabled = why !== "";
  $(`${button}-why`).textContent = why;
}

export function draw() {
  if (!entry) return;
  const { metadata } = entry;
  const canMake = state.hasBackend && may("generate");
  unless("open", whyNotInGimp() || (seesAll() ? "" : "Opening it takes a key with the right generate."));
  const seeds = canMake ? "" : "There is no backend, or no right, to make it again.";
  unless("again", seeds || (Number.isInteger(metadata.seed) ? "" : "The backend did not tell the seed that it used."));
  unless("delete", seesAll() ? "" : "Deleting takes a key with the right generate.");
  $("anew").disabled = !canMake;
  $("detail-newer").disabled = !beside.newer;
  $("detail-older").disabled = !beside.older;
}

export function open(given, neighbours) {
  entry = given;
  beside = neighbours;
  const { image_id: id, metadata } = entry;
  $("detail-prompt").textContent = metadata.prompt ?? "";
  $("detail-facts").replaceChildren(...facts(metadata));
  $("detail-notes").replaceChildren(...(metadata.notes ?? []).map((note) => make("li", {}, note)));
  $("detail-said").textContent = "";
  show($("link-field"), false);
  const picture = $("detail-picture");
  picture.alt = fold(metadata.prompt ?? "the image", 200);
  picture.width = metadata.width;
  picture.height = metadata.height;
  files.fill(picture, id, metadata.width > WIDE ? WIDE : undefined, () => here("The image cannot be shown: it may have expired."));
  draw();
  if (!$("detail").open) $("detail").showModal();
  reachable($("detail-prompt"));
}

function params(seed) {
  const { prompt, negative_prompt, width, height, requested_width, requested_height, num_inference_steps, guidance_scale, backend, model } =
    entry.metadata;
  const known = [...$("backend").options].some(({ value }) => value === backend);
  return {
    prompt, negative_prompt, width: requested_width ?? width, height: requested_height ?? height, num_inference_steps, guidance_scale, seed,
    // A backend that is gone makes nothing again, and its models go with it.
    backend: known ? backend : undefined, model: known ? model : undefined,
  };
}

function again(seed) {
  const wanted = params(seed);
  $("detail").close();
  hooks.again(wanted);
}

async function copy() {
  // The address that the daemon names: it may be the bucket's own.
  const link = new URL(entry.url ?? image(entry.image_id), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    here("The link is copied.");
  } catch {
    // Only pages of a safe origin may write there.
    show($("link-field"), true);
    $("link").value = link;
    $("link").select();
    here("Copy it from the field.");
  }
}

async function openInGimp() {
  const button = $("open");
  button.disabled = true;
  here("Opening…");
  try {
    const { name, message } = await json("POST", `images/${entry.image_id}/open`);
    here(message && message !== "Done" ? message : `Opened in GIMP${name ? ` as ${name}` : ""}.`);
  } catch (error) {
    here(inWords(error));
  } finally {
    draw();
  }
}

function askToDelete() {
  $("ask-what").textContent = entry.metadata.prompt ?? entry.image_id;
  $("ask-error").textContent = "";
  $("ask").showModal();
  reachable($("ask-what"));
  $("ask-no").focus();
}

async function remove() {
  const { image_id: id } = entry;
  $("ask-yes").disabled = true;
  try {
    await json("DELETE", `images/${id}`).catch((error) => {
      // Gone already is what was wanted.
      if (error.status !== 404) throw error;
    });
    $("ask").close();
    $("detail").close();
    say("Deleted.");
    await hooks.removed(id);
  } catch (error) {
    $("ask-error").textContent = inWords(error);
  } finally {
    $("ask-yes").disabled = false;
  }
}

export function setUp(given) {
  hooks = given;
  const on = (id, act) => $(id).addEventListener("click", act);
  on("detail-close", () => $("detail").close());
  on("detail-newer", () => hooks.open(beside.newer));
  on("detail-older", () => hooks.open(beside.older));
  on("download", () => files.download(entry).catch((error) => here(inWords(error))));
  on("copy", copy);
  on("open", openInGimp);
  on("again", () => again(entry.metadata.seed));
  on("anew", () => again(null));
  on("delete", askToDelete);
  on("ask-no", () => $("ask").close());
  on("ask-yes", remove);
  $("detail").addEventListener("close", () => {
    files.drop($("detail-picture"));
    entry = null;
  });
  $("detail").addEventListener("keydown", (event) => {
    if (event.target.matches("input") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft" && beside.newer) hooks.open(beside.newer);
    if (event.key === "ArrowRight" && beside.older) hooks.open(beside.older);
  });
  // A click beside it closes it.
  $("detail").addEventListener("click", (event) => event.target === $("detail") && $("detail").close());
}
