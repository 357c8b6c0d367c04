"""What operations on layers share: where a new one goes, what an answer says of one, a lock lifted for a while."""

import contextlib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import layer_modes, lookup
from gimp_bridge.items.image_edits import refused


FACTS = {
    "layer": lambda layer: layer.get_id(),
    "name": lambda layer: layer.get_name(),
    "width": lambda layer: layer.get_width(),
    "height": lambda layer: layer.get_height(),
    "x": lambda layer: layer.get_offsets()[-2],
    "y": lambda layer: layer.get_offsets()[-1],
    "position": lambda layer: layer.get_image().get_item_position(layer),
    "parent": lambda layer: layer.get_parent().get_id() if layer.get_parent() is not None else None,
    "opacity": lambda layer: layer.get_opacity(),
    "mode": lambda layer: layer_modes.mode_name(layer.get_mode()),
    "has_alpha": lambda layer: layer.has_alpha(),
}


def brief(layer, *names):
    """What an answer says of a layer, as GIMP has it now: these of `FACTS`, or all."""
    return {name: FACTS[name](layer) for name in names or FACTS}


def place_of(call, parent, position):
    """(group or None, position) for a new layer; without either: above the selected layer, else on top.

    `position` -1 is as GIMP has it: no wish.
    """
    image = call.image
    position = None if position == -1 else position
    if parent is None and position is None:
        selected = image.get_selected_layers()
        if selected:
            return selected[0].get_parent(), image.get_item_position(selected[0])
        return None, 0
    group = None
    if parent is not None:
        group = lookup.resolve_layer(call, parent)
        if not group.is_group_layer():
            raise OperationError(
                "invalid_argument",
                f"`parent` `{parent}` (`{group.get_name()}`) is no layer group",
                "make one with create_layer_group",
            )
    count = len(group.get_children() if group is not None else image.get_layers())
    if (position or 0) > count:
        raise OperationError(
            "invalid_argument", f"`position` {position} is below the last of {count} layers", f"give 0 (top) to {count}"
        )
    return group, position or 0


def insert(image, layer, parent, position):
    if not image.insert_layer(layer, parent, position):
        raise refused("insert the layer")


@contextlib.contextmanager
def unlock_for(item, lock):
    """Lifts a lock of the item while what it does not guard is done."""
    locked = getattr(item, f"get_{lock}")()
    if locked:
        getattr(item, f"set_{lock}")(False)
    try:
        yield
    finally:
        if locked and item.is_valid():
            getattr(item, f"set_{lock}")(True)
