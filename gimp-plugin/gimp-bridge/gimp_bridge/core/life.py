"""The life file of the extension's process: who it is, and why it ended when it ended itself. Never imports Gimp.

`<state folder>/instances/<GIMP's pid>.life` is between the extension, its guard and the daemon that looks after GIMP.
An instance file would not do: it goes when the extension stops to listen, and whoever meets a stale one removes it.
"""

import contextlib
import json
import os
import tempfile

from gimp_bridge.core import instance

_ENDING = ".life"


def path(state_dir, gimp_pid):
    return os.path.join(state_dir, "instances", f"{gimp_pid}{_ENDING}")


def write(state_dir, gimp_pid, ended=None):
    """This process is the extension of that GIMP; `ended` says why it ends itself now."""
    place = path(state_dir, gimp_pid)
    folder = os.path.dirname(place)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".life-", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "ended": ended}, file)
    os.replace(draft, place)


def read(state_dir, gimp_pid):
    """`{"pid", "ended"}`, or None where there is no file that can be read."""
    try:
        with open(path(state_dir, gimp_pid), encoding="utf-8") as file:
            found = json.load(file)
        return found if isinstance(found["pid"], int) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(state_dir, gimp_pid):
    """GIMP quits: there is nothing to start again."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path(state_dir, gimp_pid))


def remove_stale(state_dir):
    """Removes the files of GIMPs that are gone."""
    folder = os.path.join(state_dir, "instances")
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            stem, ending = os.path.splitext(name)
            if ending == _ENDING and stem.isdecimal() and not instance.is_alive(int(stem)):
                remove(state_dir, stem)
