"""The user's Stop, kept on disk: a profile that was stopped stays so until its user starts it. Never imports Gimp."""

import contextlib
import hashlib
import json
import os
import time


def _path(state_dir, profile):
    name = hashlib.sha256(profile.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return os.path.join(state_dir, "stopped", f"{name}.json")


def is_stopped(state_dir, profile):
    return os.path.exists(_path(state_dir, profile))


def stop(state_dir, profile):
    path = _path(state_dir, profile)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"profile": profile, "since": int(time.time())}, file)


def start(state_dir, profile):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(state_dir, profile))
