"""Applies a GEGL operation to a drawable, within the selection: into its pixels, or as a layer effect."""

from gi.repository import Gimp

from errors import OperationError


def apply(drawable, operation, properties, as_effect=False, name=None, opacity=100, mode=None):
    """Applies `operation` with `properties` ({name: value}, of the types that its config wants).

    Returns the Gimp.DrawableFilter for an effect, else None. `opacity` is 0 to 100, `mode` a Gimp.LayerMode.
    """
    made = Gimp.DrawableFilter.new(drawable, operation, name or "")
    if made is None:
        raise OperationError("unsupported", f"this GIMP has no operation `{operation}`", "see list_gegl_operations")
    config = made.get_config()
    for key, value in properties.items():
        config.set_property(key, value)
    made.set_opacity(opacity / 100)
    if mode is not None:
        made.set_blend_mode(mode)
    made.update()
    if as_effect:
        if not drawable.is_layer():
            made.delete()
            raise OperationError(
                "invalid_argument",
                f"`{drawable.get_id()}` is no layer, and only layers have effects",
                "leave `as_effect` out",
            )
        drawable.append_filter(made)
        return made
    drawable.merge_filter(made)
    return None
