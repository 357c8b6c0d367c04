"""GEGL operations and their properties as JSON, and JSON values to what a property wants.

A filter's properties are GIMP's (its choices are strings), those of an operation that runs in a graph are GEGL's.
"""

import difflib
import functools
import math

from gi.repository import Gegl, Gimp, GObject

from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl import known as gegl_known
from gimp_bridge.gegl.properties import choices_of, enum_members, member
from gimp_bridge.pdb import results as pdb_results, values as pdb_values
from gimp_bridge.policy import rules

_KEYS = ("title", "description", "categories")
_PLAIN = {"gint": "integer", "guint": "integer", "gint64": "integer", "gdouble": "number", "gfloat": "number",
          "gboolean": "boolean", "gchararray": "string", "GeglColor": "color", "GimpCurve": "curve"}
_FILE_WORDS = ("src", "path", "file", "uri")  # of operations that the table does not know


def check_exists(operation):
    """The operation's full name: `gegl:` may be left out, and `_` may stand for `-`."""
    names = gegl_known.names()
    if operation in names:
        return operation
    operation = operation.replace("_", "-")
    for prefix in ("", "gegl:", "gimp:", "svg:"):
        if prefix + operation in names:
            return prefix + operation
    bare = {name.partition(":")[2]: name for name in names}
    near = [bare[word] for word in difflib.get_close_matches(operation.partition(":")[2] or operation, bare, 3, 0.5)]
    raise OperationError(
        "not_found",
        f"there is no GEGL operation `{operation[:100]}`",
        f"did you mean {', '.join(f'`{name}`' for name in near)}?" if near else "list_gegl_operations lists them",
    )


@functools.lru_cache(maxsize=None)
def row(operation):
    """{operation, title, description, categories, runs_as} of one operation."""
    keys = {}
    if operation in Gegl.list_operations():
        given = Gegl.Operation.list_keys(operation) or ()
        keys = {key: Gegl.Operation.get_key(operation, key) for key in _KEYS if key in given}
    if not keys.get("title"):
        keys["title"] = operation.partition(":")[2].replace("-", " ").capitalize()
    keys["categories"] = [kind for kind in (keys.get("categories") or "").split(":") if kind]
    found = {"operation": operation, "categories": keys["categories"]}
    found.update({key: value for key, value in keys.items() if value})
    found["runs_as"] = gegl_known.how(operation, ":".join(keys["categories"]))
    return found


@functools.lru_cache(maxsize=None)
def describe(operation):
    """`row` with the inputs, the properties, and why it does not run if so."""
    found = dict(row(operation))
    refused = gegl_known.refusal(operation)
    if refused:
        found["refused"] = "; ".join(part for part in refused if part)
    found["has_aux"] = "aux" in inputs(operation)
    found["inputs"] = [f"{pad}_layer" for pad in inputs(operation)]
    found["properties"] = [describe_spec(spec) for spec in specs(operation)]
    return found


@functools.lru_cache(maxsize=None)
def inputs(operation):
    """The pads for pictures other than the drawable's own, ("aux", "aux2") at most."""
    if operation not in Gegl.list_operations():
        return ()
    node = Gegl.Node().create_child(operation)
    return tuple(pad for pad in ("aux", "aux2") if node is not None and node.has_pad(pad))


def specs(operation):
    """The properties' specs. GIMP 3.0 tells them of a filter on a drawable only: one is made on a scratch image."""
    how = gegl_known.how(operation)
    if how != gegl_known.FILTER:
        return list(Gegl.Operation.list_properties(operation)) if operation in Gegl.list_operations() else []
    if not gegl_known.OLD:
        found = Gimp.DrawableFilter.operation_get_pspecs(operation)
        return [found.index(i) for i in range(found.length())] if hasattr(found, "index") else list(found)
    image = Gimp.Image.new(1, 1, Gimp.ImageBaseType.RGB)
    try:
        layer = Gimp.Layer.new(image, "", 1, 1, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(layer, None, 0)
        made = Gimp.DrawableFilter.new(layer, operation, "")
        return list(made.get_config().list_properties())
    finally:
        image.delete()


def describe_spec(spec):
    """{name, type, description, default, minimum, maximum, choices} of one property, as far as there is each."""
    kind = spec.value_type
    found = {"name": spec.name, "type": _PLAIN.get(kind.name, "other")}
    choices = choices_of(spec)
    if choices is not None:
        found.update(type="enum", choices=choices)
    if spec.get_blurb():
        found["description"] = spec.get_blurb()
    default = _default(spec, choices)
    if default is not None:
        found["default"] = default
    for name in ("minimum", "maximum"):
        limit = getattr(spec, name, None)
        if isinstance(limit, (int, float)) and abs(limit) < 1e300 and math.isfinite(limit):
            found[name] = limit
    return found


def _default(spec, choices):
    value = getattr(spec, "default_value", None)
    if choices is not None and not isinstance(value, str):
        if value is None:
            return None
        if type(spec).__name__ == "ParamChoice":
            return None
        return next((nick for nick, member in enum_members(spec).items() if int(member) == int(value)), None)
    return value if isinstance(value, (bool, int, float, str)) else None


def set_all(target, found, values, operation, files):
    """Sets `values` ({name: JSON}) on a filter's config or a node, each checked against its spec in `found`.

    All or none: a layer effect keeps what it had when one of them is refused.
    """
    rules.check_operation(files.settings, operation)
    by_name = {spec.name: spec for spec in found}
    before = []
    try:
        for given, value in values.items():
            spec = _spec(by_name, given, operation)
            if not isinstance(target, Gegl.Node):  # a node is new, and goes with the failure
                before.append((spec.name, target.get_property(spec.name)))
            _set(target, spec, value, operation, files)
    except BaseException:
        for name, value in reversed(before):
            target.set_property(name, value)
        raise


def _spec(by_name, given, operation):
    """The spec of a property; `_` may stand for `-`."""
    name = given if given in by_name else given.replace("_", "-")
    spec = by_name.get(name)
    if spec is None:
        near = difflib.get_close_matches(name, by_name, 1, 0.5)
        raise OperationError(
            "invalid_argument",
            f"`{operation}` has no property `{given[:100]}`",
            (f"did you mean `{near[0]}`? " if near else "")
            + f"its properties are {', '.join(sorted(by_name)) or 'none'}",
        )
    return spec


def _set(target, spec, value, operation, files):
    kind = spec.value_type
    if kind.name == "GimpCurve":
        target.set_property(spec.name, _curve(value, operation, spec.name))
    elif isinstance(target, Gegl.Node) and kind.is_a(GObject.TYPE_ENUM):
        target.set_property(spec.name, member(spec, value, operation))
    else:
        if kind.name == "gchararray" and value and choices_of(spec) is None:
            value = _text(spec, value, operation, files)
        pdb_values.set_argument(files, target, spec, value, operation)


def _text(spec, value, operation, files):
    """A text as it is, or the checked path where it names a file."""
    named = any(word in spec.name.split("-") for word in _FILE_WORDS) and not rules.is_text_property(operation, spec.name)
    if isinstance(value, str) and (named or rules.is_file_property(operation, spec.name)):
        return files.path(value)
    if files.settings.bound and not rules.is_text_property(operation, spec.name):
        raise OperationError(
            "forbidden",
            f"`{operation}`: `{spec.name}` is a text that may mean anything, and {files.settings.binding()}",
            "leave it out",
        )
    return value


def _curve(value, operation, name):
    """A Gimp.Curve (GIMP 3.2) through points [[x, y], …] from 0 to 1."""
    good = isinstance(value, list) and 2 <= len(value) <= 64 and all(
        isinstance(pair, list) and len(pair) == 2
        and all(isinstance(part, (int, float)) and 0 <= part <= 1 for part in pair) for pair in value)
    if not good:
        raise OperationError(
            "invalid_argument",
            f"`{operation}`: `{name}`: `{str(value)[:100]}` is no curve",
            "give 2 to 64 points [[input, output], …] from 0 to 1",
        )
    curve = Gimp.Curve.new()
    curve.clear_points()
    for x, y in sorted(value):
        curve.add_point(x, y)
    return curve


def values(config):
    """{property: JSON} of a filter's config, for showing."""
    shown = {}
    for spec in config.list_properties():
        value = config.get_property(spec.name)
        kind = spec.value_type
        if kind.is_a(GObject.TYPE_ENUM) and value is not None:
            shown[spec.name] = next((nick for nick, member in enum_members(spec).items() if int(member) == int(value)),
                                    int(value))
        elif kind.name == "GimpCurve" and value is not None:
            points = [value.get_point(i) for i in range(value.get_n_points())]
            shown[spec.name] = [list(point)[-2:] for point in points]
        elif kind.name in _PLAIN:
            shown[spec.name] = pdb_results.plain(value)
    return shown
