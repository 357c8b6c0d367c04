"""The layer or drawable that an operation works on, checked for what would make the work silently do nothing.

Each refusal says what to do: a locked layer, a group without pixels of its own, a mode that cannot hold the result.
"""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import lookup


def layer(call, given=None):
    """The layer of that id, else the one selected in GIMP, else the only one. It may be a group."""
    if given is not None:
        return lookup.resolve_layer(call, given)
    return _default(call)


def drawable(call, given=None):
    """The layer, channel or mask of that id to read from, else the selected layer, else the only one."""
    if given is not None:
        return lookup.resolve_drawable(call, given)
    return _default(call)


def channel(call, given=None):
    """The channel of that id, else the one selected in GIMP, else the only one."""
    if given is not None:
        return lookup.resolve_channel(call, given)
    return _only(call, "channel", call.image.get_selected_channels(), call.image.get_channels(), "create_channel")


def path(call, given=None):
    """The path of that id, else the one selected in GIMP, else the only one."""
    if given is not None:
        return lookup.resolve_path(call, given)
    return _only(call, "path", call.image.get_selected_paths(), call.image.get_paths(), "create_path")


def _only(call, what, selected, everything, maker):
    if len(selected) == 1 or not selected and len(everything) == 1:
        return (selected or everything)[0]
    found = selected or everything
    if not found:
        raise OperationError("not_found", f"image `{call.image.get_id()}` has no {what}", f"make one with {maker}")
    raise OperationError(
        "invalid_argument",
        f"{len(found)} {what}s are {'selected' if selected else 'there and none is selected'}: `{what}` must say which",
        f"give `{what}`, an id of get_image_metadata",
        **{f"{what}s": [{"id": one.get_id(), "name": one.get_name()} for one in found[: lookup.LISTED]]},
    )


def paintable(call, given=None):
    """A drawable whose pixels are to be changed: no group, not locked. Notes a hidden one, and what a selection leaves out."""
    found = require(drawable(call, given))
    name = f"`{found.get_id()}` (`{found.get_name()}`)"
    if found.is_layer() and not found.get_visible():
        add_note(call, f"layer {name} is hidden, so the change does not show")
    if not _selection_meets(call.image, found):
        raise OperationError(
            "invalid_argument",
            f"the selection does not touch {name}, so nothing would change",
            "clear it with select_none, or select a place on the layer",
            reason="selection_beside",
        )
    return found


def require(item, pixels=True):
    """The item, refused where its pixels are locked, and with `pixels` where it is a group, which has none of its own."""
    name = f"`{item.get_id()}` (`{item.get_name()}`)"
    if pixels and item.is_group_layer():
        raise OperationError(
            "invalid_argument",
            f"layer {name} is a group, which has no pixels of its own",
            "give a layer inside it, or merge it first with merge_layers",
            layers=[child.get_id() for child in item.get_children()],
            reason="group_has_no_pixels",
        )
    if item.get_lock_content():
        hint = "unlock it with set_layer_locks, or give another layer"
        raise OperationError("forbidden", f"the pixels of {name} are locked", hint, reason="locked")
    return item


def check_nothing_floats(image):
    """Refuses an image with a floating selection for what adds layers: GIMP puts them below it, chooses none of them, and
    gives it neither masks nor a selection."""
    floating = image.get_floating_sel()
    if floating is not None:
        raise OperationError(
            "unsupported",
            f"layer `{floating.get_id()}` (`{floating.get_name()}`) is a floating selection, not yet a part of the image",
            "make it a layer or anchor it: call_api with gimp-floating-sel-to-layer or gimp-floating-sel-anchor",
            reason="floating",
        )


def add_note(call, text):
    """What has to be said with the answer, after what is said already."""
    call.note = f"{call.note}; {text}" if call.note else text


def need_mode(call, modes, what):
    """Refuses an image whose base type is not among `modes` ("RGB", "GRAY", "INDEXED")."""
    kind = base_type(call.image)
    if kind not in modes:
        raise OperationError(
            "unsupported",
            f"image `{call.image.get_id()}` is {kind}, and {what} needs {' or '.join(modes)}",
            f'convert it with convert_image_mode (mode "{modes[0]}")',
        )


def base_type(image):
    """"RGB", "GRAY" or "INDEXED"."""
    kind = int(image.get_base_type())
    return {int(getattr(Gimp.ImageBaseType, name)): name for name in ("RGB", "GRAY", "INDEXED")}[kind]


def _default(call):
    selected = call.image.get_selected_layers()
    if len(selected) == 1:
        return selected[0]
    layers = call.image.get_layers()
    if not layers:
        raise OperationError(
            "no_image", f"image `{call.image.get_id()}` has no layer", "make one with create_layer"
        )
    if len(layers) == 1 and not selected:
        return layers[0]
    count = len(selected) or len(layers)
    raise OperationError(
        "invalid_argument",
        f"{count} layers are {'selected' if selected else 'there and none is selected'}, so `layer` must say which",
        "give `layer`, an id of get_image_metadata",
        layers=[{"id": each.get_id(), "name": each.get_name()} for each in (selected or layers)[: lookup.LISTED]],
    )


def _selection_meets(image, item):
    """Whether the selection leaves anything of the item to change; a channel or mask counts as a layer does."""
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    if not some or item.is_selection():
        return True
    x, y = item.get_offsets()[-2:]
    return left < x + item.get_width() and right > x and top < y + item.get_height() and bottom > y
