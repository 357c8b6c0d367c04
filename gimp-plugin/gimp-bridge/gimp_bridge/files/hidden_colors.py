"""Colours under full transparency: found, and taken out of what leaves GIMP.

Erasing sets the alpha channel to 0 and leaves the colour below it. Most formats would carry it along, so that whoever
switches the alpha channel off sees what was erased.
"""

from gi.repository import Gegl, Gimp

from gimp_bridge.items import targets
from gimp_bridge.items.image_edits import all_layers, is_content

CLEAN = "gimp-bridge-clean"  # a parasite on images that were cleaned: trials of one picture need it once
STRIP = 1 << 22  # alpha values that are counted at once
ABYSS = Gegl.AbyssPolicy.NONE


def levels(layer):
    """(pixels that are fully transparent, pixels that are neither that nor opaque) of a layer."""
    if not layer.has_alpha():
        return 0, 0
    width, height = layer.get_width(), layer.get_height()
    buffer, clear, opaque = layer.get_buffer(), 0, 0
    rows = max(STRIP // width, 1)
    for top in range(0, height, rows):
        area = Gegl.Rectangle.new(0, top, width, min(rows, height - top))
        alpha = buffer.get(area, 1.0, "A u8", ABYSS)
        clear, opaque = clear + alpha.count(0), opaque + alpha.count(255)
    return clear, width * height - clear - opaque


def clean(image):
    """Makes fully transparent pixels of all layers black. `image` is one that may be changed, without selection.

    An indexed image is left alone: what still is one when it is written has one index for all that is transparent.
    """
    if CLEAN in (image.get_parasite_list() or ()) or targets.base_type(image) == "INDEXED":
        return
    size = image.get_width(), image.get_height()
    Gimp.context_push()
    try:
        Gimp.context_set_opacity(100)
        Gimp.context_set_paint_mode(Gimp.LayerMode.NORMAL)
        Gimp.context_set_foreground(Gegl.Color.new("black"))
        for layer in all_layers(image.get_layers()):
            # Pixels that follow from a text, a shape or a file hide nothing
            if not layer.is_group_layer() and not is_content(layer) and levels(layer)[0]:
                _clean_layer(image, layer)
    finally:
        Gimp.context_pop()
    if (image.get_width(), image.get_height()) != size:
        image.resize(*size, 0, 0)
    image.attach_parasite(Gimp.Parasite.new(CLEAN, 0, b"1"))


def _clean_layer(image, layer):
    offsets = tuple(layer.get_offsets())[1:]
    # A selection ends at the canvas, a layer does not
    image.resize(layer.get_width(), layer.get_height(), 0, 0)
    locks = [lock for lock in ("lock_content", "lock_position", "lock_alpha") if getattr(layer, f"get_{lock}")()]
    for lock in locks:
        getattr(layer, f"set_{lock}")(False)
    mask = layer.get_mask()
    edited = mask is not None and layer.get_edit_mask()
    if edited:
        layer.set_edit_mask(False)
    layer.set_offsets(0, 0)
    image.select_item(Gimp.ChannelOps.REPLACE, layer)
    Gimp.Selection.invert(image)
    where = Gimp.Selection.save(image)
    Gimp.Selection.none(image)
    where.threshold(Gimp.HistogramChannel.VALUE, 1.0, 1.0)  # exactly those without any alpha
    image.select_item(Gimp.ChannelOps.REPLACE, where)
    image.remove_channel(where)
    layer.edit_fill(Gimp.FillType.FOREGROUND)
    layer.edit_clear()
    Gimp.Selection.none(image)
    layer.set_offsets(*offsets)
    if edited:
        layer.set_edit_mask(True)
    for lock in locks:
        getattr(layer, f"set_{lock}")(True)
