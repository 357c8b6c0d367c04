"""The plug-in's settings: `plugin.json` in the state folder, then GIMP's environment. Never imports Gimp.

A bad value is an error that names its place, and the plug-in does not listen until it is mended: a policy that
cannot be read must not fall back to a laxer one.
"""

import dataclasses
import json
import os
import re
import sys

from gimp_bridge.core.folders import PLUGIN_DIR

NAME = "gimp-bridge"


class SettingsError(Exception):
    """One or more bad settings; the text has one line for each."""


LOCATION = os.path.join(PLUGIN_DIR, "location.json")


def state_dir(environ=os.environ, platform=sys.platform, location=LOCATION):
    """Where the secret, the settings and the instance files are.

    `gimp-bridge install` writes `location` beside the plug-in: inside a sandbox the folders below have other places.
    """
    if environ.get("GIMP_BRIDGE_STATE_DIR"):
        return environ["GIMP_BRIDGE_STATE_DIR"]
    if os.path.isfile(location):
        with open(location, encoding="utf-8") as file:
            return json.load(file)["state_dir"]
    home = environ.get("HOME") or os.path.expanduser("~")
    if platform == "darwin":
        return os.path.join(home, "Library", "Application Support", NAME)
    if platform == "win32":
        return os.path.join(environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), NAME)
    return os.path.join(environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state"), NAME)


@dataclasses.dataclass(frozen=True)
class Settings:
    """`auto_disconnect` and `restart_after` are seconds or False; `folders` None allows every folder."""

    port: int = 9877
    auto_disconnect: object = 300
    exec: bool = True
    read_only: bool = False
    folders: object = None
    checkpoints: int = 20
    checkpoint_memory_mb: int = 1024
    restart_after: object = 60
    private: tuple = ()  # folders with the bridge's secret and GIMP's own settings; not a key of the file

    @property
    def bound(self):
        """Whether a policy binds the caller: then only what the tables of policy/rules.py name is allowed."""
        return not self.exec or self.read_only or self.folders is not None

    def binding(self):
        """Which policy binds, for messages."""
        if self.folders == []:
            return "this caller may not name files"
        found = [name for name, on in (("`read_only` is on", self.read_only), ("`exec` is off", not self.exec),
                                       ("`folders` is set", self.folders is not None)) if on]  # fmt: skip
        return "the policy of this GIMP forbids that: " + ", ".join(found)

    def policy(self):
        """What the handshake and `get_gimp_info` show."""
        return {
            "exec": self.exec,
            "read_only": self.read_only,
            "folders": self.folders,
            "auto_disconnect": self.auto_disconnect,
            "checkpoints": self.checkpoints,
        }


def _integer(low, high):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"must be an integer from {low} to {high}"
        return None

    return check


def _boolean(value):
    return None if isinstance(value, bool) else "must be true or false"


def _seconds(value):
    if isinstance(value, bool):
        return None
    if not isinstance(value, (int, float)) or not 1 <= value <= 31536000:
        return "must be true, false or seconds from 1 to 31536000"
    return None


def _folders(value):
    if value is None:
        return None
    if not isinstance(value, list) or not all(
        isinstance(f, str) and (os.path.isabs(f) or f.startswith("~")) for f in value
    ):
        return "must be null or a list of absolute folders"
    return None


# What Kubernetes puts into GIMP_BRIDGE_PORT for a Service of that name
_SERVICE = re.compile(r"\s*(tcp|udp|sctp)://.*:\d+\s*$")
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SWITCHES = ("exec", "read_only")
_SPANS = ("auto_disconnect", "restart_after")

_CHECKS = {
    "port": _integer(0, 65535),
    "auto_disconnect": _seconds,
    "exec": _boolean,
    "read_only": _boolean,
    "folders": _folders,
    "checkpoints": _integer(0, 1000),
    "checkpoint_memory_mb": _integer(16, 1048576),
    "restart_after": _seconds,
}


# What holds where no daemon has written the file yet
_UNWRITTEN = {"exec": False, "read_only": True}


def load(folder, environ=os.environ):
    """The settings in `folder`, overridden by `GIMP_BRIDGE_<KEY>`; raises SettingsError.

    Without the file only reading is allowed, and where one place sets `folders` without `exec`, code is off: Python
    knows no folders.
    """
    path = os.path.join(folder, "plugin.json")
    values, problems = {}, []
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
        if not isinstance(given, dict):
            raise ValueError("must be a JSON object")
    except FileNotFoundError:
        given = _UNWRITTEN
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"`{path}`: {error}") from error
    if given.get("folders") is not None and "exec" not in given:
        given = {**given, "exec": False}
    for key, value in given.items():
        if key not in _CHECKS:
            problems.append(f"`{path}`: unknown key `{key}`; known are {', '.join(_CHECKS)}")
        else:
            values[key] = (f"`{path}`: `{key}`", value)
    for key in _CHECKS:
        name = f"GIMP_BRIDGE_{key.upper()}"
        if environ.get(name) and not (key == "port" and _SERVICE.match(environ[name])):
            values[key] = (f"environment variable `{name}`", _from_text(key, environ[name]))
    limited = values.get("folders", ("", None))[1] is not None
    if limited and bool(environ.get("GIMP_BRIDGE_FOLDERS")) != bool(environ.get("GIMP_BRIDGE_EXEC")):
        # Not the same place: there `exec` may be off, but not on
        allowed = not environ.get("GIMP_BRIDGE_FOLDERS") and given.get("exec") is True
        if not allowed and values.get("exec", ("", True))[1] is True:
            values["exec"] = (values["folders"][0], False)
    for key, (place, value) in values.items():
        if problem := _CHECKS[key](value):
            problems.append(f"{place} {problem}, not `{json.dumps(value)[:100]}`")
    if problems:
        raise SettingsError("\n".join(problems))
    # True stands for the usual seconds
    return Settings(**{key: value for key, (_, value) in values.items() if not (value is True and key in _SPANS)})


def _from_text(key, text):
    """An environment variable's value as the daemon reads it: its words for yes and no, JSON where it is JSON, and for
    folders a path list."""
    word = text.strip().lower()
    # 1 is one second
    if word in _WORDS and (key in _SWITCHES or key in _SPANS and word != "1"):
        return _WORDS[word]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [part for part in text.split(os.pathsep) if part] if key == "folders" else text
