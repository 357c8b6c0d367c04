// An image's bytes: by its address where that is enough, else fetched with the key.

import { ask, image } from "./api.js";
import { state } from "./state.js";

/** Fetches at once; more wait. */
const AT_ONCE = 4;
const waiting = [];
let busy = 0;

function next() {
  while (busy < AT_ONCE && waiting.length) {
    busy += 1;
    waiting.shift()().finally(() => {
      busy -= 1;
      next();
    });
  }
}

/** Shows an image of this width in an `img`; `failed` hears when it cannot be had. */
export function fill(picture, id, width, failed) {
  drop(picture);
  picture.dataset.id = id;
  const path = image(id, width);
  picture.onerror = () => failed();
  if (state.publicImages) {
    picture.loading = "lazy";
    picture.src = path;
    return;
  }
  waiting.push(async () => {
    if (picture.dataset.id !== id) return;
    try {
      const blob = await (await ask("GET", path)).blob();
      if (picture.dataset.id !== id) return;
      picture.src = URL.createObjectURL(blob);
    } catch {
      failed();
    }
  });
  next();
}

/** Gives back what an `img` holds. */
export function drop(picture) {
  delete picture.dataset.id;
  if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
}

/** Saves the file itself, under the name that it has. */
export async function download({ image_id: id, metadata }) {
  const name = `${id}.${metadata.format ?? "png"}`;
  const blob = state.publicImages ? null : await (await ask("GET", image(id))).blob();
  const link = document.createElement("a");
  link.href = blob ? URL.createObjectURL(blob) : image(id);
  link.download = name;
  link.click();
  if (blob) setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
