// What the page knows of the daemon and of its own caller.

export const state = {
  caller: { name: "", rights: [], anonymous: false },
  /** Whether an image's address is enough to get it. */
  publicImages: false,
  hasBackend: false,
  gimp: { state: "unknown", instances: [] },
};

export const may = (right) => state.caller.rights.includes(right);

/** Whether the images of others can be listed, and any deleted. */
export const seesAll = () => may("generate") && !state.caller.anonymous;

const MOST = 200;
const read = (name) => {
  try {
    const kept = JSON.parse(sessionStorage.getItem(name) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
};

/** A list that outlives a reload of this tab, and nothing else. */
export function kept(name) {
  const entries = read(name);
  const write = () => {
    try {
      sessionStorage.setItem(name, JSON.stringify(entries));
    } catch {
      // The storage is full: the list is still right until the page is left.
    }
  };
  return {
    entries,
    add(entry) {
      entries.unshift(entry);
      entries.length = Math.min(entries.length, MOST);
      write();
    },
    remove(is) {
      const at = entries.findIndex(is);
      if (at >= 0) entries.splice(at, 1);
      write();
    },
  };
}
