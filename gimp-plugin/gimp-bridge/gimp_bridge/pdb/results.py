"""Results of PDB procedures as JSON, and the images that arguments name."""

import base64
import math

from gi.repository import Gimp, Gio, GLib, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl.enum_types import enum_values
from gimp_bridge.items import colors
from gimp_bridge.pdb.values import UNITS
from gimp_bridge.undo import history

_MAX_BYTES = 8 * 1024 * 1024  # of bytes in a result


def images_of(config, spec):
    """The images that an argument names, by itself or by an item in it."""
    kind = spec.value_type
    if kind.name == "GimpCoreObjectArray":
        values = config.get_core_object_array(spec.name) or []
    elif kind.is_a(Gimp.Image) or kind.is_a(Gimp.Item):
        values = [config.get_property(spec.name)]
    else:
        return []
    found = [
        value if isinstance(value, Gimp.Image) else value.get_image()
        for value in values
        if isinstance(value, (Gimp.Image, Gimp.Item))
    ]
    return [image for image in found if image is not None]


def result(values, place, spec):
    """One return value as JSON."""
    kind = spec.value_type
    if kind.name == "GimpCoreObjectArray":
        return [plain(item) for item in values.get_core_object_array(place) or [] if not _hidden(item)]
    if kind.name == "GimpColorArray":
        return [colors.describe(color) for color in values.get_color_array(place) or []]
    value = values.index(place)
    if kind.is_a(GObject.TYPE_ENUM) and value is not None:
        return next((nick for nick, member in enum_values(kind).items() if int(member) == int(value)), int(value))
    if kind.name in ("GimpDoubleArray", "GimpInt32Array"):
        return list(value.get_values() or []) if value is not None else []
    return plain(value)


def _hidden(value):
    return isinstance(value, Gimp.Image) and history.is_hidden(value)


def plain(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (Gimp.Image, Gimp.Item, Gimp.Display, Gimp.DrawableFilter)):
        return value.get_id()
    if isinstance(value, Gimp.Resource):
        return value.get_name()
    if isinstance(value, Gimp.Unit):  # its own name is a plural, in the user's language
        return next((name for name in UNITS if getattr(Gimp.Unit, name)().get_id() == value.get_id()), value.get_name())
    if isinstance(value, Gio.File):
        return value.get_path() or value.get_uri()
    if isinstance(value, GLib.Bytes):
        data = value.get_data() or b""
        if len(data) > _MAX_BYTES:
            raise OperationError(
                "too_large", f"a result has {len(data)} bytes, over the limit of {_MAX_BYTES}", "use exec"
            )
        return base64.b64encode(data).decode("ascii")
    if isinstance(value, Gimp.Parasite):
        return {
            "name": value.get_name(),
            "flags": value.get_flags(),
            "data": base64.b64encode(bytes(value.get_data())).decode("ascii"),
        }
    if hasattr(value, "get_rgba"):
        return colors.describe(value)
    try:
        return repr(value)
    except AttributeError:  # PyGObject cannot show every boxed type
        return f"<{type(value).__name__}>"
