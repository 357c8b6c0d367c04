"""Writes pixels, the selection and the image's mode back from a checkpoint so that GIMP records an undo step.

A plain buffer write leaves no undo step; GIMP's shadow buffer, merged through a rectangular selection, does. GIMP
merges in 32-bit float, as old + (new - old), so that 8, 16 bit and half come out exact and the wider formats do not: of
those restore.py takes copies.
"""

from gi.repository import Babl, Gegl, Gimp

from gimp_bridge.images import buffers
from gimp_bridge.undo.snapshot import component_kinds, encoding

TILE = 128
ABYSS = Gegl.AbyssPolicy.NONE


def convert_mode(image, mode, copy):
    modes = Gimp.ImageBaseType
    here = int(image.get_base_type())
    if mode == here:
        return
    if mode == int(modes.GRAY):
        image.convert_grayscale()
        return
    if here != int(modes.RGB):
        image.convert_rgb()
    if mode == int(modes.INDEXED):
        colors = max(len(copy.get_palette().get_colors()), 2)
        image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, min(colors, 256),
                              False, False, "")
        image.set_palette(copy.get_palette())


def writes_exactly(image):
    """Whether a merged shadow buffer gives this precision's numbers back (8 or 16 bits)."""
    return int(image.get_precision()) < int(Gimp.Precision.U32_LINEAR) or int(image.get_precision()) in (
        int(Gimp.Precision.HALF_LINEAR), int(Gimp.Precision.HALF_NON_LINEAR), int(Gimp.Precision.HALF_PERCEPTUAL))


def write_regions(image, copy, difference, replaced, check):
    """Paints back what differs in the layers, masks and channels that were kept."""
    for id_ in difference.common:
        if id_ in replaced or not Gimp.Item.id_is_valid(id_):
            continue
        what = difference.changed.get(id_, ())
        old, new = difference.old_nodes[id_], difference.new_nodes[id_]
        if old.kind in ("layer", "channel") and ("size" in what or "format" in what):
            if match_shape(old.item, new.item):
                write(image, old.item, new.item, None, check)
    for pair in difference.pairs:
        if pair.region and pair.node is not None and pair.node not in replaced and Gimp.Item.id_is_valid(pair.node):
            write(image, pair.old, pair.new, pair.region, check)
    for id_, what in difference.changed.items():
        if "mask_pixels" in what and id_ not in replaced and Gimp.Item.id_is_valid(id_):
            old, new = difference.old_nodes[id_], difference.new_nodes[id_]
            same = [pair for pair in difference.pairs if pair.node == id_ and pair.what == "mask_pixels"]
            if not same:  # the sizes differed: now that the layer has its size back, so has the mask
                mask = new.item.get_mask()
                if mask and (mask.get_width(), mask.get_height()) == (old.mask.get_width(), old.mask.get_height()):
                    write(image, old.mask, mask, None, check)


def match_shape(old, new):
    """Gives a layer the alpha channel and size it had; False if the formats still differ."""
    if new.is_layer():
        if old.has_alpha() and not new.has_alpha():
            new.add_alpha()
        elif new.has_alpha() and not old.has_alpha():
            new.flatten()
        if (old.get_width(), old.get_height()) != (new.get_width(), new.get_height()):
            x, y = new.get_offsets()[-2:]
            old_x, old_y = old.get_offsets()[-2:]
            new.resize(old.get_width(), old.get_height(), x - old_x, y - old_y)
    return encoding(old) == encoding(new) and (old.get_width(), old.get_height()) == (new.get_width(), new.get_height())


def write(image, old, new, region, check):
    """Writes `region` (x, y, width, height in the drawable; None for all) of `old` into `new`, with an undo step."""
    x, y = (0, 0) if new.is_channel() and not new.is_layer_mask() else new.get_offsets()[-2:]
    left, top, width, height = region or (0, 0, new.get_width(), new.get_height())
    on_canvas = (left + x >= 0 and top + y >= 0 and left + x + width <= image.get_width()
                 and top + y + height <= image.get_height())
    if on_canvas:
        image.select_rectangle(Gimp.ChannelOps.REPLACE, left + x, top + y, width, height)
    else:  # a selection cannot reach there: rewrite the drawable whole
        Gimp.Selection.none(image)
        left, top, width, height = 0, 0, new.get_width(), new.get_height()
    source, shadow = old.get_buffer(), new.get_shadow_buffer()
    name = Babl.format_get_encoding(new.get_format())
    for row in range(top, top + height, TILE):
        if check:
            check()
        rectangle = Gegl.Rectangle.new(left, row, width, min(TILE, top + height - row))
        buffers.put_area(shadow, rectangle, name, source.get(rectangle, 1.0, None, ABYSS))
    shadow.flush()
    new.merge_shadow(True)
    if has_effects(new):  # GIMP would renew the area alone, and not how far an effect such as a blur carries it
        left, top, width, height = 0, 0, new.get_width(), new.get_height()
    new.update(left, top, width, height)


def has_effects(item):
    """Whether the layer, or a group round it, has layer effects."""
    while item is not None:
        if item.is_layer() and item.get_filters():
            return True
        item = item.get_parent()
    return False


def set_selection(image, copy, before):
    """The selection exactly, soft edges too, by way of a channel."""
    if before.properties["selection"] is None:
        if not Gimp.Selection.is_empty(image):
            Gimp.Selection.none(image)
        return
    old = copy.get_selection()
    channel = Gimp.Channel.new(image, "gimp-bridge selection", *before.properties["size"], 100.0,
                               Gegl.Color.new("black"))
    copy_coverage(old, image.get_selection(), channel)
    image.insert_channel(channel, None, 0)
    image.select_item(Gimp.ChannelOps.REPLACE, channel)
    image.remove_channel(channel)


def copy_coverage(old, selection, channel):
    """Fills `channel` so that `selection` covers what `old` covers, once the channel was made the selection.

    GIMP takes a channel's numbers over as they are, whichever of the two is linear. `old` and `selection` may
    differ in that, too (after a flatten the selection is gamma-encoded).
    """
    wanted = Babl.format_get_encoding(selection.get_format())
    channel_format = Babl.format_get_encoding(channel.get_format())
    source, target = old.get_buffer(), channel.get_buffer()
    width, height = channel.get_width(), channel.get_height()
    for top in range(0, height, TILE):
        rectangle = Gegl.Rectangle.new(0, top, width, min(TILE, height - top))
        buffers.put_area(target, rectangle, channel_format, source.get(rectangle, 1.0, wanted, ABYSS))
    target.flush()
    channel.update(0, 0, width, height)


def set_components(image, copy):
    for kind in component_kinds(image):
        image.set_component_visible(kind, copy.get_component_visible(kind))
