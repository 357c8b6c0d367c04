"""The instance file that announces this GIMP. Never imports Gimp."""

import json
import os
import socket
import sys
import tempfile


def announce(state_dir, description):
    """Writes the file for `description` (see protocol/README.md), whole or not at all; returns its path."""
    folder = os.path.join(state_dir, "instances")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(state_dir, 0o700)
    os.chmod(folder, 0o700)
    remove_stale(folder)
    path = os.path.join(folder, f"{description['pid']}.json")
    handle, draft = tempfile.mkstemp(prefix=".instance-", dir=folder)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(description, file)
            file.write("\n")
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    return path


def withdraw(path):
    """Removes an instance file of ours; that it is gone already is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_stale(folder):
    """Removes the files of processes that are gone; leaves what it cannot judge."""
    for name in os.listdir(folder):
        stem, dot, ending = name.partition(".")
        path = os.path.join(folder, name)
        if ending == "json" and stem.isdecimal() and not is_alive(int(stem)) and not answers(path):
            withdraw(path)


def answers(path):
    """Whether the port in an instance file is open: a process that is none here may live in a container's own numbers."""
    try:
        with open(path, encoding="utf-8") as file:
            port = int(json.load(file)["port"])
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False
    return True


def is_alive(pid):
    """Whether a process with that id exists. On Windows every one counts as alive: os.kill would end it there."""
    if sys.platform == "win32" or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
