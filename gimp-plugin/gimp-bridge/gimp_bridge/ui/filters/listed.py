"""The daemon's filters as the menu shows them: a file in the state folder that gimp-bridge writes. Never imports Gimp."""

import json
import os

FILE = "filters.json"
FORMAT = 1
KINDS = {"float", "int", "bool", "choice"}


class Listed:
    """`program` is gimp-bridge's executable or None, `filters` a list of dicts as `gimp-bridge filters list --json` has."""

    def __init__(self, program=None, filters=()):
        self.program, self.filters = program, list(filters)


def load(state_dir):
    """What the file says; nothing if it is missing, broken or of another version (a newer daemon writes it anew)."""
    try:
        with open(os.path.join(state_dir, FILE), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return Listed()
    if not isinstance(found, dict) or found.get("version") != FORMAT:
        return Listed()
    program = found.get("program")
    filters = [row for row in found.get("filters", ()) if _usable(row)]
    return Listed(program if isinstance(program, str) and os.path.isabs(program) else None, filters)


def _usable(row):
    texts = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("name", "title", "group", "help"))
    if not texts or not row["name"].replace("-", "").isalnum() or not isinstance(row.get("params"), list):
        return False
    return all(isinstance(p, dict) and isinstance(p.get("name"), str) and p.get("type") in KINDS for p in row["params"])
