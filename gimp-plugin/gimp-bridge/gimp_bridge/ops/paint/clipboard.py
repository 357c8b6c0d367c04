"""Copying what is selected to a layer of its own, and GIMP's clipboard."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import painting, selection as selecting, targets

BUFFER = "gimp-bridge copy"


@operation("copy_selection")
def copy_selection(call, to="layer", cut=False, merged=False, name=None, layer=None):
    image = call.image
    if merged and (cut or layer is not None):
        raise OperationError(
            "invalid_argument",
            f"`merged` copies the whole picture, and {'`cut`' if cut else '`layer`'} is given",
            "leave one of them out",
        )
    if not merged:
        source = painting.surface(call, layer) if cut else targets.drawable(call, layer)
        if cut:
            painting.need_alpha(call, source, "the hole that cutting leaves")
        elif source.is_group_layer():
            raise OperationError(
                "invalid_argument",
                f"layer `{source.get_id()}` (`{source.get_name()}`) is a group",
                "give a layer inside it, use `merged`, or duplicate it with duplicate_layer",
            )
        worked, x, y, width, height = source.mask_intersect()
        left, top = painting.local(source, 0, 0)
        corner = x - left, y - top
        if not worked or not (width and height):
            raise OperationError(
                "invalid_argument",
                f"the selection does not touch `{source.get_name()}`, so there is nothing to copy",
                "select a place on the layer, or clear the selection with select_none",
            )
    else:
        source, box = None, selecting.bounds(image)
        corner, width, height = (
            ((box["x"], box["y"]), box["width"], box["height"])
            if box
            else ((0, 0), image.get_width(), image.get_height())
        )
    words = "Cut" if cut else "Copied"
    if to == "clipboard":
        call.commit()
        painting.done(Gimp.edit_copy([source]) if source is not None else Gimp.edit_copy_visible(image), "copying")
        _clear(source, cut)
        if box := selecting.bounds(image):  # GIMP pads the clipboard to the selection's bounds
            width, height = box["width"], box["height"]
        return {
            "message": f"{words} {width}x{height} pixels to GIMP's clipboard",
            "layer": None,
            "width": width,
            "height": height,
        }
    made = _to_layer(call, source, cut)
    made.set_offsets(int(corner[0]), int(corner[1]))
    made.set_name(name or (f"{source.get_name()} copy" if source is not None else "Visible copy"))
    image.set_selected_layers([made])
    return {
        "message": f"{words} {made.get_width()}x{made.get_height()} pixels to the new layer `{made.get_name()}`",
        "layer": made.get_id(),
        "width": made.get_width(),
        "height": made.get_height(),
    }


def _clear(source, cut):
    """What cutting leaves. GIMP's own cut takes the whole layer away where nothing is selected."""
    if cut:
        painting.done(source.edit_clear(), "cutting")


def _to_layer(call, source, cut):
    """By a buffer of our own: the clipboard is the user's."""
    image = call.image
    if source is None:
        buffer = Gimp.edit_named_copy_visible(image, BUFFER)
    else:
        buffer = Gimp.edit_named_copy([source], BUFFER)
    painting.done(buffer, "copying")
    try:
        _clear(source, cut)
        with selecting.Kept(call):  # a floating selection takes the place of the one there is
            made = _paste(image, lambda target: [Gimp.edit_named_paste(target, buffer, False)])[0]
        if source is not None and source.is_layer():
            parent, place = source.get_parent(), image.get_item_position(source)
            # Among the same siblings it stands above, and its going makes room
            image.reorder_item(made, parent, place if parent is not None else place - 1)
        return made
    finally:
        _delete_buffer(buffer)


def _paste(image, paste):
    """The layers that `paste(target)` makes, no longer floating, on top of all.

    They are pasted over a passing layer: over one that is locked, a group or a mask GIMP would refuse.
    """
    target = new_layer(image, "gimp-bridge paste")
    try:
        pasted = paste(target) or []
        if image.get_floating_sel() is not None:
            painting.done(Gimp.floating_sel_to_layer(pasted[0]), "making the pasted pixels a layer")
        return pasted
    finally:
        image.remove_layer(target)


def new_layer(image, name):
    """A transparent layer of the image's size, on top and in the image."""
    base = targets.base_type(image)
    kind = getattr(Gimp.ImageType, f"{base}A_IMAGE")
    layer = Gimp.Layer.new(image, name, image.get_width(), image.get_height(), kind, 100, Gimp.LayerMode.NORMAL)
    layer.fill(Gimp.FillType.TRANSPARENT)
    painting.done(image.insert_layer(layer, None, 0), "inserting the layer")
    return layer


def _delete_buffer(name):
    procedure = Gimp.get_pdb().lookup_procedure("gimp-buffer-delete")
    config = procedure.create_config()
    config.set_property("buffer-name", name)
    procedure.run(config)


@operation("paste_clipboard")
def paste_clipboard(call, x=None, y=None, name=None):
    image = call.image
    with selecting.Kept(call):
        pasted = _paste(image, lambda target: Gimp.edit_paste(target, False))
    if not pasted:
        raise OperationError(
            "invalid_argument", "GIMP's clipboard is empty", 'copy something first: copy_selection with to "clipboard"'
        )
    first = pasted[0]
    left, top = first.get_offsets()[-2:]
    places = call.places(first)
    to_x, to_y = places.point(x if x is not None else 0, y if y is not None else 0)
    right = round(to_x) - left if x is not None else 0
    down = round(to_y) - top if y is not None else 0
    for each in pasted:
        old_x, old_y = each.get_offsets()[-2:]
        each.set_offsets(old_x + right, old_y + down)
    if name is not None:
        first.set_name(name)
    image.set_selected_layers(pasted)
    x, y = first.get_offsets()[-2:]
    return {
        "message": f"Pasted the layer `{first.get_name()}` at ({x}, {y})",
        "layer": first.get_id(),
        "layers": [each.get_id() for each in pasted],
        "x": x,
        "y": y,
        "width": first.get_width(),
        "height": first.get_height(),
    }
