// What is around the images: GIMP's state, who calls, the backends, the AI filters, and how to get a backend.

import { call, tool } from "./api.js";
import { $, inWords, make, show } from "./dom.js";
import { may, state } from "./state.js";

const WORDS = {
  connected: "connected", busy: "busy", idle: "ready", outdated: "its plug-in is out of date", laxer: "its policy is laxer than the daemon’s",
  unresponsive: "does not answer", unreachable: "cannot be reached", stopped: "GIMP Bridge was stopped by its user",
};
const WELL = ["connected", "busy", "idle"];

/** Why an image cannot be opened in GIMP, or nothing. */
export function whyNotInGimp() {
  if (!may("edit")) return "Opening in GIMP takes a key with the right edit.";
  if (state.gimp.state === "unknown") return "GIMP’s state is not known yet.";
  if (state.gimp.instances.some((instance) => WELL.includes(instance.state))) return "";
  const [first] = state.gimp.instances;
  return first ? `GIMP ${first.gimp_version}: ${WORDS[first.state] ?? first.state}.` : "No GIMP is running on the daemon’s machine.";
}

function row({ gimp_version: version, headless, state: is }) {
  const where = headless ? "without windows" : "with windows";
  return make("li", { className: WELL.includes(is) ? "dot well" : "dot ill" }, `GIMP ${version}, ${where}: ${WORDS[is] ?? is}`);
}

export function drawGimp() {
  const { instances, state: best } = state.gimp;
  const short = $("gimp-short");
  const [first] = [...instances].sort((a, b) => WELL.includes(b.state) - WELL.includes(a.state));
  short.textContent = first ? `GIMP ${first.gimp_version} ${WORDS[first.state] ?? first.state}` : best === "none" ? "No GIMP" : "";
  short.className = `gimp ${WELL.includes(best) ? "well" : instances.length ? "ill" : ""}`;
  const none = make("p", { className: "note" }, "None is running here. Start GIMP, or ", make("code", {}, "gimp-bridge gimp"),
    " for one of its own; it shows up by itself.");
  $("gimp-state").replaceChildren(instances.length ? make("ul", { className: "plain" }, ...instances.map(row)) : none);
}

export function drawCaller() {
  const { name, rights, anonymous } = state.caller;
  const allowed = rights.length ? rights.join(", ") : "nothing";
  $("who").textContent = anonymous ? `No key: ${allowed}` : name === "local" ? "" : `Key ${name}: ${allowed}`;
}

/** The backends with their models, asked once in a while: each is asked whether it is ready. */
export async function loadBackends() {
  if (!state.hasBackend || !may("generate")) return;
  const { backends } = await tool("list_generation_backends");
  const chosen = $("backend").value;
  const option = ({ name, kind, ready }) => make("option", { value: name }, `${name} (${kind}${ready ? "" : ", not ready"})`);
  $("backend").replaceChildren(make("option", { value: "" }, "Default"), ...backends.map(option));
  $("backend").value = backends.some(({ name }) => name === chosen) ? chosen : "";
  const models = [...new Set(backends.flatMap((backend) => backend.models))].slice(0, 200);
  $("models").replaceChildren(...models.map((model) => make("option", { value: model })));
  $("backends").replaceChildren(...backends.map((backend) => {
    const said = backend.ready ? "ready" : `not ready: ${backend.why}`;
    const place = backend.default ? ", the default" : backend.takes_over ? ", takes over" : "";
    const head = make("div", { className: backend.ready ? "dot well" : "dot ill" }, make("strong", {}, backend.name), ` ${backend.kind}${place}: ${said}`);
    return make("li", {}, head, make("p", { className: "note" }, backend.models.slice(0, 20).join(", ")));
  }));
  $("backends-count").textContent = `${backends.length}`;
  show($("backends-part"), true);
}

export async function loadFilters() {
  if (!may("read")) {
    $("filters-why").textContent = "Listing them takes a key with the right read.";
    return;
  }
  try {
    const { filters, unusable = [] } = await call("list_ai_filters", {});
    const rows = filters.map(({ title, name, help }) =>
      make("li", {}, make("strong", {}, title), " ", make("code", {}, name), make("p", { className: "note" }, help)));
    const ill = unusable.map(({ filter, why }) =>
      make("li", { className: "dot ill" }, make("span", {}, make("strong", {}, filter), ` cannot be used: ${why}`)));
    $("filters").replaceChildren(...rows, ...ill);
    $("filters-count").textContent = `${filters.length}`;
    $("filters-why").textContent = "";
  } catch (error) {
    $("filters-why").textContent = inWords(error);
  }
}

/** In place of the form, where nothing generates. */
export function drawNoBackend() {
  const code = (text) => make("pre", { tabIndex: 0 }, text);
  const note = (...parts) => make("p", { className: "note" }, ...parts);
  $("no-backend").replaceChildren(
    make("p", {}, "No backend that generates images is configured. The daemon works without one; to make images from words, start it with the address of a server of yours."),
    note("A model on KServe:"),
    code("KSERVE_ENDPOINT=http://localhost:8080/v1/models/stable-diffusion gimp-bridge serve"),
    note("Automatic1111 or Forge, in a file ", make("code", {}, "backends.toml"), " (other kinds: ", make("code", {}, "openai"), ", ",
      make("code", {}, "comfyui"), " with a workflow, ", make("code", {}, "oip-v2"), "):"),
    code('[[backend]]\nname = "home"\nkind = "a1111"\nurl = "http://127.0.0.1:7860"'),
    code("GIMP_BRIDGE_GENERATE_BACKENDS=backends.toml gimp-bridge serve"),
  );
}
