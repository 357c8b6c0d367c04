"""Operations that make, place and remove layers."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.items import colors, layer_modes, lookup, targets
from gimp_bridge.items.image_edits import (
    all_layers, check_size, fill_boxes, is_content, new_layer, refused, selection_aside,
)
from gimp_bridge.items.layer_facts import brief, insert, place_of, unlock_for
from gimp_bridge.undo.restore_pixels import write

TYPES = {"RGB": 0, "RGBA": 1, "GRAY": 2, "GRAYA": 3, "INDEXED": 4, "INDEXEDA": 5}  # as Gimp.ImageType counts them


@operation("create_layer")
def create_layer(
    call, name="Layer", width=None, height=None, type_id=None, opacity=100, mode="normal", position=None,
    fill="transparent", parent=None, x=0, y=0,
):  # fmt: skip
    image = call.image
    width, height = width or image.get_width(), height or image.get_height()
    check_size(width, height)
    alpha = _alpha(image, type_id)
    blend = layer_modes.mode(mode)
    layer_modes.need_group_for(blend, False)
    rgba = colors.parse(fill)
    if not alpha and rgba[3] < 1:
        if fill != "transparent":
            raise OperationError(
                "invalid_argument", f"`fill` {fill} is not opaque, but the type has no alpha", "give an opaque colour"
            )
        rgba = (1.0, 1.0, 1.0, 1.0)
    where = place_of(call, parent, position)
    layer = new_layer(image, name, width, height, alpha, opacity, blend)
    insert(image, layer, *where)
    layer.set_offsets(x, y)
    if rgba[3] > 0:
        fill_boxes(layer, rgba, [(0, 0, width, height)])
    image.set_selected_layers([layer])
    return {"message": f"Created {width}x{height} layer {layer.get_name()}", **brief(layer)}


def _alpha(image, type_id):
    """Whether the asked-for type has alpha; its base must be the image's."""
    if type_id is None:
        return True
    names = {number: name for name, number in TYPES.items()}
    wanted = names[type_id] if isinstance(type_id, int) else type_id.upper()
    base = targets.base_type(image)
    if wanted.removesuffix("A") != base:
        raise OperationError(
            "invalid_argument",
            f"`type_id` {type_id} means {wanted}, but image `{image.get_id()}` is {base}",
            f"give {TYPES[base]} ({base}) or {TYPES[base] + 1} ({base}A), or leave it out",
        )
    return wanted.endswith("A")


@operation("create_layer_from_visible")
def create_layer_from_visible(call, name="Visible", position=0):
    image = call.image
    if not any(layer.get_visible() for layer in image.get_layers()):
        raise OperationError("invalid_argument", "no layer is visible", "show one with set_layer_properties")
    where = place_of(call, None, position)
    layer = Gimp.Layer.new_from_visible(image, image, name)
    insert(image, layer, *where)
    image.set_selected_layers([layer])
    return {
        "message": f"Created layer {layer.get_name()} from what is visible",
        **brief(layer, "layer", "name", "position"),
    }


@operation("create_layer_group")
def create_layer_group(call, name="Group", layers=None, position=None, parent=None, mode="pass_through", opacity=100):
    image = call.image
    targets.need_mode(call, ("RGB", "GRAY"), "a layer group")
    members = [lookup.resolve_layer(call, id_) for id_ in layers or ()]
    inside = {child.get_id() for member in members for child in _below(member)}
    members = [member for member in members if member.get_id() not in inside]
    if parent is None and position is None and members:
        # Where the topmost of them was
        top = min(members, key=_order(image))
        where = top.get_parent(), image.get_item_position(top)
        if where[0] is not None and where[0].get_id() in {member.get_id() for member in members}:
            where = None, 0
    else:
        where = place_of(call, parent, position)
    if where[0] is not None and where[0].get_id() in inside | {member.get_id() for member in members}:
        raise OperationError("invalid_argument", f"`parent` `{parent}` would go into itself", "give another group")
    group = Gimp.GroupLayer.new(image, name)
    insert(image, group, *where)
    group.set_mode(layer_modes.mode(mode))
    group.set_opacity(opacity)
    for place, member in enumerate(sorted(members, key=_order(image))):
        image.reorder_item(member, group, place)
    image.set_selected_layers([group])
    count = len(members)
    return {
        "message": f"Created layer group {group.get_name()}"
        + (f" of {count} layer{'s' * (count > 1)}" if count else ""),
        **brief(group, "layer", "name", "position", "parent"),
        "children": [child.get_id() for child in group.get_children()],
    }


def _below(layer):
    return all_layers(layer.get_children()) if layer.is_group_layer() else ()


def _order(image):
    places = {layer.get_id(): place for place, layer in enumerate(all_layers(image.get_layers()))}
    return lambda layer: places[layer.get_id()]


def _plan_duplicate(call, layer_id=None, to_image=None, **_):
    call.image = call.image or lookup.resolve_image(call, None, lookup.Need("change"))
    call.prepared = targets.layer(call, layer_id), lookup.image_by_id(to_image) if to_image is not None else call.image
    return Plan(changes=True, images=[call.prepared[1]], isolated=True)


@operation("duplicate_layer", plan=_plan_duplicate)
def duplicate_layer(call, layer_id=None, name=None, position=None, to_image=None):
    layer, image = call.prepared
    if image.get_id() == call.image.get_id():
        copy = layer.copy()
        where = layer.get_parent(), image.get_item_position(layer)
        if position is not None:
            where = place_of(call, where[0].get_id() if where[0] else None, position)
    else:
        copy = Gimp.Layer.new_from_drawable(layer, image)
        call.image = image
        where = place_of(call, None, position)
    insert(image, copy, *where)
    copy.set_name(name or f"{layer.get_name()} copy")
    image.set_selected_layers([copy])
    message = f"Duplicated layer {layer.get_name()} as {copy.get_name()}"
    return {"message": message, **brief(copy, "layer", "name", "position", "parent")}


@operation("delete_layer")
def delete_layer(call, layer=None, layers=None):
    image = call.image
    if layer is not None and layers:
        raise OperationError("invalid_argument", "both `layer` and `layers` are given", "give one of them")
    chosen = [lookup.resolve_layer(call, id_) for id_ in layers] if layers else [targets.layer(call, layer)]
    for each in chosen:
        targets.require(each, pixels=False)
    names = [each.get_name() for each in chosen]
    gone = [each.get_id() for each in chosen]
    for each in chosen:
        if each.is_valid():  # else it went with its group
            image.remove_layer(each)
    plural = "layers" if len(names) > 1 else "layer"
    return {"message": f"Deleted {plural} {', '.join(names[:5])}{' …' * (len(names) > 5)}", "deleted": gone}


@operation("reorder_layer")
def reorder_layer(call, layer=None, position=None, parent=None, to=None):
    image = call.image
    moved = targets.layer(call, layer)
    if (position is None) == (to is None):
        raise OperationError(
            "invalid_argument", f"{'both' if to else 'neither'} `position` and `to` are given", "give one of them"
        )
    here = moved.get_parent(), image.get_item_position(moved)
    siblings = here[0].get_children() if here[0] is not None else image.get_layers()
    if to is not None:
        if parent is not None:
            raise OperationError("invalid_argument", "`to` moves within the group", "give `position` with `parent`")
        last = len(siblings) - 1
        place = {"top": 0, "bottom": last, "up": max(here[1] - 1, 0), "down": min(here[1] + 1, last)}[to]
        where = here[0], place
    else:
        # 0 is no id: out of all groups
        same = parent is None and here[0] is not None
        where = place_of(call, here[0].get_id() if same else parent or None, position)
        inside = {each.get_id() for each in (moved, *_below(moved))}
        if where[0] is not None and where[0].get_id() in inside:
            raise OperationError("invalid_argument", f"group `{parent}` cannot go into itself", "give another `parent`")
    with unlock_for(moved, "lock_position"):
        if not image.reorder_item(moved, *where):
            raise refused("move the layer")
    found = moved.get_parent(), image.get_item_position(moved)
    group = f" in group {found[0].get_name()}" if found[0] is not None else ""
    return {
        "message": f"Moved layer {moved.get_name()} to position {found[1]}{group}",
        **brief(moved, "layer", "position", "parent"),
    }


@operation("select_layers")
def select_layers(call, layers):
    image = call.image
    chosen = [lookup.resolve_layer(call, id_) for id_ in layers]
    image.set_selected_layers(chosen)
    selected = [layer.get_id() for layer in image.get_selected_layers()]
    names = ", ".join(layer.get_name() for layer in chosen[:5])
    return {"message": f"Selected {'layer' if len(selected) == 1 else 'layers'} {names}", "selected": selected}


@operation("rasterize_layer")
def rasterize_layer(call, layer=None):
    chosen = targets.layer(call, layer)
    if not is_content(chosen):
        raise OperationError(
            "invalid_argument",
            f"layer `{chosen.get_id()}` (`{chosen.get_name()}`) has pixels already",
            "only text, shape and link layers are turned into pixels",
        )
    if hasattr(chosen, "rasterize"):
        chosen.rasterize()
    else:  # 3.0: what paints on the text ends it
        _repaint(chosen)
    if is_content(chosen):
        raise refused("turn the layer into pixels")
    return {"message": f"Turned layer {chosen.get_name()} into pixels", **brief(chosen, "layer", "name")}


def _repaint(layer):
    """Writes a layer's own pixels back by way of an undo step."""
    image = layer.get_image()
    with selection_aside(image):
        write(image, layer, layer, None, None)
        Gimp.Selection.none(image)
