"""Runs GEGL operations in the plug-in's own process, for those that GIMP does not take as filters.

Owns the graph from a drawable's buffer to its shadow buffer, whose merge makes an undo step and respects the
selection. Nothing here can be a layer effect.
"""

import array

from gi.repository import Gegl

from gimp_bridge.core.errors import OperationError
from gimp_bridge.images import buffers

NUMBER, PAIR = "Y float", "YA float"
TILE = 128


def run(drawable, chain, inputs=None):
    """Runs `chain`, [(operation, {property: value} or `set(node)`), …], over the drawable's pixels, in place.

    `inputs` is {pad: drawable} for the first operation's other inputs, laid over by image coordinates.
    """
    root = Gegl.Node()
    last = None
    source = _buffer_node(root, drawable)
    for operation, properties in chain:
        node = _node(root, operation, properties)
        if last is None:
            if node.has_pad("input"):
                source.link(node)
            for pad, aux in (inputs or {}).items():
                _connect(root, node, drawable, pad, aux, operation)
        else:
            last.link(node)
        last = node
    _write(root, drawable, last)


def _write(root, drawable, last):
    """What the node `last` makes, over the drawable's extent, into the drawable."""
    width, height = drawable.get_width(), drawable.get_height()
    crop = _node(root, "gegl:crop", {"x": 0.0, "y": 0.0, "width": float(width), "height": float(height)})
    last.link(crop)
    shadow = drawable.get_shadow_buffer()
    target = _node(root, "gegl:write-buffer", {"buffer": shadow})
    crop.link(target)
    target.process()
    shadow.flush()
    drawable.merge_shadow(True)
    drawable.update(0, 0, width, height)


def _node(root, operation, properties):
    node = root.create_child(operation)
    if node is None or node.get_operation() != operation:
        raise OperationError("unsupported", f"GEGL has no operation `{operation}`", "see list_gegl_operations")
    if callable(properties):
        properties(node)
    else:
        for name, value in properties.items():
            node.set_property(name, value)
    return node


def _buffer_node(root, drawable):
    return _node(root, "gegl:buffer-source", {"buffer": drawable.get_buffer()})


def _connect(root, node, drawable, pad, aux, operation):
    if not node.has_pad(pad):
        raise OperationError("invalid_argument", f"`{operation}` has no input `{pad}`", f"leave `{pad}_layer` out")
    x, y = drawable.get_offsets()[-2:]
    aux_x, aux_y = aux.get_offsets()[-2:]
    moved = _node(root, "gegl:translate", {"x": float(aux_x - x), "y": float(aux_y - y), "sampler": _nearest()})
    _buffer_node(root, aux).link(moved)
    moved.connect_to("output", node, pad)


def _nearest():
    return Gegl.SamplerType.NEAREST


def displace(drawable, box, cell, size, across, down, sampler, check):
    """Takes each pixel of `box` (left, top, right, bottom) from where the field says, relative to itself.

    `across` and `down` are arrays of floats, `size` (width, height) cells of `cell` pixels.
    """
    left, top, right, bottom = box
    parts = [_enlarged(values, size, cell, right - left, bottom - top) for values in (across, down)]
    # A pair of numbers for each pixel. GEGL copies them without a look at what "Y" and "A" mean, as long as nothing
    # scales or blends them
    field = Gegl.Buffer.new(PAIR, left, top, right - left, bottom - top)
    for row in range(0, bottom - top, TILE):
        check()
        area = Gegl.Rectangle.new(0, row, right - left, min(TILE, bottom - top - row))
        pairs = array.array("f", bytes(8 * area.width * area.height))
        for place, part in enumerate(parts):
            pairs[place::2] = array.array("f", bytes(part.get(area, 1.0, NUMBER, Gegl.AbyssPolicy.NONE)))
        buffers.put(field, left, top + row, area.width, area.height, PAIR, pairs.tobytes())
    field.flush()
    root = Gegl.Node()
    source = _buffer_node(root, drawable)
    moves = _node(root, "gegl:buffer-source", {"buffer": field})
    mapped = _node(root, "gegl:map-relative", {
        "scaling": 1.0, "sampler-type": sampler, "abyss-policy": Gegl.AbyssPolicy.CLAMP})
    source.link(mapped)
    moves.connect_to("output", mapped, "aux")
    _write(root, drawable, mapped)


def _enlarged(values, size, cell, width, height):
    """A buffer of `width` x `height` numbers from a grid that has one for `cell` pixels."""
    small = Gegl.Buffer.new(NUMBER, 0, 0, *size)
    buffers.put(small, 0, 0, *size, NUMBER, values.tobytes())
    if cell == 1:
        return small
    root = Gegl.Node()
    source = _node(root, "gegl:buffer-source", {"buffer": small})
    scaled = _node(root, "gegl:scale-ratio", {
        "x": float(cell), "y": float(cell), "sampler": Gegl.SamplerType.LINEAR, "abyss-policy": Gegl.AbyssPolicy.CLAMP})
    large = Gegl.Buffer.new(NUMBER, 0, 0, width, height)
    crop = _node(root, "gegl:crop", {"x": 0.0, "y": 0.0, "width": float(width), "height": float(height)})
    target = _node(root, "gegl:write-buffer", {"buffer": large})
    source.link(scaled)
    scaled.link(crop)
    crop.link(target)
    target.process()
    return large
