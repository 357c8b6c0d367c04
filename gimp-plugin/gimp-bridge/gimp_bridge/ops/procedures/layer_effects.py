"""Layer effects (non-destructive filters): list, edit, reorder, remove, merge. apply_gegl_operation adds them.

GIMP has no call that reorders effects: those above the new place are made anew, with all they had.
"""

import contextlib

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter
from gimp_bridge.items import targets
from gimp_bridge.pdb import gegl_specs, values as pdb_values


@operation("list_layer_effects")
def list_layer_effects(call, layer=None):
    item = targets.layer(call, layer)
    return {"layer": item.get_id(), "layer_effects": [_show(effect) for effect in item.get_filters()]}


def _show(effect):
    return {
        "layer_effect": effect.get_id(),
        "operation": effect.get_operation_name(),
        "name": effect.get_name(),
        "visible": effect.get_visible(),
        "opacity": round(effect.get_opacity() * 100, 3),
        "blend_mode": enums.name(Gimp.LayerMode, effect.get_blend_mode()).lower(),
        "properties": gegl_specs.values(effect.get_config()),
    }


@operation("edit_layer_effect")
def edit_layer_effect(call, properties, layer_effect=None, layer=None, visible=None, opacity=None, blend_mode=None,
                      position=None):
    if not properties and visible is None and opacity is None and blend_mode is None and position is None:
        raise OperationError(
            "invalid_argument", "nothing to change is given",
            "give `properties`, `visible`, `opacity`, `blend_mode` or `position`",
        )
    item, effect = _find(call, layer, layer_effect)
    config, name = effect.get_config(), effect.get_operation_name()
    mode = pdb_values.enum_value(Gimp.LayerMode.__gtype__, blend_mode) if blend_mode is not None else None
    if properties:
        files = pdb_values.Files(call.settings, writes=False)
        gegl_specs.set_all(config, config.list_properties(), properties, name, files)
    with _renewed(item):
        if opacity is not None:
            effect.set_opacity(opacity / 100)
        if mode is not None:
            effect.set_blend_mode(mode)
        if properties or opacity is not None or mode is not None:
            effect.update()
        if visible is not None:
            effect.set_visible(visible)
        if position is not None:
            effect = _move(item, effect, position)
    return {"message": f"Edited the layer effect {name}", "layer": item.get_id(), **_show(effect)}


@operation("remove_layer_effect")
def remove_layer_effect(call, layer_effect=None, layer=None, all=False):
    if all:
        if layer_effect is not None:
            raise OperationError("invalid_argument", "`layer_effect` is given together with `all`", "give one of them")
        item = targets.layer(call, layer)
        found = item.get_filters()
        if not found:
            raise _none(item)
    else:
        item, effect = _find(call, layer, layer_effect)
        found = [effect]
    names = [effect.get_operation_name() for effect in found]
    with _renewed(item):
        for effect in found:
            effect.delete()
    return {"message": f"Removed {', '.join(names)}", "layer": item.get_id(), "left": len(item.get_filters())}


@operation("merge_layer_effects")
def merge_layer_effects(call, layer=None):
    item = targets.require(targets.layer(call, layer))
    found = item.get_filters()
    if not found:
        raise _none(item)
    if item.is_text_layer():
        targets.add_note(call, f"the text layer `{item.get_id()}` became pixels")
    item.merge_filters()
    return {"message": f"Merged {len(found)} layer effects", "layer": item.get_id(), "left": len(item.get_filters())}


@contextlib.contextmanager
def _renewed(item):
    """Makes GIMP draw the layer anew, with what effects reach beyond it before and after: it forgets to when an effect
    is hidden or shown. A hidden layer's place is drawn anew, a shown one's too."""
    visible = item.get_visible() and not item.get_lock_visibility()
    if visible:
        item.set_visible(False)
    try:
        yield
    finally:
        if visible:
            item.set_visible(True)
        item.update(0, 0, item.get_width(), item.get_height())


def _none(item):
    return OperationError(
        "not_found",
        f"layer `{item.get_id()}` (`{item.get_name()}`) has no layer effect",
        "make one with `as_effect`: true, such as apply_blur with it",
    )


def _find(call, layer, effect_id):
    """(layer, effect). Ids change when an undo brings effects back, so that the only one need not be named."""
    item = None
    if effect_id is not None and layer is None:
        item = _owner(call, effect_id)
    item = item or targets.layer(call, layer)
    found = item.get_filters()
    if not found:
        raise _none(item)
    if effect_id is None and len(found) == 1:
        return item, found[0]
    for effect in found:
        if effect.get_id() == effect_id:
            return item, effect
    listed = [{"layer_effect": effect.get_id(), "operation": effect.get_operation_name()} for effect in found]
    what = f"has no layer effect `{effect_id}`" if effect_id is not None else f"has {len(found)} layer effects"
    raise OperationError(
        "not_found" if effect_id is not None else "invalid_argument",
        f"layer `{item.get_id()}` (`{item.get_name()}`) {what}",
        "give `layer_effect`, an id of list_layer_effects; an undo changes the ids",
        layer_effects=listed,
    )


def _owner(call, effect_id):
    """The layer of the call's image that has the effect, or None."""

    def search(layers):
        for each in layers:
            if any(effect.get_id() == effect_id for effect in each.get_filters()):
                return each
            if isinstance(each, Gimp.GroupLayer):
                found = search(each.get_children())
                if found is not None:
                    return found
        return None

    return search(call.image.get_layers())


def _move(item, effect, position):
    """Moves an effect to `position`, 0 for the topmost. Returns it, which may be a new one."""
    order = item.get_filters()
    place = next(i for i, each in enumerate(order) if each.get_id() == effect.get_id())
    position = min(position, len(order) - 1)
    wanted = [each for each in order if each.get_id() != effect.get_id()]
    wanted.insert(position, effect)
    if position == place:
        return effect
    # What is above the lowest changed place is taken off, and put on again from below
    lowest = max(position, place)
    again = wanted[: lowest + 1]
    kept = {each.get_id(): _copy(item, each) for each in again}
    for each in order[: lowest + 1]:
        each.delete()
    for each in reversed(again):
        made, visible = kept[each.get_id()]
        item.append_filter(made)
        made.set_visible(visible)
    return item.get_filters()[position]


def _copy(item, effect):
    """An effect like it that is not on the layer yet, and whether it shows."""
    made = gegl_filter.new(item, effect.get_operation_name(), effect.get_name())
    source, config = effect.get_config(), made.get_config()
    for spec in source.list_properties():
        config.set_property(spec.name, source.get_property(spec.name))
    made.set_opacity(effect.get_opacity())
    made.set_blend_mode(effect.get_blend_mode())
    made.update()
    return made, effect.get_visible()
