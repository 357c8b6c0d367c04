"""get_gimp_info: what this GIMP is and can do.

What cannot change while the plug-in runs is looked up once. The environment is shown from a short list: it may hold
secrets.
"""

import importlib.util
import os
import platform
import sys

import gi
from gi.repository import Gimp, GLib

from gimp_bridge.core.folders import PLUGIN_DIR
from gimp_bridge.dispatch.registry import OPERATIONS, operation
from gimp_bridge.files import export
from gimp_bridge.images import display
from gimp_bridge.items import colors, lookup
from gimp_bridge.ops.image.image import brief

QUIT_MS = 300

ENVIRONMENT = (
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "GIMP3_DIRECTORY",
    "FLATPAK_ID",
    "SNAP_NAME",
    "TMPDIR",
)
SAMPLE_PROCEDURES = (
    "file-png-export",
    "file-jpeg-export",
    "file-webp-export",
    "file-tiff-export",
    "file-psd-export",
    "gimp-image-new",
    "gimp-image-scale",
    "gimp-drawable-brightness-contrast",
    "gimp-text-layer-new",
    "plug-in-script-fu-eval",
    "python-fu-console",
    "plug-in-python-fu-console",
    "python-fu-eval",
)
SAMPLE_NAMESPACES = ("Gimp", "GimpUi", "Gegl", "Babl", "Gio", "GLib", "GObject", "GdkPixbuf", "Gtk", "cairo")
SAMPLE_MODULES = ("json", "struct", "ctypes", "cairo", "numpy", "PIL")
MAX_FILES = 20

_constant = None


@operation("get_gimp_info")
def get_gimp_info(call):
    global _constant
    if _constant is None:
        _constant = _look_up()
    images = lookup.visible_images()
    message = f"GIMP {_constant['version']['detected_version']} with {len(images) or 'no'} open image{'s' * (len(images) != 1)}"
    cut = {}
    if len(images) > MAX_FILES:
        message += f", the first {MAX_FILES} of which are in open_image_files"
        cut = {"notes": [f"open_image_files holds {MAX_FILES} of {len(images)} open images: list_images has all of them"]}
    return {
        "message": message,
        **cut,
        "version": _constant["version"],
        "directories": _constant["directories"],
        "session": {
            "num_open_images": len(images),
            "has_open_images": bool(images),
            "headless": display.headless(),
            "open_image_files": [{"index": index, **brief(image)} for index, image in enumerate(images[:MAX_FILES])],
        },
        "pdb": _constant["pdb"],
        "context": _context(),
        "capabilities": {**_constant["capabilities"], "policy": call.settings.policy()},
        "system": _constant["system"],
    }


def _look_up():
    version = Gimp.version()
    directories = {
        "user_directory": Gimp.directory(),
        "system_data_directory": Gimp.data_directory(),
        "plugin_directory": _plugin_directory(),
        "locale_directory": Gimp.locale_directory(),
        "sysconf_directory": Gimp.sysconf_directory(),
        "cache_directory": Gimp.cache_directory(),
        "temp_directory": Gimp.temp_directory(),
        "bridge_directory": PLUGIN_DIR,
        "available_directory_methods": sorted(
            name for name in dir(Gimp) if name.endswith("directory") and name[0] != "_"
        ),
    }
    procedures = set(Gimp.get_pdb().query_procedures(*[".*"] * 8))
    names = sorted(name for name in dir(Gimp) if not name.startswith("_"))
    return {
        "version": {
            "version_method": version,
            "detected_version": version,
            "major": Gimp.MAJOR_VERSION,
            "minor": Gimp.MINOR_VERSION,
            "micro": Gimp.MICRO_VERSION,
            "available_version_attributes": [name for name in names if "version" in name.lower()],
            "gimp_module_type": str(type(Gimp)),
        },
        "directories": directories,
        "pdb": {
            "available": bool(procedures),
            "num_procedures": len(procedures),
            "sample_procedures": [{"name": name, "available": name in procedures} for name in SAMPLE_PROCEDURES],
        },
        "capabilities": {
            "has_python_console": any("python" in name and "console" in name for name in procedures),
            "mcp_server_running": True,
            "supports_image_export": "read_pixels" in OPERATIONS,
            "supports_metadata_export": "get_image_metadata" in OPERATIONS,
            "supports_gimp_info": True,
            "api_version": f"{Gimp.MAJOR_VERSION}.0+",
            "gimp_module_attributes": len(names),
            "gimp_methods": [name for name in names if name[0].isupper() and hasattr(getattr(Gimp, name), "get_by_id")],
            "available_modules": [
                {
                    "name": f"gi.repository.{name}",
                    "available": bool(gi.Repository.get_default().enumerate_versions(name)),
                }
                for name in SAMPLE_NAMESPACES
            ]
            + [{"name": name, "available": importlib.util.find_spec(name) is not None} for name in SAMPLE_MODULES],
            "writable_formats": export.writable_formats(),
        },
        "system": {
            "platform": platform.platform(),
            "python_version": platform.python_version(),
            "python_executable": sys.executable,
            "environment_vars": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            "processors": os.cpu_count(),
            "glib_version": f"{GLib.MAJOR_VERSION}.{GLib.MINOR_VERSION}.{GLib.MICRO_VERSION}",
        },
    }


@operation("quit_gimp")
def quit_gimp(call):
    procedure = Gimp.get_pdb().lookup_procedure("gimp-quit")
    config = procedure.create_config()
    config.set_property("force", False)
    # When the answer is out: GIMP takes the plug-in with it
    GLib.timeout_add(QUIT_MS, lambda: bool(procedure.run(config)) and GLib.SOURCE_REMOVE)
    return {}


def _context():
    brush, font = Gimp.context_get_brush(), Gimp.context_get_font()
    return {
        "foreground_color": colors.describe(Gimp.context_get_foreground()),
        "background_color": colors.describe(Gimp.context_get_background()),
        "brush": brush.get_name() if brush else None,
        "brush_size": Gimp.context_get_brush_size(),
        "opacity": Gimp.context_get_opacity(),
        "font": font.get_name() if font else None,
    }


def _plugin_directory():
    """The folder of GIMP's own plug-ins. No call tells it: it lies beside the library's type description."""
    library = os.path.dirname(os.path.dirname(gi.Repository.get_default().get_typelib_path("Gimp")))
    folders = [
        os.path.join(start, "gimp", f"{Gimp.MAJOR_VERSION}.0", "plug-ins")
        for start in (library, os.path.join(Gimp.installation_directory(), "lib"))
    ]
    return next((folder for folder in folders if os.path.isdir(folder)), None)
