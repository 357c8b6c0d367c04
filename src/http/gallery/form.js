// The form that asks for images.

import { begin } from "./api.js";
import { whyNotInGimp } from "./around.js";
import { $, inWords, say } from "./dom.js";
import * as jobs from "./jobs.js";
import { seesAll } from "./state.js";

const NUMBERS = ["width", "height", "num_inference_steps", "guidance_scale", "seed", "count"];
const TEXTS = ["prompt", "negative_prompt", "model", "backend"];
const form = () => $("make");

/** The parameters of `generate_image`, without what was left empty. */
function wanted() {
  const fields = form().elements;
  const params = {};
  for (const name of TEXTS) if (fields[name].value.trim()) params[name] = fields[name].value;
  for (const name of NUMBERS) if (fields[name].value !== "") params[name] = Number(fields[name].value);
  return params;
}

/** Fills the form with what an image was made with; `seed` null: any. */
export function fill(params) {
  const fields = form().elements;
  for (const name of [...TEXTS, ...NUMBERS]) {
    const value = params[name];
    if (value !== undefined && value !== null) fields[name].value = value;
    else if (["negative_prompt", "model", "backend", "seed"].includes(name)) fields[name].value = "";
  }
  fields.count.value = params.count ?? 1;
  $("more").open = true;
  fields.prompt.focus();
  form().scrollIntoView({ block: "nearest" });
}

export function drawInto() {
  const why = whyNotInGimp() || (seesAll() ? "" : "Opening images takes a key with the right generate.");
  $("into").disabled = why !== "";
  $("into-why").textContent = why;
}

async function submit(event) {
  event.preventDefault();
  const { prompt } = form().elements;
  prompt.setCustomValidity(prompt.value.trim() ? "" : "Say what the image shows.");
  if (!form().reportValidity()) return;
  const button = $("make-button");
  const params = wanted();
  button.disabled = true;
  $("make-error").textContent = "";
  try {
    const { job } = await begin("generate_image", params);
    jobs.began(job, params, $("into").checked && !$("into").disabled);
    say("Started. Progress is under Running.");
  } catch (error) {
    $("make-error").textContent = inWords(error);
  } finally {
    button.disabled = false;
  }
}

export function setUp() {
  form().addEventListener("submit", submit);
  $("prompt").addEventListener("input", () => $("prompt").setCustomValidity(""));
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form().requestSubmit();
  });
  // On a narrow screen the images come first, and the details when they are asked for.
  if (matchMedia("(max-width: 60rem)").matches) $("more").open = false;
}
