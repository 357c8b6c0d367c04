"""The daemon's filters' way to a layer's pixels and back: read it and its masks, take the result in, put it in place."""

import os
import sys

from gi.repository import Babl, Gegl, Gimp, Gio

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.batches import BATCHES
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.files import loading
from gimp_bridge.images import buffers, display, staging
from gimp_bridge.items import lookup, targets
from gimp_bridge.items.image_edits import all_layers
from gimp_bridge.policy import file_paths
from gimp_bridge.undo import history

STRIP_BYTES = 1 << 20
TILE = 128
ABYSS = Gegl.AbyssPolicy.NONE


@operation("filter_read")
def filter_read(call, source="layer", layer=None, path=None, area=None):
    """Streams the pixels of a layer or a part of it, of all that is visible, or of a file, in their own depth,
    gamma-encoded."""
    if path is not None:
        return _read_file(call, path)
    if not call.image_given:
        # What is read here is going to be changed: with several images open, the client has to say which
        call.image = lookup.resolve_image(call, None, lookup.Need("change"))
    targets.check_nothing_floats(call.image)
    if source == "visible" or (source == "auto" and layer is None and _several(call.image)):
        return _read_visible(call, call.image)
    found = targets.layer(call, layer)
    return _read(call, call.image, found, found, tuple(found.get_offsets()[-2:]), area)


@operation("filter_facts")
def filter_facts(call, layer=None):
    targets.check_nothing_floats(call.image)
    found = targets.layer(call, layer)
    width, height = found.get_width(), found.get_height()
    selection = _selection(call.image, found.get_offsets()[-2:], width, height)
    return {"layer": found.get_id(), "width": width, "height": height, "selection": selection}


def _several(image):
    """Whether no single layer is meant."""
    return len(image.get_selected_layers()) != 1 and len(image.get_layers()) != 1


def _read_visible(call, image):
    made = Gimp.Layer.new_from_visible(image, image, "visible")
    try:
        return _read(call, image, made, None, (0, 0))
    finally:
        made.delete()


def _read_file(call, path):
    real = file_paths.check_path(path, False, call.settings)
    with loading.opened(call, real, name=path) as loaded:
        return _read_visible(call, loaded.image)


def _read(call, image, drawable, layer, offset, area=None):
    whole = drawable.get_width(), drawable.get_height()
    x, y, width, height = area or (0, 0, *whole)
    if min(x, y) < 0 or min(width, height) < 1 or x + width > whole[0] or y + height > whole[1]:
        raise OperationError(
            "invalid_argument",
            f"`area` {area} is not inside the layer of {whole[0]}x{whole[1]} pixels",
            "the layer may have become smaller meanwhile: try again",
            reason="layer_changed",
        )
    offset = offset[0] + x, offset[1] + y
    depth = depth_of(image)
    channels = (1 if drawable.is_gray() else 3) + bool(drawable.has_alpha())
    row_bytes = width * channels * depth // 8
    encoding = _in_own_space(f"{staging.MODELS[channels]} {staging.KINDS[depth]}", drawable)
    buffer = drawable.get_buffer()

    def strips():
        rows = max(STRIP_BYTES // row_bytes // TILE * TILE, 1)
        for top in range(0, height, rows):
            call.check()
            yield buffer.get(Gegl.Rectangle.new(x, y + top, width, min(rows, height - top)), 1.0, encoding, ABYSS)

    header = {"width": width, "height": height, "channels": channels, "depth": depth, "byte_order": sys.byteorder}
    call.stream(header, strips())
    return {
        **header,
        "layer": layer.get_id() if layer is not None else None,
        "group": layer is not None and layer.is_group_layer(),  # its picture: it has no pixels of its own
        "name": layer.get_name() if layer is not None else lookup.image_name(image),
        "offset": list(offset),
        "selection": _selection(image, offset, width, height),
        "base_type": targets.base_type(image),
        "image_size": [image.get_width(), image.get_height()],
    }


def _selection(image, offset, width, height):
    """[x, y, width, height] of the selection on a layer, in the layer's pixels; None without a selection."""
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    if not some:
        return None
    left, right = (min(max(value - offset[0], 0), width) for value in (left, right))
    top, bottom = (min(max(value - offset[1], 0), height) for value in (top, bottom))
    return [left, top, max(right - left, 0), max(bottom - top, 0)]


@operation("filter_read_mask")
def filter_read_mask(call, width, height, x=0, y=0, item=None):
    """Streams one byte a pixel of that part of the image: the selection, or how bright and opaque an item is."""
    image = call.image
    if item is None:
        drawable, shift = image.get_selection(), (0, 0)
    else:
        drawable = lookup.resolve_drawable(call, item)
        shift = (0, 0) if drawable.is_channel() and not drawable.is_layer_mask() else drawable.get_offsets()[-2:]
    encoding = value_encoding(drawable) if drawable.is_channel() else "Y'A u8"
    buffer = drawable.get_buffer()

    def strips():
        rows = max(STRIP_BYTES // width, 1)
        for top in range(0, height, rows):
            call.check()
            area = Gegl.Rectangle.new(x - shift[0], y - shift[1] + top, width, min(rows, height - top))
            values = buffer.get(area, 1.0, encoding, ABYSS)
            if encoding == "Y'A u8":
                values = bytes(value * alpha // 255 for value, alpha in zip(values[::2], values[1::2]))
            yield values

    call.stream({"width": width, "height": height, "channels": 1, "depth": 8}, strips())
    return {"width": width, "height": height}


def value_encoding(channel):
    """For a channel's values as they are: of its own curve, so that no gamma comes in between."""
    return "Y' u8" if Babl.format_get_encoding(channel.get_format()).startswith("Y'") else "Y u8"


@operation("filter_stage")
def filter_stage(call, token, width, height, channels, depth, top):
    if call.upload is None:
        raise OperationError("protocol_error", "filter_stage needs an upload")
    with open(call.upload, "rb") as file:
        rows = staging.stage(call.client, token, width, height, channels, depth, top, file.read())
    return {"rows": rows}


@operation("filter_drop")
def filter_drop(call, token):
    return {"dropped": staging.drop(call.client, token)}


@operation("filter_place")
def filter_place(call, token, kind, name, step, layer=None, x=0, y=0):
    """Puts a staged picture where it belongs, as one step."""
    staged = staging.take(call.client, token)
    found = lookup.resolve_layer(call, layer) if layer is not None else None
    return _PLACES[kind](call, staged, found, name, (x, y))


def _new_layer(call, staged, source, name, offset):
    image = call.image
    made = Gimp.Layer.new(image, name, staged.width, staged.height, layer_type(image, staged.channels), 100,
                          Gimp.LayerMode.NORMAL)
    _write(call, made, staged)
    parent, position = None, 0
    if source is not None:
        parent, position = source.get_parent(), image.get_item_position(source)
        made.set_opacity(source.get_opacity())
        if int(source.get_mode()) != int(Gimp.LayerMode.PASS_THROUGH):  # only groups have that
            made.set_mode(source.get_mode())
    image.insert_layer(made, parent, position)
    made.set_offsets(*offset)
    image.set_selected_layers([made])
    return _placed(call, f"Added the result as layer `{made.get_name()}`", staged, layer=made.get_id())


def _replace(call, staged, source, name, offset):
    targets.paintable(call, source.get_id())
    if (staged.width, staged.height) != (source.get_width(), source.get_height()):
        raise OperationError(
            "invalid_argument",
            f"the result is {staged.width}x{staged.height} pixels and the layer {source.get_width()}x{source.get_height()}",
            'use `result` "new_image" or "new_layer"; or the layer was changed while the filter ran: run it again',
            reason="layer_changed",
        )
    _put_all(call, staged, source)
    return _placed(call, f"Replaced the pixels of layer `{source.get_name()}`", staged, layer=source.get_id())


def _scaled(call, staged, source, name, offset):
    """The pixels of a layer whose size was changed with the whole image's: as there, locks do not matter."""
    locked = source.get_lock_content()
    if locked:
        source.set_lock_content(False)
    _put_all(call, staged, source)
    if locked:
        source.set_lock_content(True)
    return _placed(call, f"Scaled layer `{source.get_name()}`", staged, layer=source.get_id())


def _put_all(call, staged, source):
    """All pixels of a layer; what is selected does not matter: the result is blended through it already."""
    image, kept = call.image, None
    if not Gimp.Selection.is_empty(image):
        kept = Gimp.Selection.save(image)
        Gimp.Selection.none(image)
    shadow = source.get_shadow_buffer()
    _copy(call, staged, shadow, source)
    shadow.flush()
    source.merge_shadow(True)
    source.update(0, 0, staged.width, staged.height)
    if kept is not None:
        image.select_item(Gimp.ChannelOps.REPLACE, kept)
        image.remove_channel(kept)


def _new_image(call, staged, source, name, offset):
    before = call.image
    kind = Gimp.ImageBaseType.GRAY if staged.channels < 3 else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(staged.width, staged.height, kind, before.get_precision())
    try:
        image.undo_disable()
        _, across, down = before.get_resolution()
        image.set_resolution(across, down)
        profile = before.get_color_profile()
        if profile is not None and kind == before.get_base_type():
            image.set_color_profile(profile)
        layer = Gimp.Layer.new(image, name, staged.width, staged.height, layer_type(image, staged.channels), 100,
                               Gimp.LayerMode.NORMAL)
        _write(call, layer, staged)
        image.insert_layer(layer, None, 0)
        image.undo_enable()
    except BaseException:
        image.delete()
        raise
    lookup.remember(image, name=name)
    display.show(image)
    call.client.image_id = image.get_id()
    made = f"Made image {image.get_id()} `{name}`, {staged.width}x{staged.height}"
    return _placed(call, made, staged, layer=layer.get_id(), new_image=image.get_id())


@operation("filter_copy")
def filter_copy(call, suffix):
    original = call.image
    stem, ending = os.path.splitext(lookup.image_name(original).strip("[]"))  # GIMP's own is [Untitled]
    name = f"{stem if ending[1:].isalnum() else stem + ending}-{suffix}"
    image = original.duplicate()
    image.undo_disable()  # until it is shown: nobody wants it back as small as it was
    lookup.remember(image, name=name)
    path = lookup.image_path(original)
    beside = os.path.join(os.path.dirname(path), f"{name}.xcf") if path and os.path.isabs(path) else None
    if beside is not None and not display.headless() and not os.path.exists(beside):
        image.set_file(Gio.File.new_for_path(beside))  # GIMP's windows know no other name of an image
    call.image = image
    call.client.image_id = image.get_id()
    pairs = zip(all_layers(original.get_layers()), all_layers(image.get_layers()))
    return {"name": name, "layers": {str(old.get_id()): new.get_id() for old, new in pairs}}


@operation("filter_show")
def filter_show(call):
    """The copy is whole: no step leads back to what it was on the way."""
    image = call.image
    batch = BATCHES.of(call.request)
    if batch is not None:
        batch.transaction.leave(image)
    history.drop_image(image.get_id())
    image.undo_enable()
    display.show(image)
    return {}


def _layer_mask(call, staged, source, name, offset):
    if source.get_mask() is not None:
        source.remove_mask(Gimp.MaskApplyMode.DISCARD)
    mask = source.create_mask(Gimp.AddMaskType.WHITE)
    if (mask.get_width(), mask.get_height()) != (staged.width, staged.height):
        raise OperationError(
            "invalid_argument",
            f"the mask is {staged.width}x{staged.height} pixels and the layer {mask.get_width()}x{mask.get_height()}",
            "the layer was changed while the filter ran: run it again",
            reason="layer_changed",
        )
    write_values(call, mask.get_buffer(), mask, staged)
    mask.update(0, 0, mask.get_width(), mask.get_height())
    source.add_mask(mask)
    return _placed(call, f"Added the result as mask of layer `{source.get_name()}`", staged, layer=source.get_id(),
                   mask=mask.get_id())


def _make_selection(call, staged, source, name, offset):
    image = call.image
    # Past a channel that becomes the selection: that would take the layers' place as what is selected, in undo too
    selection = image.get_selection()
    buffer = selection.get_shadow_buffer()
    buffers.empty(buffer, value_encoding(selection))
    write_values(call, buffer, selection, staged, offset)
    if not selection.merge_shadow(True):
        raise OperationError("gimp_error", f"GIMP did not take the selection: {Gimp.get_pdb().get_last_error()}")
    selection.update(0, 0, image.get_width(), image.get_height())
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    bounds = {"x": left, "y": top, "width": right - left, "height": bottom - top} if some else None
    return _placed(call, "Made the result the selection" if some else "The result selects nothing", staged, selection=bounds)


_PLACES = {
    "new_layer": _new_layer,
    "replace": _replace,
    "scaled": _scaled,
    "new_image": _new_image,
    "layer_mask": _layer_mask,
    "selection": _make_selection,
}


def _placed(call, message, staged, **more):
    if targets.base_type(call.image) == "INDEXED" and "new_image" not in more and "selection" not in more:
        targets.add_note(call, "the image is indexed, so the result's colours were taken from its palette")
    return {"message": message, "width": staged.width, "height": staged.height, **more}


def layer_type(image, channels):
    kind = targets.base_type(image)
    return getattr(Gimp.ImageType, f"{kind}{'A' if channels in (2, 4) else ''}_IMAGE")


def _write(call, drawable, staged):
    buffer = drawable.get_buffer()
    _copy(call, staged, buffer, drawable)
    buffer.flush()
    drawable.update(0, 0, staged.width, staged.height)


def _copy(call, staged, buffer, drawable):
    """Strip by strip, read as numbers and written as numbers of the drawable's own colour space."""
    encoding = _in_own_space(staged.encoding, drawable)
    for area in areas(call, staged):
        buffers.put_area(buffer, area, encoding, staged.buffer.get(area, 1.0, staged.encoding, ABYSS))


def write_values(call, buffer, channel, staged, offset=(0, 0)):
    """One channel of values into a buffer of a mask or selection, as they are."""
    encoding = value_encoding(channel)
    for area in areas(call, staged):
        data = staged.buffer.get(area, 1.0, staged.encoding, ABYSS)
        buffers.put(buffer, offset[0], offset[1] + area.y, area.width, area.height, encoding, data)
    buffer.flush()


def areas(call, staged):
    rows = max(STRIP_BYTES * 4 // staged.row_bytes // TILE * TILE, 1)
    for top in range(0, staged.height, rows):
        call.check()
        yield Gegl.Rectangle.new(0, top, staged.width, min(rows, staged.height - top))


def _in_own_space(encoding, drawable):
    """The encoding in the drawable's colour space: numbers pass without a conversion between profiles."""
    own = drawable.get_format()
    if Babl.format_is_palette(own):
        return encoding
    return Babl.get_name(Babl.format_with_space(encoding, Babl.format_get_space(own)))


def depth_of(image):
    """Bits of a sample that lose nothing of the image's precision."""
    kind = int(image.get_precision())
    exact = Gimp.Precision
    if kind in (int(exact.U8_LINEAR), int(exact.U8_NON_LINEAR), int(exact.U8_PERCEPTUAL)):
        # 8 bits in linear light are finer in the shadows than 8 bits with gamma
        return 16 if kind == int(exact.U8_LINEAR) else 8
    if kind in (int(exact.U16_LINEAR), int(exact.U16_NON_LINEAR), int(exact.U16_PERCEPTUAL)):
        return 16 if kind != int(exact.U16_LINEAR) else 32
    return 32
