// Calls that run: those of this key, and those that this page began.

import { json, result } from "./api.js";
import { $, fold, inWords, make, say, show } from "./dom.js";
import { kept, state } from "./state.js";

/** `{job, params, open}` of what this page began and has not seen the end of. */
const own = kept("gimp-bridge.jobs");
/** `{job, params, prompt, message}` of those that failed, until they are dismissed. */
const failed = new Map();
const rows = new Map();
let hooks = { made: () => {}, again: () => {}, soon: () => {} };

export const setUp = (given) => {
  hooks = given;
};

/** `open`: the images go into GIMP once they are there. `into` would make them a session's, which ends. */
export function began(job, params, open) {
  own.add({ job, params, open });
  draw([{ job, status: "running", method: "generate_image", prompt: params.prompt, seconds: 0 }, ...running()]);
  hooks.soon();
}

let last = [];
const running = () => last;
export const areRunning = () => last.length > 0 || own.entries.length > 0;

/** Asks how far they are, and takes what has ended. */
export async function refresh() {
  const told = state.caller.anonymous ? [] : (await json("GET", "jobs")).jobs;
  const now = new Map(told.filter(isOn).map((info) => [info.job, info]));
  for (const entry of [...own.entries]) {
    if (now.has(entry.job)) continue;
    const info = await json("GET", `jobs/${entry.job}`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    if (info && isOn(info)) now.set(info.job, info);
    else ended(entry, info);
  }
  draw([...now.values()]);
}

const isOn = ({ status }) => status === "running" || status === "cancelling";

function ended(entry, info) {
  own.remove(({ job }) => job === entry.job);
  const prompt = entry.params.prompt;
  if (info === null) {
    failed.set(entry.job, { ...entry, prompt, message: "The daemon knows nothing of it any more: it may have been started again." });
    return;
  }
  // Its answer is here: the daemon need not keep it.
  json("DELETE", `jobs/${entry.job}`).catch(() => {});
  try {
    const found = result(info.response);
    const images = found.images ?? [{ image_id: found.image_id, url: found.url, metadata: found.metadata }];
    const notes = [...(found.notes ?? [])];
    if (entry.open) openAll(images);
    say(notes.length ? `Made, but: ${notes.join("; ")}` : images.length === 1 ? "The image is there." : `${images.length} images are there.`);
    hooks.made(images);
  } catch (error) {
    if (info.status === "cancelled" || error.kind === "cancelled") say("Cancelled.");
    else {
      failed.set(entry.job, { ...entry, prompt, message: inWords(error) });
      say("");
    }
  }
}

async function openAll(images) {
  for (const { image_id: id } of images) {
    try {
      await json("POST", `images/${id}/open`);
    } catch (error) {
      say(`It is stored, but not in GIMP: ${inWords(error)}`);
      return;
    }
  }
  say("It is open in GIMP.");
}

async function cancel(info) {
  try {
    await json("DELETE", `jobs/${info.job}`);
  } catch (error) {
    say(inWords(error));
  }
  hooks.soon();
}

function name(info) {
  return info.prompt ? fold(info.prompt, 120) : info.method;
}

function row(info) {
  const bar = make("progress", { max: 1, "aria-label": "Progress" });
  const text = make("span", { className: "note" });
  const stop = make("button", { type: "button", "aria-label": `Cancel: ${name(info)}`, on: { click: () => cancel(info) } }, "Cancel");
  const element = make("li", { "data-job": info.job }, make("p", { className: "words", title: name(info) }, name(info)),
    make("div", { className: "how-far" }, bar, text), make("div", { className: "buttons" }, stop));
  const update = ({ status, progress, seconds }) => {
    const share = (progress?.progress ?? 0) / (progress?.total || 1);
    // Without a report it is not known how far it is.
    if (share > 0) bar.value = share;
    else bar.removeAttribute("value");
    const doing = status === "cancelling" ? "cancelling" : share > 0 ? `${Math.round(share * 100)} %` : progress?.message ?? "waiting";
    text.textContent = `${doing}, ${Math.round(seconds)} s`;
    stop.disabled = status === "cancelling";
  };
  return { element, update };
}

function failedRow(entry) {
  const { job, prompt, message, params } = entry;
  const gone = () => {
    failed.delete(job);
    draw(last);
  };
  const again = () => {
    gone();
    hooks.again(params);
  };
  return make("li", { className: "failed", "data-job": job }, make("p", { className: "words" }, fold(prompt, 120)),
    make("p", { className: "error", role: "alert" }, message),
    make("div", { className: "buttons" }, make("button", { type: "button", on: { click: again } }, "Change and try again"),
      make("button", { type: "button", "aria-label": `Dismiss: ${fold(prompt, 60)}`, on: { click: gone } }, "Dismiss")));
}

function draw(infos) {
  last = infos;
  const list = $("jobs");
  for (const [job, { element }] of rows) {
    if (!infos.some((info) => info.job === job)) {
      element.remove();
      rows.delete(job);
    }
  }
  for (const info of infos) {
    if (!rows.has(info.job)) {
      rows.set(info.job, row(info));
      list.append(rows.get(info.job).element);
    }
    rows.get(info.job).update(info);
  }
  for (const element of list.querySelectorAll(".failed")) if (!failed.has(element.dataset.job)) element.remove();
  for (const [job, entry] of failed) {
    if (!list.querySelector(`[data-job="${CSS.escape(job)}"]`)) list.append(failedRow(entry));
  }
  show($("jobs-part"), infos.length + failed.size > 0);
  $("jobs-title").textContent = infos.length ? `Running (${infos.length})` : "Failed";
}
