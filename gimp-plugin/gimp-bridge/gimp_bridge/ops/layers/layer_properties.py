"""Operations on a layer's own properties, size, alpha channel, and on merging layers."""

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import colors, layer_modes, targets
from gimp_bridge.items.image_edits import ANCHORS, Contents, check_size, enlarge, refused
from gimp_bridge.items.layer_facts import brief

LOCKS = {"pixels": "lock_content", "position": "lock_position", "visibility": "lock_visibility", "alpha": "lock_alpha"}
MERGES = {
    "expand_as_necessary": "EXPAND_AS_NECESSARY", "clip_to_image": "CLIP_TO_IMAGE",
    "clip_to_bottom_layer": "CLIP_TO_BOTTOM_LAYER",
}  # fmt: skip
BY_NUMBER = (*MERGES, "flatten_image")  # as Gimp.MergeType counts them


@operation("set_layer_properties")
def set_layer_properties(
    call, layer=None, name=None, opacity=None, mode=None, visible=None, color_tag=None, blend_space=None,
    composite_space=None, composite_mode=None,
):  # fmt: skip
    found = targets.layer(call, layer)
    blend = layer_modes.mode(mode) if mode is not None else None
    if blend is not None:
        layer_modes.need_group_for(blend, found.is_group_layer())
    wanted = {
        "visible": visible,
        "opacity": opacity,
        "mode": blend,
        "color_tag": _member(Gimp.ColorTag, color_tag),
        "blend_space": _member(Gimp.LayerColorSpace, layer_modes.SPACES.get(blend_space)),
        "composite_space": _member(Gimp.LayerColorSpace, layer_modes.SPACES.get(composite_space)),
        "composite_mode": _member(Gimp.LayerCompositeMode, composite_mode),
    }
    wanted = {key: value for key, value in wanted.items() if value is not None}
    if not wanted and name is None:
        raise OperationError(
            "invalid_argument", "nothing to set is given", "give `opacity`, `mode`, `visible` or others"
        )
    if visible is not None and found.get_lock_visibility() and found.get_visible() != visible:
        raise OperationError(
            "forbidden", f"the visibility of layer `{found.get_id()}` is locked", "unlock it with set_layer_locks"
        )
    # The mode first: GIMP sets the spaces and the composite mode to automatic with it
    for key in sorted(wanted, key=lambda key: key != "mode"):
        getattr(found, f"set_{key}")(wanted[key])
    if name is not None:
        found.set_name(name)
        if found.get_name() != name:
            targets.add_note(call, f"the name `{name}` is taken, so GIMP made it `{found.get_name()}`")
    ignored = [key for key, value in wanted.items() if not _equal(getattr(found, f"get_{key}")(), value)]
    if ignored:
        targets.add_note(call, f"GIMP did not take {', '.join(ignored)} for this layer")
    changed = [*(["name"] if name is not None else []), *wanted]
    words = ", ".join(word.replace("_", " ") for word in changed)
    return {
        "message": f"Set {words} of layer {found.get_name()}",
        **brief(found, "layer", "name", "opacity", "mode"),
        **_more(found),
    }


def _member(kind, name):
    return getattr(kind, name.upper().replace("-", "_")) if name is not None else None


def _equal(value, wanted):
    return abs(float(value) - float(wanted)) < 0.01


def _more(layer):
    return {
        "visible": layer.get_visible(),
        "color_tag": enums.name(Gimp.ColorTag, layer.get_color_tag()).lower(),
        "blend_space": layer_modes.space_name(layer.get_blend_space()),
        "composite_space": layer_modes.space_name(layer.get_composite_space()),
        "composite_mode": enums.name(Gimp.LayerCompositeMode, layer.get_composite_mode()).lower().replace("_", "-"),
    }


@operation("set_layer_locks")
def set_layer_locks(call, layer=None, **locks):
    found = targets.layer(call, layer)
    wanted = {name: value for name, value in locks.items() if value is not None}
    if not wanted:
        raise OperationError("invalid_argument", "no lock is given", f"give {', '.join(f'`{name}`' for name in LOCKS)}")
    for name, value in wanted.items():
        getattr(found, f"set_{LOCKS[name]}")(value)
    now = {name: getattr(found, f"get_{lock}")() for name, lock in LOCKS.items()}
    if any(now[name] != value for name, value in wanted.items()):
        targets.add_note(call, "GIMP did not take each of them for this layer")
    parts = [f"{'locked' if now[name] else 'unlocked'} {name}" for name in wanted]
    return {"message": f"{', '.join(parts).capitalize()} of layer {found.get_name()}", "layer": found.get_id(), **now}


@operation("resize_layer")
def resize_layer(
    call, layer=None, to="image", width=None, height=None, anchor="center", offset_x=None, offset_y=None,
    fill="transparent",
):  # fmt: skip
    image, found = call.image, targets.layer(call, layer)
    if found.is_group_layer():
        raise OperationError(
            "invalid_argument", f"layer `{found.get_id()}` is a group, whose size is its layers'", "resize those"
        )
    rgba = colors.parse(fill)
    if to != "size" and (width, height, offset_x, offset_y) != (None,) * 4:
        raise OperationError("invalid_argument", f'`to` is "{to}" and a size is given too', "give one of them")
    old = found.get_width(), found.get_height()
    with Contents(call) as contents:
        if to == "content":
            _to_content(image, found)
        elif to == "image":
            x, y = found.get_offsets()[-2:]
            enlarge(found, image.get_width(), image.get_height(), x, y, rgba)
        else:
            if width is None and height is None:
                raise OperationError("invalid_argument", '`to` is "size" without one', "give `width` and `height`")
            new = width or old[0], height or old[1]
            check_size(*new)
            x, y = (round((side - was) * part) for side, was, part in zip(new, old, ANCHORS[anchor]))
            enlarge(found, *new, x if offset_x is None else offset_x, y if offset_y is None else offset_y, rgba)
    contents.say()
    size = f"{found.get_width()}x{found.get_height()}"
    return {
        "message": f"Resized layer {found.get_name()} from {old[0]}x{old[1]} to {size}",
        **brief(found, "layer", "width", "height", "x", "y"),
    }


def _to_content(image, layer):
    """GIMP crops the selected layers; the selection of layers is put back."""
    selected = image.get_selected_layers()
    image.set_selected_layers([layer])
    try:
        image.autocrop_selected_layers(layer)
    finally:
        if selected:
            image.set_selected_layers(selected)


@operation("set_layer_alpha")
def set_layer_alpha(call, alpha, layer=None, background="white"):
    found = targets.layer(call, layer)
    if found.is_group_layer():
        raise OperationError(
            "invalid_argument", f"layer `{found.get_id()}` is a group, which always has alpha", "give a layer inside it"
        )
    if alpha == found.has_alpha():
        state = "has an alpha channel" if alpha else "has no alpha channel"
        return {"message": f"Layer {found.get_name()} {state} already", **brief(found, "layer", "has_alpha")}
    with Contents(call) as contents:
        if alpha:
            done = found.add_alpha()
        else:
            Gimp.context_set_background(colors.gegl_color((*colors.parse(background)[:3], 1.0)))
            done = found.flatten()
    if not done:
        raise refused("change the alpha channel")
    contents.say()
    verb = "Added an alpha channel to" if alpha else "Removed the alpha channel of"
    return {"message": f"{verb} layer {found.get_name()}", **brief(found, "layer", "has_alpha")}


@operation("merge_layers")
def merge_layers(call, merge_type="expand_as_necessary", layers="visible", layer=None, background="white"):
    image = call.image
    kind = BY_NUMBER[merge_type] if isinstance(merge_type, int) else merge_type
    if not image.get_layers():
        raise OperationError("no_image", f"image `{image.get_id()}` has no layer", "make one with create_layer")
    if kind == "flatten_image":
        if layers != "visible" or layer is not None:
            raise OperationError(
                "invalid_argument", "flattening takes all visible layers", "leave `layers` and `layer` out"
            )
        Gimp.context_set_background(colors.gegl_color((*colors.parse(background)[:3], 1.0)))
        _need_visible(image)
        merged, what = image.flatten(), "Flattened image"
    elif layers == "visible":
        if layer is not None:
            raise OperationError(
                "invalid_argument", '`layer` has no meaning with `layers` "visible"', 'give "down" or "group"'
            )
        _need_visible(image)
        merged, what = image.merge_visible_layers(getattr(Gimp.MergeType, MERGES[kind])), "Merged visible layers"
    elif layers == "down":
        merged, what = _down(image, targets.layer(call, layer), kind)
    else:
        group = targets.layer(call, layer)
        if not group.is_group_layer():
            raise OperationError(
                "invalid_argument", f"layer `{group.get_id()}` is no group", 'give a group, or `layers` "down"'
            )
        merged, what = group.merge(), f"Merged layer group {group.get_name()}"
    if merged is None:
        raise refused("merge the layers")
    return {"message": what, **brief(merged, "layer", "name", "width", "height", "x", "y", "has_alpha")}


def _need_visible(image):
    if not any(layer.get_visible() for layer in image.get_layers()):
        raise OperationError("invalid_argument", "no layer is visible", "show one with set_layer_properties")


def _down(image, top, kind):
    siblings = top.get_parent().get_children() if top.get_parent() is not None else image.get_layers()
    below = [each for each in siblings[image.get_item_position(top) + 1 :] if each.get_visible()]
    if not below:
        raise OperationError(
            "invalid_argument",
            f"no visible layer is below layer `{top.get_id()}`",
            "choose a higher one, or show one below",
        )
    if below[0].is_group_layer():
        raise OperationError(
            "invalid_argument", f"below lies the group `{below[0].get_id()}`", 'merge that first, with `layers` "group"'
        )
    if not top.get_visible():
        raise OperationError(
            "invalid_argument", f"layer `{top.get_id()}` is hidden", "show it with set_layer_properties first"
        )
    targets.require(below[0], pixels=False)
    name = top.get_name()
    merged = image.merge_down(top, getattr(Gimp.MergeType, MERGES[kind]))
    return merged, f"Merged layer {name} down"
