"""Runs GEGL operations in the plug-in's own process, for those that GIMP does not take as filters.

Owns the graph from a drawable's buffer to its shadow buffer, whose merge makes an undo step and respects the
selection. Nothing here can be a layer effect.
"""

from gi.repository import Gegl

from errors import OperationError


def run(drawable, chain, aux=None):
    """Runs `chain`, [(operation, {property: value} or `set(node)`), …], over the drawable's pixels, in place.

    `aux` is a drawable for the first operation's second input, laid over by image coordinates.
    """
    root = Gegl.Node()
    last = None
    source = _buffer_node(root, drawable)
    for operation, properties in chain:
        node = _node(root, operation, properties)
        if last is None:
            if node.has_pad("input"):
                source.link(node)
            if aux is not None:
                _connect_aux(root, node, drawable, aux, operation)
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


def _connect_aux(root, node, drawable, aux, operation):
    if not node.has_pad("aux"):
        raise OperationError("invalid_argument", f"`{operation}` has no second input", "leave `aux_layer` out")
    x, y = drawable.get_offsets()[-2:]
    aux_x, aux_y = aux.get_offsets()[-2:]
    moved = _node(root, "gegl:translate", {"x": float(aux_x - x), "y": float(aux_y - y), "sampler": _nearest()})
    _buffer_node(root, aux).link(moved)
    moved.connect_to("output", node, "aux")


def _nearest():
    return Gegl.SamplerType.NEAREST


def displace(drawable, field, cell, sampler):
    """Takes each pixel from where `field` says, a "YA float" buffer of (dx, dy) with one value for `cell` pixels."""
    root = Gegl.Node()
    source = _buffer_node(root, drawable)
    small = _node(root, "gegl:buffer-source", {"buffer": field})
    large = _node(root, "gegl:scale-ratio", {
        "x": float(cell), "y": float(cell), "sampler": Gegl.SamplerType.LINEAR, "abyss-policy": Gegl.AbyssPolicy.CLAMP})
    small.link(large)
    mapped = _node(root, "gegl:map-relative", {
        "scaling": 1.0, "sampler-type": sampler, "abyss-policy": Gegl.AbyssPolicy.CLAMP})
    source.link(mapped)
    large.connect_to("output", mapped, "aux")
    _write(root, drawable, mapped)
