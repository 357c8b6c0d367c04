"""The operation catalogue, as far as the plug-in needs it: protocol/ops/*.json. Never imports Gimp."""

import difflib
import glob
import json
import os

from gimp_bridge.core.errors import OperationError
from gimp_bridge.core.folders import PROTOCOL_DIR

COMMON = ("image", "timeout", "instance", "preview", "verify", "batch", "files")
SHARED = "shared.json"  # schemas that several operations use by name


class Entry:
    """One `runs: gimp` operation."""

    def __init__(self, row):
        self.name, self.access, self.image = row["name"], row["access"], row["image"]
        self.title, self.places = row.get("title", row["name"]), frozenset(row.get("places", ()))
        self.checkpoint = row.get("checkpoint", self.access != "read" and self.image == "required")
        properties = row["params"].get("properties", {})
        self.order = tuple(properties)
        self.known = frozenset(properties)
        self.common = COMMON
        if row.get("places"):
            self.common += ("units",)
        if row.get("places") or row.get("lengths"):
            self.common += ("from_preview",)
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
            elif name in self.common:
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
    entries, shared = {}, {}
    paths = sorted(glob.glob(os.path.join(folder or os.path.join(PROTOCOL_DIR, "ops"), "*.json")))
    for path in paths:
        if os.path.basename(path) == SHARED:
            shared = _read(path)
    for path in paths:
        if os.path.basename(path) != SHARED:
            rows = expand(_read(path)["operations"], shared)
            entries.update((row["name"], Entry(row)) for row in rows if row["runs"] == "gimp")
    return entries


def expand(value, shared):
    """Puts a shared schema in the place of each `{"use": NAME, …}`; the keys beside `use` win."""
    if isinstance(value, list):
        return [expand(item, shared) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("use"), str):
        value = {**shared[value["use"]], **{key: item for key, item in value.items() if key != "use"}}
    return {key: expand(item, shared) for key, item in value.items()}


def _read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
