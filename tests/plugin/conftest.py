"""Makes the plug-in's modules importable; nothing here needs GIMP."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "gimp-plugin" / "gimp-bridge"
sys.path[:0] = [str(PLUGIN), str(ROOT / "tests")]
