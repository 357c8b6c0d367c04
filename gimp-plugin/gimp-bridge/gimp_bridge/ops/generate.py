"""Generation inside of an image: the area and its pixels for the daemon, and its results as layers in one step."""

import contextlib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.images import buffers, painted_area, staging
from gimp_bridge.items import lookup, targets
from gimp_bridge.items.image_edits import refused
from gimp_bridge.items.layer_facts import insert
from gimp_bridge.ops.ai import ABYSS, areas, depth_of, layer_type, value_encoding, write_values
from gimp_bridge.ops.pixels import fit_size, strips

SEEN = "R'G'B'A u8"  # sRGB, as models have learned it


@operation("generate_area")
def generate_area_(call, what, layer=None, context_margin=0.25):
    """Where the generation `what` would paint; refuses what could not be put in place later, before anything is painted."""
    if call.settings.read_only:
        raise OperationError(
            "forbidden",
            "generating into an image would change it, and this GIMP is read-only",
            "the policy `read_only` in plugin.json of GIMP's user decides",
        )
    image, found = _meant(call, what, layer)
    targets.check_nothing_floats(image)
    facts = {
        "image_size": [image.get_width(), image.get_height()],
        "base_type": targets.base_type(image),
        "depth": 8 if depth_of(image) == 8 else 16,
        "layer": found.get_id() if found is not None else None,
    }
    if what == "new_layer":
        return facts
    area = _area(image, what, found, context_margin)
    return {**facts, "part": list(area.part), "box": list(area.box), "frame": list(area.frame), "selected": area.selected}


def _meant(call, what, layer):
    """The image, and the layer that is varied or that results go above (None: on top)."""
    if not call.image_given:
        # It is going to be changed: with several images open, the client has to say which
        call.image = lookup.resolve_image(call, None, lookup.Need("change"))
    if what == "vary" or layer is not None:
        found = targets.layer(call, layer)
        return call.image, found
    selected = call.image.get_selected_layers()
    return call.image, selected[0] if selected else None


def _area(image, what, layer, margin):
    return painted_area.fill(image, margin) if what == "fill" else painted_area.vary(image, layer, margin)


@operation("generate_read")
def generate_read(call, what, part, box, max_width, max_height, layer=None):
    """Streams the box, scaled down to fit, and then at full size what limits the part: the header says which planes."""
    image = call.image
    source = lookup.resolve_layer(call, layer) if what == "vary" else None
    area = _area(image, what, source, 0)
    inside = painted_area.common(tuple(box), area.frame)
    if list(area.part) != part or inside != tuple(box):
        raise OperationError("busy", "the selection or the layer changed just now", "try again", reason="layer_changed")
    width, height = fit_size(*box[2:], {"max_width": max_width, "max_height": max_height})
    with contextlib.ExitStack() as stack:
        drawable, offset, mask = painted_area.seen(image, source, stack)
        local = (box[0] - offset[0], box[1] - offset[1], *box[2:])
        pieces = [strips(call, drawable.get_buffer(), local, (width, height), SEEN, width * 4)]
        if mask is not None:
            pieces.append(strips(call, mask.get_buffer(), local, (width, height), value_encoding(mask), width))
        planes = []
        if area.selected:
            selection = image.get_selection()
            planes.append((selection.get_buffer(), value_encoding(selection), (0, 0)))
        if source is not None and source.has_alpha():
            planes.append((source.get_buffer(), "A u8", offset))
        if mask is not None:
            planes.append((mask.get_buffer(), value_encoding(mask), offset))
        for buffer, encoding, corner in planes:
            own = (part[0] - corner[0], part[1] - corner[1], *part[2:])
            pieces.append(strips(call, buffer, own, tuple(part[2:]), encoding, part[2]))
        header = {"width": width, "height": height, "hidden": mask is not None, "planes": len(planes)}
        call.stream(header, (strip for piece in pieces for strip in piece))
    return header


@operation("generate_place")
def generate_place(call, tokens, names, step, x, y, group=None, mask=None, above=None, like=False, image_size=None):
    """Puts staged pictures in place as layers, the first one visible, limited by a staged mask: one step."""
    image = call.image
    pictures = [staging.take(call.client, token) for token in tokens]
    shape = staging.take(call.client, mask) if mask is not None else None
    anchor = _anchor(call, above)
    if image_size not in (None, [image.get_width(), image.get_height()]):
        now = f"{image.get_width()}x{image.get_height()}"
        targets.add_note(call, f"the image is {now} now and was {image_size[0]}x{image_size[1]} when it was read")
    holder, (parent, position) = None, _place(call, anchor)
    if group is not None and targets.base_type(image) != "INDEXED":  # which has no groups
        holder = Gimp.GroupLayer.new(image, group)
        holder.set_mode(Gimp.LayerMode.NORMAL)
        insert(image, holder, parent, position)
        parent, position = holder, 0
    layers = []
    for number, (staged, name) in enumerate(zip(pictures, names)):
        layer = Gimp.Layer.new(image, name, staged.width, staged.height, layer_type(image, 4), 100, Gimp.LayerMode.NORMAL)
        _paint(call, layer, staged)
        insert(image, layer, parent, position + number)
        layer.set_offsets(x, y)
        layer.set_visible(number == 0)
        layers.append(layer)
        call.progress((number + 1) / len(pictures), "putting it into the image")
    tops = [holder] if holder is not None else layers
    for top in tops:
        if shape is not None:
            _limit(call, top, shape)
        if like and anchor is not None:
            _liken(top, anchor)
    image.set_selected_layers(tops[:1])
    _note(call, holder, anchor, like, group)
    count = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}"
    where = f" in group `{holder.get_name()}`" if holder is not None else f" `{layers[0].get_name()}`" if len(layers) == 1 else ""
    return {
        "message": f"Added {count}{where}",
        "group": holder.get_id() if holder is not None else None,
        "layers": [layer.get_id() for layer in layers],
        "region": [x, y, pictures[0].width, pictures[0].height],
    }


def _anchor(call, above):
    """The layer that results go above: as it was when the generation began, if it is still there."""
    if above is None:
        return None
    try:
        return lookup.resolve_layer(call, above)
    except OperationError as error:
        if error.kind != "not_found":
            raise
        targets.add_note(call, "the layer that it was made for is gone, so it lies on top")
        return None


def _place(call, anchor):
    """(group or None, position) above the anchor, else on top."""
    if anchor is None:
        return None, 0
    return anchor.get_parent(), call.image.get_item_position(anchor)


def _paint(call, layer, staged):
    """sRGB numbers into the layer: GIMP's own conversion to the image's space, precision, greys or palette."""
    buffer = layer.get_buffer()
    for area in areas(call, staged):
        buffers.put_area(buffer, area, staged.encoding, staged.buffer.get(area, 1.0, staged.encoding, ABYSS))
    buffer.flush()
    layer.update(0, 0, staged.width, staged.height)


def _limit(call, layer, shape):
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    if mask is None or (mask.get_width(), mask.get_height()) != (shape.width, shape.height):
        raise OperationError("internal", f"GIMP made no mask of {shape.width}x{shape.height} pixels")
    write_values(call, mask.get_buffer(), mask, shape)
    mask.update(0, 0, shape.width, shape.height)
    if not layer.add_mask(mask):
        raise refused("add the mask")
    layer.set_edit_mask(False)


def _liken(layer, model):
    """Opacity and mode of the layer that was varied."""
    layer.set_opacity(model.get_opacity())
    if int(model.get_mode()) != int(Gimp.LayerMode.PASS_THROUGH):  # only groups have that
        layer.set_mode(model.get_mode())


def _note(call, holder, anchor, like, group):
    """What a person would wonder about."""
    if targets.base_type(call.image) == "INDEXED":
        said = "the image is indexed, so the result's colours were taken from its palette"
        targets.add_note(call, said + (", and it has no layer groups" if group is not None and holder is None else ""))
    over = anchor.get_parent() if anchor is not None else None
    while over is not None:
        if not over.get_visible():
            targets.add_note(call, f"group `{over.get_name()}` round it is hidden, so it does not show")
            break
        over = over.get_parent()
    plain = (int(Gimp.LayerMode.NORMAL), int(Gimp.LayerMode.PASS_THROUGH))
    if like and anchor is not None and (anchor.get_opacity() < 100 or int(anchor.get_mode()) not in plain):
        said = f"it has the opacity and mode of layer `{anchor.get_name()}`, which shows through: hide that to see it alone"
        targets.add_note(call, said)
