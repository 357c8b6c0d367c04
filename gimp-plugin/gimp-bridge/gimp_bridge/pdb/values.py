"""Arguments of PDB procedures: from JSON to what a parameter's GType wants.

GIMP ignores an argument out of its range with no more than a warning, so ranges and choices are checked here.
"""

import base64
import binascii
import difflib
import math

from gi.repository import Gimp, Gio, GLib, GObject

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl.enum_types import enum_class, enum_values
from gimp_bridge.items import colors, lookup
from gimp_bridge.policy import file_paths
from gimp_bridge.undo import history

_RESOURCES = {
    "GimpBrush": Gimp.Brush,
    "GimpFont": Gimp.Font,
    "GimpGradient": Gimp.Gradient,
    "GimpPalette": Gimp.Palette,
    "GimpPattern": Gimp.Pattern,
}
_INTEGERS = {
    "gint": (-(2**31), 2**31 - 1),
    "guint": (0, 2**32 - 1),
    "gint64": (-(2**63), 2**63 - 1),
    "guint64": (0, 2**64 - 1),
    "guchar": (0, 255),
}
UNITS = ("pixel", "inch", "mm", "point", "pica", "percent")
_RUN_MODES = (
    "interactive",
    "noninteractive",
    "run-interactive",
    "run-noninteractive",
    "with-last-vals",
    "run-with-last-vals",
)


def canonical(name):
    """PDB names have hyphens."""
    return name.replace("_", "-")


def is_run_mode(value):
    return value is None or (isinstance(value, str) and canonical(value).lower() in _RUN_MODES)


def type_name(spec):
    """What a client should give, for messages."""
    kind = spec.value_type
    if kind.is_a(GObject.TYPE_ENUM):
        return "one of " + "|".join(list(enum_values(kind))[:12])
    choice = _choice(spec)
    if choice:
        return "one of " + "|".join(choice[:12])
    if kind.name == "GimpCoreObjectArray":
        return (
            f"list of {Gimp.param_spec_core_object_array_get_object_type(spec).name.removeprefix('Gimp').lower()} ids"
        )
    if kind.is_a(Gimp.Image) or kind.is_a(Gimp.Item) or kind.is_a(Gimp.Display):
        return f"{kind.name.removeprefix('Gimp').lower()} id"
    names = {
        "gint": "integer",
        "guint": "integer",
        "gdouble": "number",
        "gboolean": "boolean",
        "gchararray": "string",
        "GFile": "path",
        "GeglColor": "color",
        "GStrv": "list of strings",
        "GBytes": "base64",
        "GimpDoubleArray": "list of numbers",
        "GimpInt32Array": "list of integers",
    }
    return names.get(kind.name, kind.name.removeprefix("Gimp").lower())


def may_be_missing(spec):
    """Whether leaving it out can mean something: null objects (GIMP says if it needs them) and the run mode."""
    kind = spec.value_type
    return kind.is_a(GObject.TYPE_OBJECT) or kind.name in ("GimpRunMode", "GFile", "GBytes", "GimpExportOptions")


class Files:
    """Which file an argument may name. `use` is its row in protocol/procedures.json, None where there is none."""

    def __init__(self, settings, writes, use=None):
        self.settings, self._writes = settings, writes
        if use is not None:
            self._writes = "write" in use
        self._use = (use or {}).get("write" if self._writes else "read", file_paths.PICTURE)

    def path(self, path):
        return file_paths.check_path(path, self._writes, self.settings, self._use)

    def check_remote(self, uri):
        if self.settings.bound:
            raise OperationError("forbidden", f"`{uri[:200]}` is not a local file, and {self.settings.binding()}")


def set_argument(files, config, spec, value, procedure):
    """Converts `value` and puts it into the config; raises OperationError that names procedure and argument."""
    try:
        _set(files, config, spec, value)
    except OperationError as error:
        error.message = f"`{procedure}`: `{spec.name}`: {error.message}"
        raise


def _set(files, config, spec, value):
    kind = spec.value_type
    if kind.name == "GimpCoreObjectArray":
        wanted = Gimp.param_spec_core_object_array_get_object_type(spec)
        items = value if isinstance(value, list) else [value]
        config.set_core_object_array(spec.name, [_object(files, wanted, item) for item in items])
    elif kind.name == "GimpColorArray":
        if not isinstance(value, list):
            raise _wrong(value, "a list of colours")
        config.set_color_array(spec.name, [colors.to_gegl(item) for item in value])
    else:
        config.set_property(spec.name, _convert(files, spec, kind, value))


def _convert(files, spec, kind, value):
    if kind.is_a(GObject.TYPE_ENUM):
        return enum_value(kind, value)
    if kind.name == "gboolean":
        if not isinstance(value, bool) and value not in (0, 1):
            raise _wrong(value, "true or false")
        return bool(value)
    if kind.name in _INTEGERS:
        return _integer(spec, kind, value)
    if kind.name in ("gdouble", "gfloat"):
        return _number(spec, value)
    if kind.name == "gchararray":
        return _string(spec, value)
    if kind.name == "GStrv":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(value, "a list of strings")
        return value
    if kind.name in ("GimpDoubleArray", "GimpInt32Array"):
        return _array(kind, value)
    if kind.name == "GBytes":
        return _bytes(value)
    return _object(files, kind, value)


def _object(files, kind, value):
    """An object of type `kind`: an id, a name, a path or a colour says which."""
    if value is None:
        return None
    if kind.name == "GeglColor":
        return colors.to_gegl(value)
    if kind.name == "GFile":
        return _file(files, value)
    if kind.is_a(Gimp.Image):
        return lookup.image_by_id(_id(value, "image"))
    if kind.is_a(Gimp.Item):
        return _item(kind, value)
    if kind.is_a(Gimp.Resource):
        return resource(kind, value)
    if kind.name == "GimpUnit":
        return _unit(value)
    if kind.name in ("GimpDisplay", "GimpDrawableFilter"):
        python = {"GimpDisplay": Gimp.Display, "GimpDrawableFilter": Gimp.DrawableFilter}[kind.name]
        found = python.get_by_id(_id(value, kind.name)) if python.id_is_valid(_id(value, kind.name)) else None
        if found is None:
            raise OperationError("not_found", f"there is no {kind.name.removeprefix('Gimp').lower()} `{value}`")
        return found
    if kind.name == "GimpParasite":
        return _parasite(value)
    raise OperationError(
        "unsupported", f"an argument of type {kind.name} cannot be given as JSON", "use exec for this procedure"
    )


# --- plain values ---


def _wrong(value, wanted):
    return OperationError("invalid_argument", f"`{str(value)[:100]}` is not {wanted}")


def _id(value, what):
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, f"an id of {what}: ids are integers")
    return value


def _limits(spec, low, high):
    return getattr(spec, "minimum", low), getattr(spec, "maximum", high)


def _integer(spec, kind, value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, "an integer")
    low, high = _limits(spec, *_INTEGERS[kind.name])
    if not low <= value <= high:
        raise OperationError("invalid_argument", f"{value} is out of range: {low} to {high}")
    return value


def _number(spec, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(value, "a number")
    low, high = _limits(spec, -math.inf, math.inf)
    if not low <= value <= high:
        raise OperationError("invalid_argument", f"{value} is out of range: {low:g} to {high:g}")
    return float(value)


def _choice(spec):
    if type(spec).__name__ != "ParamChoice":
        return None
    return Gimp.param_spec_choice_get_choice(spec).list_nicks()


def _string(spec, value):
    choice = _choice(spec)
    if choice is not None and isinstance(value, int) and not isinstance(value, bool):
        value = next((nick for nick in choice if Gimp.param_spec_choice_get_choice(spec).get_id(nick) == value), value)
    if value is None and choice is None:
        return None
    if not isinstance(value, str):
        raise _wrong(value, "a string" if choice is None else f"one of {', '.join(choice)}")
    if choice is not None and value not in choice:
        near = difflib.get_close_matches(value, choice, 1, 0.4)
        raise OperationError(
            "invalid_argument",
            f"`{value[:100]}` is not one of {', '.join(choice)}",
            f"did you mean `{near[0]}`?" if near else None,
        )
    return value


def enum_value(kind, value):
    values = enum_values(kind)
    if isinstance(value, str):
        nick = canonical(value).lower()
        # GIMP_RUN_NONINTERACTIVE, RUN-NONINTERACTIVE and Gimp.RunMode.NONINTERACTIVE all mean `noninteractive`
        for candidate in (nick, nick.rpartition(".")[2], nick.removeprefix("gimp-"), nick.split("-", 1)[-1]):
            if candidate in values:
                return values[candidate]
        by_name = {
            enums.name(enum_class(kind), int(member)).lower().replace("_", "-"): member for member in values.values()
        }
        if nick in by_name:
            return by_name[nick]
    elif isinstance(value, int) and not isinstance(value, bool):
        for member in values.values():
            if int(member) == value:
                return member
    near = difflib.get_close_matches(str(value), values, 1, 0.4)
    raise OperationError(
        "invalid_argument",
        f"`{str(value)[:100]}` is not one of {', '.join(values)}",
        f"did you mean `{near[0]}`?" if near else None,
    )


def _array(kind, value):
    whole = kind.name == "GimpInt32Array"
    if not isinstance(value, list) or not all(
        isinstance(item, int if whole else (int, float)) and not isinstance(item, bool) for item in value
    ):
        raise _wrong(value, "a list of integers" if whole else "a list of numbers")
    if whole and not all(-(2**31) <= item < 2**31 for item in value):
        raise OperationError("invalid_argument", "an integer in the list is beyond 32 bits")
    box = GObject.Value(kind)
    (Gimp.value_set_int32_array if whole else Gimp.value_set_double_array)(box, value)
    return box.get_boxed()


def _bytes(value):
    if value is None:
        return None
    try:
        return GLib.Bytes.new(base64.b64decode(value, validate=True))
    except (TypeError, ValueError, binascii.Error):
        raise _wrong(value, "base64") from None


# --- objects ---


def _item(kind, value):
    number = history.current_id(_id(value, type_words(kind)))
    item = Gimp.Item.get_by_id(number) if 0 < number < 2**31 and Gimp.Item.id_is_valid(number) else None
    image = item.get_image() if item is not None else None
    if item is None or (image is not None and history.is_hidden(image)):
        raise OperationError(
            "not_found", f"there is no {type_words(kind)} `{value}`", "get_image_metadata lists the ids"
        )
    if not item.__gtype__.is_a(kind):
        raise OperationError(
            "invalid_argument", f"`{value}` is a {type_words(item.__gtype__)}, not a {type_words(kind)}"
        )
    return item


def type_words(kind):
    return {"GimpLayerMask": "layer mask", "GimpGroupLayer": "layer group", "GimpTextLayer": "text layer"}.get(
        kind.name, kind.name.removeprefix("Gimp").lower()
    )


def resource(kind, value):
    python = _RESOURCES.get(kind.name)
    if isinstance(value, int) and not isinstance(value, bool):
        found = Gimp.Resource.get_by_id(value) if Gimp.Resource.id_is_valid(value) else None
    elif isinstance(value, str) and python is not None:
        found = python.get_by_name(value)
    else:
        raise _wrong(value, f"the name of a {type_words(kind)}")
    if found is None or not found.__gtype__.is_a(kind):
        raise OperationError(
            "not_found", f"there is no {type_words(kind)} `{str(value)[:100]}`", _near_resources(kind, value)
        )
    return found


def _near_resources(kind, value):
    lists = {
        "GimpBrush": Gimp.brushes_get_list,
        "GimpFont": Gimp.fonts_get_list,
        "GimpGradient": Gimp.gradients_get_list,
        "GimpPalette": Gimp.palettes_get_list,
        "GimpPattern": Gimp.patterns_get_list,
    }
    if kind.name not in lists:
        return None
    names = [resource.get_name() for resource in lists[kind.name]("")]
    near = difflib.get_close_matches(str(value), names, 3, 0.4) or names[:5]
    return f"there are {', '.join(f'`{name}`' for name in near)} and others" if near else None


def _unit(value):
    if isinstance(value, str) and value.lower().removeprefix("unit-") in UNITS:
        return getattr(Gimp.Unit, value.lower().removeprefix("unit-"))()
    found = (
        Gimp.Unit.get_by_id(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
    )
    if found is None:
        raise _wrong(value, f"a unit: {', '.join(UNITS)}, or a unit's id")
    return found


def _file(files, value):
    if not isinstance(value, str):
        raise _wrong(value, "a path")
    uri = Gio.File.new_for_uri(value) if "://" in value[:20] else None
    if uri is not None and uri.get_path() is None:
        files.check_remote(value)
        return uri
    return Gio.File.new_for_path(files.path(uri.get_path() if uri else value))


def _parasite(value):
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise _wrong(value, 'a parasite: {"name", "flags", "data" (base64)}')
    flags = value.get("flags", 0)
    if isinstance(flags, bool) or not isinstance(flags, int) or not 0 <= flags < 2**32:
        raise _wrong(flags, "a parasite's flags")
    data = _bytes(value.get("data", ""))
    return Gimp.Parasite.new(value["name"], flags, list(data.get_data() or b""))
