// Elements, without markup: whatever a prompt says stays text.

export const $ = (id) => document.getElementById(id);

/** An element with properties, `aria-…` and `data-…` attributes, `on` listeners, and children that are nodes or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const show = (element, shown) => {
  element.hidden = !shown;
};

let silence;
/** Says what happened, to eyes and to screen readers, for some seconds. */
export function say(text, where = $("said")) {
  where.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => {
    where.textContent = "";
  }, 8000);
}

/** An error and what to do about it, in one line. */
export const inWords = ({ message, hint }) => [message, hint].filter(Boolean).map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");

/** A text that scrolls is reached with the keyboard. */
export function reachable(element) {
  if (element.scrollHeight > element.clientHeight) element.tabIndex = 0;
  else element.removeAttribute("tabindex");
}

export function fold(text, most) {
  const plain = text.replace(/\s+/g, " ").trim();
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
/** Such as `5 minutes ago`, `in 3 hours`. */
export function when(text) {
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return "?";
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return seconds < 0 ? "just now" : "in less than a minute";
}

export function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
