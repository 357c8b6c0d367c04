"""What an image consists of besides pixels, as plain data that can be compared.

Owns the list of properties that effect and restore speak of. Reads only. Enums are turned into ints (GIMP 3.2 gives
ints or enums), colours into CSS-like tuples, parasites into bytes, so that `==` means equal.
"""

from gi.repository import Babl, Gegl, Gimp

from gimp_bridge.core import pulse

TEXT_GETTERS = (
    "text", "markup", "font_size", "color", "font", "antialias", "hint_style", "kerning", "language",
    "base_direction", "justification", "indent", "line_spacing", "letter_spacing",
    "outline", "outline_color", "outline_width", "outline_antialias", "outline_cap_style", "outline_join_style",
    "outline_miter_limit", "outline_dash_offset", "outline_direction",  # 3.2
)
VECTOR_GETTERS = (
    "enable_fill", "fill_color", "enable_stroke", "stroke_color", "stroke_width", "stroke_width_unit",
    "stroke_cap_style", "stroke_join_style", "stroke_miter_limit", "stroke_dash_offset", "stroke_dash_pattern",
)
# Kinds of layer whose pixels follow from their content: painting the pixels back would end that
CONTENT_KINDS = ("text_layer", "vector_layer", "link_layer")
# Parasites that stand for what has a property of its own, or are no part of the picture
PRIVATE_PARASITES = ("gimp-image-grid", "icc-profile", "gimp-image-metadata", "gimp-bridge-checkpoint")


class Node:
    """One layer, channel or path: its object, its properties, and its children (of a group).

    `mask_shape` is the mask's (size, format).
    """

    __slots__ = ("item", "id", "kind", "properties", "children", "mask", "mask_shape", "parent")

    def __init__(self, item, kind, properties, children=(), mask=None):
        self.item, self.id, self.kind, self.properties = item, item.get_id(), kind, properties
        self.children, self.mask, self.mask_shape, self.parent = list(children), mask, None, None
        for child in self.children:
            child.parent = self

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()


    def shape(self):
        """The drawable's (size, format)."""
        return self.properties["size"], self.properties["format"]


class Snapshot:
    """An image's structure at one moment."""

    def __init__(self, image):
        self.image = image
        self.properties = image_properties(image)
        self.layers = [layer_node(layer) for layer in image.get_layers()]
        self.channels = [channel_node(channel) for channel in image.get_channels()]
        self.paths = [path_node(path) for path in image.get_paths()]
        self.selected = selected_ids(image)

    def walk_layers(self):
        for node in self.layers:
            yield from node.walk()

    def walk(self):
        yield from self.walk_layers()
        yield from self.channels
        yield from self.paths


def walk_ids(image):
    """Ids of all layers (groups before their children), channels and paths, in `Snapshot.walk`'s order."""

    def layers(items):
        for item in items:
            yield item.get_id()
            if isinstance(item, Gimp.GroupLayer):
                yield from layers(item.get_children())

    return [*layers(image.get_layers()), *item_ids(image.get_channels()), *item_ids(image.get_paths())]


def selected_ids(image):
    """Ids of the selected layers and channels (GIMP selects one kind or the other)."""
    return set(item_ids([*image.get_selected_layers(), *image.get_selected_channels()]))


def item_ids(items):
    return [item.get_id() for item in items]


def image_properties(image):
    filled, *bounds = selection_bounds(image)
    profile = image.get_color_profile()
    indexed = int(image.get_base_type()) == int(Gimp.ImageBaseType.INDEXED)
    return {
        "size": (image.get_width(), image.get_height()),
        "mode": int(image.get_base_type()),
        "precision": int(image.get_precision()),
        "resolution": tuple(image.get_resolution()[-2:]),
        "unit": image.get_unit().get_name(),
        "profile": bytes(profile.get_icc_profile()) if profile else None,
        "colormap": colormap(image) if indexed else None,
        "selection": tuple(bounds) if filled else None,
        "guides": sorted(guides(image)),
        "sample_points": sample_points(image),
        "grid": grid(image),
        "parasites": parasites(image),
        "metadata": metadata_text(image),
        "floating_selection": selection_is_floating(image),
        "hidden_components": tuple(
            int(kind) for kind in component_kinds(image) if not image.get_component_visible(kind)),
    }


def selection_bounds(image):
    """`(filled, left, top, right, bottom)`."""
    answer = Gimp.Selection.bounds(image)
    return tuple(int(value) for value in answer[-5:])


def selection_is_floating(image):
    return image.get_floating_sel() is not None


def component_kinds(image):
    kinds = Gimp.ChannelType
    # GIMP refuses to tell the alpha component of any but RGB images
    by_mode = {0: (kinds.RED, kinds.GREEN, kinds.BLUE, kinds.ALPHA), 1: (kinds.GRAY,), 2: (kinds.INDEXED,)}
    return by_mode[int(image.get_base_type())]


def colormap(image):
    palette = image.get_palette()
    return tuple(color_tuple(color) for color in palette.get_colors()) if palette else ()


def guides(image):
    """`[(0 horizontal or 1 vertical, position)]`."""
    found, guide = [], image.find_next_guide(0)
    while guide:
        found.append((int(image.get_guide_orientation(guide)), image.get_guide_position(guide)))
        guide = image.find_next_guide(guide)
    return found


def sample_points(image):
    found, point = [], image.find_next_sample_point(0)
    while point:
        position = image.get_sample_point_position(point)
        found.append(position_pair(position))
        point = image.find_next_sample_point(point)
    return found


def grid(image):
    """(spacing, offset, style, foreground, background)."""
    return (
        tuple(image.grid_get_spacing()[-2:]), tuple(image.grid_get_offset()[-2:]), int(image.grid_get_style()),
        color_tuple(image.grid_get_foreground_color()), color_tuple(image.grid_get_background_color()))


def position_pair(answer):
    """(x, y) of `get_sample_point_position`, whose Python form is a tuple or a named result."""
    x, y = list(answer)[-2:] if isinstance(answer, (tuple, list)) else (answer.position_x, answer.position_y)
    return x, y


def parasites(owner):
    found = {}
    for name in owner.get_parasite_list() or ():
        if name in PRIVATE_PARASITES:
            continue
        parasite = owner.get_parasite(name)
        if parasite:
            # PyGObject hands the bytes out as signed numbers
            found[name] = (parasite.get_flags(), bytes(byte & 255 for byte in parasite.get_data()))
    return found


def metadata_text(image):
    metadata = image.get_metadata()
    return metadata.serialize() if metadata else None


def color_tuple(color):
    if color is None:
        return None
    return tuple(round(channel, 6) for channel in color.get_rgba())


def plain(value):
    """A property value as something that compares: enums and flags as ints, colours as tuples, objects by name."""
    if value is None or isinstance(value, (bool, str, bytes, float)):
        return value
    if isinstance(value, Gegl.Color):
        return color_tuple(value)
    if isinstance(value, (tuple, list)):
        return tuple(plain(part) for part in value)
    if isinstance(value, int) or hasattr(value, "__int__"):
        return int(value)
    if hasattr(value, "get_name"):
        return value.get_name()
    if hasattr(value, "get_path"):
        return value.get_path()
    if hasattr(value, "to_string"):
        return value.to_string()
    return f"{type(value).__name__}"


def item_properties(item):
    return {
        "name": item.get_name(),
        "visibility": item.get_visible(),
        "lock_content": item.get_lock_content(),
        "lock_position": item.get_lock_position(),
        "lock_visibility": item.get_lock_visibility(),
        "color_tag": int(item.get_color_tag()),
        "parasites": parasites(item),
    }


def drawable_properties(item):
    return {
        "size": (item.get_width(), item.get_height()),
        "format": encoding(item),
        "offsets": tuple(item.get_offsets()[-2:]),
        "effects": [effect_properties(effect) for effect in item.get_filters()],
    }


def encoding(drawable):
    """The pixel format's name. An indexed format's own carries an address, so that only its depth is said."""
    name = Babl.format_get_encoding(drawable.get_format())
    return f"indexed {drawable.get_bpp()}" if "indexed" in name else name


def layer_kind(layer):
    """By class, which costs no call to GIMP; but a text, vector or link layer may have become a plain one since."""
    if isinstance(layer, Gimp.GroupLayer):
        return "group_layer"
    for kind, class_name in (("text_layer", "TextLayer"), ("vector_layer", "VectorLayer"), ("link_layer", "LinkLayer")):
        if hasattr(Gimp, class_name) and isinstance(layer, getattr(Gimp, class_name)):
            return kind if getattr(layer, f"is_{kind}")() else "layer"
    return "layer"


def layer_node(layer):
    """About 18 calls to GIMP (0.02 ms each, when it is idle): what bounds the proof of an image with many layers."""
    pulse.beat()
    kind = layer_kind(layer)
    properties = item_properties(layer)
    properties.update(drawable_properties(layer))
    properties.update(
        opacity=round(layer.get_opacity(), 6), mode=int(layer.get_mode()), blend_space=int(layer.get_blend_space()),
        composite_space=int(layer.get_composite_space()), composite_mode=int(layer.get_composite_mode()),
        lock_alpha=layer.get_lock_alpha())
    mask = layer.get_mask()
    properties["mask"] = None
    if mask:
        properties["mask"] = (layer.get_apply_mask(), layer.get_edit_mask(), layer.get_show_mask())
        properties["mask_name"] = mask.get_name()
    if kind == "text_layer":
        properties["text"] = read_getters(layer, TEXT_GETTERS)
    elif kind == "vector_layer":
        properties["vector"] = read_getters(layer, VECTOR_GETTERS)
    elif kind == "link_layer":
        properties["link"] = plain(layer.get_file())
    if kind in CONTENT_KINDS and hasattr(layer, "is_rasterized"):  # 3.2 keeps the content behind the pixels
        properties["rasterized"] = layer.is_rasterized()
    children = [layer_node(child) for child in layer.get_children()] if kind == "group_layer" else ()
    size = properties["size"]
    if kind == "group_layer":
        # A group's size, place and format follow from its children and the image
        del properties["size"], properties["offsets"], properties["format"]
    node = Node(layer, kind, properties, children, mask)
    node.mask_shape = (size, encoding(mask)) if mask else None
    return node


def read_getters(item, names):
    return {name: plain(getattr(item, f"get_{name}")()) for name in names if hasattr(item, f"get_{name}")}


def effect_properties(effect):
    """One layer effect (filter): operation, its parameters, and how it is blended."""
    config = effect.get_config()
    parameters = {spec.name: plain(config.get_property(spec.name)) for spec in config.list_properties()}
    return {
        "operation": effect.get_operation_name(), "name": effect.get_name(), "visible": effect.get_visible(),
        "opacity": round(effect.get_opacity(), 6), "mode": int(effect.get_blend_mode()), "parameters": parameters,
    }


def channel_node(channel):
    properties = item_properties(channel)
    properties.update(
        # GIMP's conversions and duplicates relabel a channel as linear or not, and leave the numbers as they are
        size=(channel.get_width(), channel.get_height()), format=encoding(channel).replace("'", ""),
        opacity=round(channel.get_opacity(), 6), color=color_tuple(channel.get_color()),
        show_masked=channel.get_show_masked())
    return Node(channel, "channel", properties)


def path_node(path):
    properties = item_properties(path)
    properties["strokes"] = [stroke_data(path, stroke) for stroke in path.get_strokes()]
    return Node(path, "path", properties)


def stroke_data(path, stroke):
    """`(type, control points, closed)`."""
    kind, points, closed = list(path.stroke_get_points(stroke))[-3:]
    return int(kind), tuple(points), bool(closed)
