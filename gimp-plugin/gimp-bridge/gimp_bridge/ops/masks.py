"""Operations on layer masks."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter
from gimp_bridge.items import lookup, targets
from gimp_bridge.items.image_edits import refused, selection_aside

KINDS = {
    "white": "WHITE", "black": "BLACK", "alpha": "ALPHA", "alpha_transfer": "ALPHA_TRANSFER", "selection": "SELECTION",
    "copy": "COPY", "channel": "CHANNEL",
}  # fmt: skip


@operation("add_layer_mask")
def add_layer_mask(call, layer=None, fill="white", channel=None, invert=False):
    image, found = call.image, targets.layer(call, layer)
    if found.get_mask() is not None:
        raise OperationError(
            "invalid_argument",
            f"layer `{found.get_id()}` (`{found.get_name()}`) has a mask already",
            "remove it with remove_layer_mask, or change it with set_layer_mask",
        )
    if (channel is not None) != (fill == "channel"):
        raise OperationError(
            "invalid_argument",
            f'`fill` is "{fill}" {"with" if channel is not None else "without"} `channel`',
            '`channel` goes with `fill`: "channel"',
        )
    if fill == "selection" and Gimp.Selection.is_empty(image):
        raise OperationError(
            "invalid_argument",
            "nothing is selected, so the mask would hide nothing",
            'select an area, or `fill` "white"',
        )
    if fill in ("alpha", "alpha_transfer") and not found.has_alpha():
        raise OperationError(
            "invalid_argument", f"layer `{found.get_id()}` has no alpha channel", "add one with set_layer_alpha"
        )
    if fill == "alpha_transfer":
        targets.require(found, pixels=False)
    before = image.get_selected_layers()
    if channel is not None:
        _choose_channel(call, channel)
    mask = found.create_mask(getattr(Gimp.AddMaskType, KINDS[fill]))
    if mask is None or not found.add_mask(mask):
        raise refused("add the mask")
    if channel is not None and before:
        image.set_selected_layers(before)
    mask = found.get_mask()
    if invert:
        _invert(image, mask)
    return {"message": f"Added a mask ({fill.replace('_', ' ')}) to layer {found.get_name()}", **_facts(found)}


def _choose_channel(call, channel):
    """GIMP takes the selected channel."""
    item = lookup.resolve_drawable(call, channel)
    if not item.is_channel() or item.is_layer_mask() or item.is_selection():
        raise OperationError("invalid_argument", f"`{channel}` is no channel", "get_image_metadata lists the channels")
    call.image.set_selected_channels([item])


def _invert(image, mask):
    """The whole mask, whatever is selected."""
    with selection_aside(image):
        gegl_filter.apply(mask, "gegl:invert-linear", {})  # masks hold shares, which are linear


@operation("set_layer_mask")
def set_layer_mask(call, layer=None, enabled=None, show=None, edit=None, invert=False):
    found = targets.layer(call, layer)
    mask = _mask(found)
    if (enabled, show, edit) == (None,) * 3 and not invert:
        raise OperationError(
            "invalid_argument", "nothing to set is given", "give `enabled`, `show`, `edit` or `invert`"
        )
    if enabled is not None:
        found.set_apply_mask(enabled)
    if show is not None:
        found.set_show_mask(show)
    if edit is not None:
        found.set_edit_mask(edit)
    if invert:
        _invert(call.image, mask)
    parts = [
        *([f"{'en' if enabled else 'dis'}abled"] if enabled is not None else []),
        *([f"{'shown' if show else 'not shown'}"] if show is not None else []),
        *([f"{'edited' if edit else 'not edited'}"] if edit is not None else []),
        *(["inverted"] if invert else []),
    ]
    return {"message": f"Mask of layer {found.get_name()}: {', '.join(parts)}", **_facts(found)}


@operation("remove_layer_mask")
def remove_layer_mask(call, apply=False, layer=None):
    found = targets.layer(call, layer)
    _mask(found)
    if apply:
        targets.require(found)
    done = found.remove_mask(Gimp.MaskApplyMode.APPLY if apply else Gimp.MaskApplyMode.DISCARD)
    if not done or found.get_mask() is not None:
        raise refused("remove the mask")
    verb = "Applied" if apply else "Removed"
    return {"message": f"{verb} the mask of layer {found.get_name()}", "layer": found.get_id()}


def _mask(layer):
    mask = layer.get_mask()
    if mask is None:
        raise OperationError(
            "not_found", f"layer `{layer.get_id()}` (`{layer.get_name()}`) has no mask", "add one with add_layer_mask"
        )
    return mask


def _facts(layer):
    return {
        "layer": layer.get_id(),
        "mask": layer.get_mask().get_id(),
        "enabled": layer.get_apply_mask(),
        "show": layer.get_show_mask(),
        "edit": layer.get_edit_mask(),
    }
