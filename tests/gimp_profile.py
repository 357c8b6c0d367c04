"""A profile that knows GIMP's own plug-ins, so that a test's GIMP does not ask each of the hundred for what it does.

scripts/setup-gimp makes it. A start costs a third of the processor time with it.
"""

import os
import shutil
from pathlib import Path

CACHE = Path(
    os.environ.get("GIMP_BRIDGE_CACHE_DIR")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gimp-bridge"
)


def know_plug_ins(profile, version):
    """Puts it into `profile`, which GIMP `version` ("3.0", "3.2") has not used yet."""
    profile.mkdir(parents=True, exist_ok=True)
    for known in (CACHE / f"gimp-{version}-profile").iterdir():
        shutil.copy2(known, profile / known.name)
