"""get_image_metadata: an image's structure and properties. Reads no pixel.

Each getter is a round trip to GIMP's core (15 to 25 us), so a plain layer costs nine of them and nothing is asked
twice: its class tells groups and text layers, its type the alpha channel, one call gives width and height.
"""

from gi.repository import Gegl, Gimp, Gio, GObject

from gimp_bridge.core import enums
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import colors, lookup
from gimp_bridge.ops.image.image import precision_fields
from gimp_bridge.undo import history

MAX_TEXT = 10_000  # characters of a text layer that are given


@operation("get_image_metadata")
def get_image_metadata(call, detail="normal", limit=None, offset=0):
    answer = image_metadata(call.image, detail == "full", limit, offset)
    structure = answer["structure"]
    if "next_offset" in structure:
        answer["note"] = (
            f"{structure['next_offset'] - offset} of {structure['num_layers']} layers; "
            f"`offset` {structure['next_offset']} gives the next"
        )
    return answer


def image_metadata(image, full=False, limit=None, offset=0):
    """The operation's result, for other modules; `limit` layers from `offset` on, in the order of `_walk`."""
    width, height = image.get_width(), image.get_height()
    _, x_resolution, y_resolution = image.get_resolution()
    _, non_empty, x1, y1, x2, y2 = Gimp.Selection.bounds(image)
    layers, num_layers = _layer_page(image, non_empty, full, limit, offset)
    channels, paths = (
        [_channel(item, full) for item in image.get_channels()],
        [_path(item, full) for item in image.get_paths()],
    )
    path = lookup.image_path(image)
    dirty = image.is_dirty()
    return {
        "basic": {
            "name": lookup.image_name(image, path),
            "width": width,
            "height": height,
            "base_type": enums.name(Gimp.ImageBaseType, image.get_base_type()),
            **precision_fields(image),
            "resolution_x": x_resolution,
            "resolution_y": y_resolution,
            "is_dirty": dirty,
            "parasites": list(image.get_parasite_list()),
        },
        "structure": {
            "num_layers": num_layers,
            "num_channels": len(channels),
            "num_paths": len(paths),
            "layers": layers,
            "channels": channels,
            "paths": paths,
            "selected_layers": [layer.get_id() for layer in image.get_selected_layers()],
            **({"next_offset": offset + limit} if limit is not None and offset + limit < num_layers else {}),
        },
        "selection": {
            "empty": not non_empty,
            "bounds": {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1} if non_empty else None,
        },
        "guides": guides(image),
        "color_profile": _profile(image),
        "file": {
            "path": path,
            "uri": Gio.File.parse_name(path).get_uri() if path else None,
            "basename": path.replace("\\", "/").rsplit("/", 1)[-1] if path else None,
        },
    }


def _layer_page(image, has_selection, full, limit, offset):
    """(rows, how many layers there are): the top layers of the page, topmost first; groups have `children`.

    A layer whose group is on another page stands beside the others and names it as `parent`. `has_selection` false
    saves a call per layer.
    """
    rows, groups, number = [], {}, 0
    for layer, parent in _walk(image.get_layers(), None):
        if number >= offset and (limit is None or number < offset + limit):
            row = _layer(layer, has_selection, full)
            if parent in groups:
                groups[parent].append(row)
            else:
                rows.append({**row, "parent": parent} if parent is not None else row)
            if "children" in row:
                groups[row["id"]] = row["children"]
        number += 1
    return rows, number


def _walk(layers, parent):
    """(layer, its group's id) of all layers, groups before their children."""
    for layer in layers:
        yield layer, parent
        if isinstance(layer, Gimp.GroupLayer):
            yield from _walk(layer.get_children(), layer.get_id())


def _layer(layer, has_selection, full):
    layer_type = enums.name(Gimp.ImageType, layer.type())
    if has_selection:
        width, height = layer.get_width(), layer.get_height()
    else:
        # Without a selection this is the whole layer: two numbers in one call
        _, _, _, width, height = layer.mask_intersect()
    _, x, y = layer.get_offsets()
    result = {
        "id": layer.get_id(),
        "name": layer.get_name(),
        "visible": layer.get_visible(),
        "opacity": layer.get_opacity(),
        "width": width,
        "height": height,
        "offset_x": x,
        "offset_y": y,
        "has_alpha": layer_type.endswith("A_IMAGE"),
        "blend_mode": enums.name(Gimp.LayerMode, layer.get_mode()),
        "layer_type": layer_type,
    }
    mask = layer.get_mask()
    result["mask"] = _mask(layer, mask) if mask else None
    result["filters"] = [_filter(effect) for effect in layer.get_filters()]
    if isinstance(layer, Gimp.GroupLayer):
        result["kind"] = "group"
        result["children"] = []
    elif isinstance(layer, Gimp.TextLayer):
        result["kind"] = "text"
        result["text"] = _text(layer)
    else:
        result["kind"] = _other_kind(layer)
    if full:
        result.update(
            _full(layer),
            lock_alpha=layer.get_lock_alpha(),
            lock_content=layer.get_lock_content(),
            composite_mode=enums.name(Gimp.LayerCompositeMode, layer.get_composite_mode()),
            blend_space=enums.name(Gimp.LayerColorSpace, layer.get_blend_space()),
            composite_space=enums.name(Gimp.LayerColorSpace, layer.get_composite_space()),
        )
    return result


def _full(item):
    return {
        "lock_position": item.get_lock_position(),
        "lock_visibility": item.get_lock_visibility(),
        "color_tag": enums.name(Gimp.ColorTag, item.get_color_tag()),
        "parasites": list(item.get_parasite_list()),
    }


def _other_kind(layer):
    """Link and vector layers came with GIMP 3.2."""
    for name, kind in (("LinkLayer", "link"), ("VectorLayer", "vector")):
        if isinstance(layer, getattr(Gimp, name, ())):
            return kind
    return "layer"


def _mask(layer, mask):
    return {
        "id": mask.get_id(),
        "name": mask.get_name(),
        "apply": layer.get_apply_mask(),
        "edit": layer.get_edit_mask(),
        "show": layer.get_show_mask(),
    }


def _filter(effect):
    config = effect.get_config()
    return {
        "id": effect.get_id(),
        "name": effect.get_name(),
        "operation": effect.get_operation_name(),
        "visible": effect.get_visible(),
        "opacity": effect.get_opacity() * 100,
        "blend_mode": enums.name(Gimp.LayerMode, effect.get_blend_mode()),
        "properties": {spec.name: plain(config.get_property(spec.name)) for spec in config.list_properties()}
        if config
        else {},
    }


def _text(layer):
    size, unit = layer.get_font_size()
    font = layer.get_font()
    text = layer.get_text() or ""
    result = {
        "text": text[:MAX_TEXT],
        "font": font.get_name() if font else None,
        "font_size": size,
        "font_size_unit": unit.get_name(),
        "color": colors.describe(layer.get_color()),
        "justification": enums.name(Gimp.TextJustification, layer.get_justification()),
    }
    markup = layer.get_markup()
    if markup:
        result["markup"] = markup[:MAX_TEXT]
    if len(text) > MAX_TEXT:
        result["text_cut"] = len(text) - MAX_TEXT
    return result


def _channel(channel, full):
    result = {
        "id": channel.get_id(),
        "name": channel.get_name(),
        "visible": channel.get_visible(),
        "opacity": channel.get_opacity(),
        "color": colors.describe(channel.get_color()),
    }
    filters = channel.get_filters()
    if filters:
        result["filters"] = [_filter(effect) for effect in filters]
    return {**result, **_full(channel)} if full else result


def _path(path, full):
    result = {
        "id": path.get_id(),
        "name": path.get_name(),
        "visible": path.get_visible(),
        "num_strokes": len(path.get_strokes()),
    }
    return {**result, **_full(path)} if full else result


def guides(image):
    guides, guide = [], image.find_next_guide(0)
    while guide:
        vertical = enums.name(Gimp.OrientationType, image.get_guide_orientation(guide)) == "VERTICAL"
        guides.append(
            {
                "id": guide,
                "orientation": "vertical" if vertical else "horizontal",
                "position": image.get_guide_position(guide),
            }
        )
        guide = image.find_next_guide(guide)
    return guides


def _profile(image):
    """The attached ICC profile, or None: then the image is sRGB (or its linear form)."""
    profile = image.get_color_profile()
    if profile is None:
        return None
    return {
        "label": profile.get_label(),
        "description": profile.get_description(),
        "manufacturer": profile.get_manufacturer(),
        "model": profile.get_model(),
        "copyright": profile.get_copyright(),
        "linear": profile.is_linear(),
        "bytes": len(profile.get_icc_profile()),
    }


def plain(value):
    """A filter's property as JSON."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Gegl.Color):
        return colors.describe(value)
    if isinstance(value, GObject.GEnum):
        return value.value_nick
    if isinstance(value, (int, float)):
        return value if abs(value) < 1e308 else None
    if isinstance(value, Gimp.Item):
        return history.current_id(value.get_id())
    if hasattr(value, "get_path"):
        return value.get_path()
    return str(value)[:200]
