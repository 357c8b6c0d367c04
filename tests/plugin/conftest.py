"""Makes the plug-in's modules importable; nothing here needs GIMP."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "gimp-plugin" / "gimp-bridge"))
sys.path.insert(0, str(ROOT / "tests"))
