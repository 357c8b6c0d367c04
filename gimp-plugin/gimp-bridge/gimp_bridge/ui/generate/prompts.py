"""The prompts that a person gave before, newest first: a file in the state folder, for the dialogs alone.

Never imports Gimp. A file that cannot be read counts as empty, and one that cannot be written loses a prompt: it is a
convenience."""

import json
import os
import sys
import tempfile

from gimp_bridge.ui.generate.kinds import MOST_LETTERS, MOST_SEED

FILE = "prompts.json"
MOST = 50
SHOWN_LETTERS = 60


class History:
    """`prompts` is a list of (prompt, negative prompt), `seed` the last one that was used, or None."""

    def __init__(self, state_dir):
        self._path = os.path.join(state_dir, FILE)
        self.prompts, self.seed = [], None
        self._load()

    def _load(self):
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError, RecursionError):
            return
        if not isinstance(found, dict):
            return
        rows = found.get("prompts") if isinstance(found.get("prompts"), list) else []
        self.prompts = [tuple(row) for row in rows if _usable(row)][:MOST]
        seed = found.get("seed")
        if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= MOST_SEED:
            self.seed = seed

    def add(self, prompt, negative):
        """Puts a prompt to the front; one that was there moves."""
        row = (prompt.strip()[:MOST_LETTERS], negative.strip()[:MOST_LETTERS])
        self._load()  # another GIMP may have added some
        if row[0]:
            self.prompts = [row] + [other for other in self.prompts if other != row][: MOST - 1]
            self._save()

    def used(self, seed):
        """Keeps the seed of the last picture; None: it is not known."""
        self.seed = seed
        self._save()

    def clear(self):
        self.prompts = []
        self._save()

    def _save(self):
        folder = os.path.dirname(self._path)
        new = None
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            handle, new = tempfile.mkstemp(prefix=".prompts-", dir=folder)  # readable by its owner only
            with open(handle, "w", encoding="utf-8") as file:
                json.dump({"prompts": self.prompts, "seed": self.seed}, file, ensure_ascii=False)
            os.replace(new, self._path)
        except OSError as error:
            print(f"gimp-bridge: the prompts are not kept: {error}", file=sys.stderr, flush=True)
            if new is not None and os.path.exists(new):
                os.unlink(new)


def shown(row):
    """A row of the history in a menu."""
    text = " ".join(row[0].split())
    return text if len(text) <= SHOWN_LETTERS else text[: SHOWN_LETTERS - 1].rstrip() + "…"


def _usable(row):
    return (
        isinstance(row, list)
        and len(row) == 2
        and all(isinstance(text, str) and len(text) <= MOST_LETTERS for text in row)
        and bool(row[0].strip())
    )
