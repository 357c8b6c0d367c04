"""Applies a GEGL operation to a drawable, within the selection: into its pixels, or as a layer effect.

On a large drawable it is run in the plug-in's own process (pieces.py) where that gives the same; else GIMP does it, which
neither answers nor can be stopped meanwhile.
Refuses what is known to end GIMP (known.py) before GIMP hears of it.
"""

from gi.repository import Gimp

from gimp_bridge.core import running
from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl import known as gegl_known, local as gegl_local, pieces

LARGE = 2_000_000  # pixels from which a filter takes over a second on a slow machine, if it is a slow one


def apply(drawable, operation, properties, as_effect=False, name=None, opacity=100, mode=None, clip=True, inputs=None):
    """Applies `operation` with `properties` ({name: value}, of the types that its config wants; or `set(config)`).

    Returns the Gimp.DrawableFilter for an effect, else None. `opacity` is 0 to 100, `mode` a Gimp.LayerMode.
    `clip`: the layer keeps its size, although a blur or a shadow reaches beyond it (an effect always may). `inputs`
    is {pad: drawable} for the operation's other inputs.
    """
    if as_effect:
        check_effect(drawable, operation)
    made = new(drawable, operation, name)
    try:
        config = made.get_config()
        if callable(properties):
            properties(config)
        else:
            for key, value in properties.items():
                config.set_property(key, value)
        made.set_opacity(opacity / 100)
        if mode is not None:
            made.set_blend_mode(mode)
        for pad, drawn in (inputs or {}).items():
            made.set_aux_input(pad, drawn)
        made.update()
        if as_effect:
            drawable.append_filter(made)
            _check_appended(drawable, made, operation)
            return made
        floats = drawable.is_layer() and drawable.is_floating_sel()
        plain = opacity == 100 and mode is None and not inputs and clip and not floats
        if plain and gegl_local.takes(operation, drawable):
            made.delete()  # GIMP does not outlive an image that is closed while a filter of its own is unfinished
            pieces.run(drawable, operation, config)
            return None
    except BaseException:
        if made.is_valid():
            made.delete()
        raise
    _announce(operation, drawable.get_width() * drawable.get_height())
    _merge(drawable, made, clip)
    return None


def _announce(what, pixels):
    """Says that GIMP itself works now."""
    if pixels > LARGE:
        longest = gegl_local.longest(pixels)
        running.call.progress(0, f"{what}: GIMP does not answer until it is done; it may take up to {longest} s")


def new(drawable, operation, name=None):
    """A filter that is not applied yet; raises where GIMP has none, or where making it would end GIMP."""
    gegl_known.check_filter(operation)
    try:
        made = Gimp.DrawableFilter.new(drawable, operation, name or "")
    except TypeError:  # PyGObject's word for NULL
        made = None
    if made is None:
        raise OperationError(
            "unsupported", f"this GIMP has no filter `{operation}`", "list_gegl_operations shows what there is"
        )
    return made


def check_effect(drawable, operation):
    """Refuses an effect where GIMP cannot have one."""
    if not drawable.is_layer():
        raise OperationError(
            "invalid_argument",
            f"`{drawable.get_id()}` is no layer, and only layers have effects",
            "leave `as_effect` out",
        )
    gegl_known.check_effect(operation)


def _check_appended(drawable, made, operation):
    """GIMP refuses some, such as those with a second input, with no more than a message of its own."""
    if all(effect.get_id() != made.get_id() for effect in drawable.get_filters()):
        raise OperationError(
            "unsupported",
            f"GIMP takes no layer effect `{operation}`; it only runs on pixels",
            "leave `as_effect` out",
            operation=operation,
        )


def _merge(drawable, made, clip):
    """Merges the filter. GIMP lets a layer grow by what a filter reaches beyond it, unless a selection holds it."""
    image = drawable.get_image()
    if not clip or not drawable.is_layer() or drawable.is_floating_sel():
        drawable.merge_filter(made)
        return
    width, height = drawable.get_width(), drawable.get_height()
    x, y = drawable.get_offsets()[-2:]
    inside = x >= 0 and y >= 0 and x + width <= image.get_width() and y + height <= image.get_height()
    holds = inside and Gimp.Selection.is_empty(image)
    if holds:
        image.select_rectangle(Gimp.ChannelOps.REPLACE, x, y, width, height)
    try:
        drawable.merge_filter(made)
    finally:
        if holds:
            Gimp.Selection.none(image)
    now_x, now_y = drawable.get_offsets()[-2:]
    if (drawable.get_width(), drawable.get_height(), now_x, now_y) != (width, height, x, y):
        drawable.resize(width, height, now_x - x, now_y - y)
