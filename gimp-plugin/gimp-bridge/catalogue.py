"""The operation catalogue, as far as the plug-in needs it: protocol/ops/*.json. Never imports Gimp."""

import difflib
import glob
import json
import os

from errors import PROTOCOL_DIR, OperationError

COMMON = ("image", "timeout", "instance", "preview", "verify")


class Entry:
    """One `runs: gimp` operation."""

    def __init__(self, row):
        self.name, self.access, self.image = row["name"], row["access"], row["image"]
        self.checkpoint = row.get("checkpoint", self.access != "read" and self.image == "required")
        properties = row["params"].get("properties", {})
        self.known = frozenset(properties)
        self.required = tuple(row["params"].get("required", ()))
        self.defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}

    @property
    def changes(self):
        return self.access != "read"

    def arguments(self, given):
        """(own arguments with defaults, common arguments). The daemon has checked types and ranges."""
        own, common = {}, {}
        for name, value in given.items():
            if name in self.known:
                own[name] = value
            elif name in COMMON:
                common[name] = value
            else:
                raise OperationError(
                    "invalid_argument",
                    f"`{self.name}` has no parameter `{name[:100]}`",
                    hint=self._nearest(name),
                    known=sorted(self.known),
                )
        for name in self.required:
            if name not in own:
                raise OperationError(
                    "invalid_argument", f"`{self.name}` needs the parameter `{name}`", known=sorted(self.known)
                )
        for name, value in self.defaults.items():
            if name not in own:
                # Lists and objects are copied: an operation may change its own
                own[name] = value.copy() if isinstance(value, (list, dict)) else value
        return own, common

    def _nearest(self, name):
        near = difflib.get_close_matches(name, sorted(self.known), 1, 0.5)
        return f"did you mean `{near[0]}`?" if near else f"parameters are {', '.join(sorted(self.known)) or 'none'}"


def load(folder=None):
    """All entries with `runs: gimp`, by name."""
    entries = {}
    for path in sorted(glob.glob(os.path.join(folder or os.path.join(PROTOCOL_DIR, "ops"), "*.json"))):
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["operations"]
        entries.update((row["name"], Entry(row)) for row in rows if row["runs"] == "gimp")
    return entries
