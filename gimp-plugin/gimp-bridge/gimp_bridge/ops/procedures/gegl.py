"""Every GEGL operation: search, describe, apply, as a GIMP filter or in a graph of the plug-in's own."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter, graph, known as gegl_known
from gimp_bridge.items import color_target, targets
from gimp_bridge.pdb import gegl_specs, values as pdb_values


@operation("list_gegl_operations")
def list_gegl_operations(call, search, limit, offset, category=None):
    rows = [gegl_specs.row(name) for name in gegl_known.names()]
    categories = sorted({kind for row in rows for kind in row["categories"]})
    if category is not None:
        if category not in categories:
            raise OperationError(
                "not_found", f"no GEGL operation has the category `{category}`", f"there are {', '.join(categories)}"
            )
        rows = [row for row in rows if category in row["categories"]]
    words = search.lower().replace("-", " ").split()
    if words:
        scored = [(_score(row, words), row) for row in rows]
        rows = [row for score, row in sorted(scored, key=lambda pair: -pair[0]) if score]
    shown = [{key: value for key, value in row.items() if key != "description" or words} for row in
             rows[offset : offset + limit]]
    result = {"operations": shown, "total": len(rows), "more": offset + limit < len(rows)}
    if not words and category is None and offset == 0:
        result["categories"] = categories
    return result


def _score(row, words):
    name = row["operation"].replace("-", " ")
    title, text = row["title"].lower(), row.get("description", "").lower()
    total = 0
    for word in words:
        score = 4 * (word in name) + 3 * (word in title) + 2 * (word in " ".join(row["categories"])) + (word in text)
        if not score:
            return 0
        total += score
    return total


@operation("describe_gegl_operation")
def describe_gegl_operation(call, operation):
    return dict(gegl_specs.describe(gegl_specs.check_exists(operation)))


@operation("apply_gegl_operation")
def apply_gegl_operation(call, operation, properties, opacity, clip, blend_mode=None, aux_layer=None, aux2_layer=None,
                         name=None, layer=None, as_effect=False):
    full = gegl_specs.check_exists(operation)
    gegl_known.check_filter(full)
    if as_effect:
        gegl_known.check_effect(full)
    drawable = color_target.target(call, layer, as_effect, what=f"`{full}`")
    given = {"aux": aux_layer, "aux2": aux2_layer}
    inputs = {pad: targets.drawable(call, value) for pad, value in given.items() if value is not None}
    _check_inputs(full, inputs, properties, as_effect)
    files = pdb_values.Files(call.settings, writes=False)
    mode = pdb_values.enum_value(Gimp.LayerMode.__gtype__, blend_mode) if blend_mode is not None else None
    message = f"Applied {full}" + (f" with {', '.join(properties)}" if properties else "")
    if gegl_known.how(full) == gegl_known.GRAPH:
        if opacity != 100 or mode is not None or as_effect:
            raise OperationError(
                "unsupported",
                f"`{full}` is no filter of GIMP's, so it takes no `opacity`, `blend_mode` or `as_effect`",
                "apply it to a duplicate of the layer, and set those on that",
            )
        chain = [(full, lambda made: gegl_specs.set_all(made, gegl_specs.specs(full), properties, full, files))]
        graph.run(drawable, chain, inputs)
        return color_target.answer(drawable, message)
    made = gegl_filter.apply(
        drawable,
        full,
        lambda config: gegl_specs.set_all(config, config.list_properties(), properties, full, files),
        as_effect,
        name=name,
        opacity=opacity,
        mode=mode,
        clip=clip,
        inputs=inputs,
    )
    return color_target.answer(drawable, message, [made] if made else [])


NEEDS_AUX = {"gegl:variable-blur", "gegl:map-absolute", "gegl:map-relative", "gegl:matting-global",
             "gegl:matting-levin", "gegl:displace", "gegl:bump-map"}


def _check_inputs(operation, inputs, properties, as_effect):
    if operation in NEEDS_AUX and not inputs:
        raise OperationError(
            "invalid_argument",
            f"`{operation}` does nothing of use without a second picture",
            "give `aux_layer`, the layer to read it from",
        )
    if inputs and as_effect:
        raise OperationError(
            "unsupported",
            "GIMP has no layer effects with a second picture",
            f"leave `as_effect` or `{next(iter(inputs))}_layer` out",
        )
    has = gegl_specs.inputs(operation)
    for pad in inputs:
        if pad not in has:
            raise OperationError(
                "invalid_argument",
                f"`{operation}` has no input `{pad}`",
                f"leave `{pad}_layer` out"
                + (f"; it takes {', '.join(f'`{name}_layer`' for name in has)}" if has else ""),
            )
    if operation == "gegl:displace":
        _check_maps(inputs, properties)


def _check_maps(inputs, properties):
    """Displacement has a map for each direction: an amount without its map would be ignored."""
    for pad, direction in (("aux", "x"), ("aux2", "y")):
        amounts = [name for name in (f"amount-{direction}", f"amount_{direction}") if properties.get(name)]
        if amounts and pad not in inputs:
            raise OperationError(
                "invalid_argument",
                f"`{amounts[0]}` is {properties[amounts[0]]}, but there is no map for that direction",
                f"give `{pad}_layer` (`aux_layer` is the map for x, `aux2_layer` for y; they may be the same layer)",
            )
