"""The layers of an image as the frames, pages or sizes that its file had, saved as such again."""

from gi.repository import Gimp

from gimp_bridge.files import origin, shaping
from gimp_bridge.formats import apng, table as formats
from gimp_bridge.items import targets
from gimp_bridge.undo.snapshot import layer_kind

ENDLESS = 0


class Film:
    """What `image` keeps of the pictures of its file in format `name`: `values` for GIMP's exporter, `what` they are."""

    def __init__(self, image, name, facts):
        self.name, self.what = name, formats.FRAMES[name]
        self.count = sum(layer.get_visible() for layer in image.get_layers())
        self.loops = facts.get("loops")
        self._from, self._had = facts["format"], facts["frames"]
        self.values = _values(name, self.loops)

    def shape(self, copy, shaped):
        """Makes each layer whole in itself: its mask, opacity and effects are in its pixels; hidden ones go."""
        layers = copy.get_layers()
        for layer in layers:
            if not layer.get_visible():
                copy.remove_layer(layer)
        for layer in copy.get_layers():
            if _has_more_than_pixels(layer):
                _bake(copy, layer)
        gone = self._had - self.count
        if gone > 0:
            shaped.said.append(f"{self.count} of the file's {self._had} {self.what} are there")
        if self.name == "gif":
            if targets.base_type(copy) == "RGB":
                shaping.to_palette(copy)
            elif targets.base_type(copy) == "GRAY":
                copy.convert_precision(Gimp.Precision.U8_NON_LINEAR)
        elif targets.base_type(copy) == "INDEXED":
            copy.convert_rgb()
        if self.name in ("gif", "webp"):
            self._say_how_frames_follow(copy)

    def _say_how_frames_follow(self, copy):
        """By the layers' names, as GIMP's exporters read it. GIMP opens WebP frames whole, and GIF's as they are."""
        word = "(replace)" if self._from == "webp" else "(combine)"
        for layer in copy.get_layers():
            if not any(mark in layer.get_name() for mark in ("(replace)", "(combine)")):
                layer.set_name(f"{layer.get_name()} {word}")

    def finish(self, path):
        """After GIMP has written `path`: its loops, and how many pictures it has (None where that cannot be read)."""
        if self.loops:
            apng.set_loops(path, self.loops)
        return apng.count(path)


def of(image, name, options):
    """(the Film that a save of `image` as `name` keeps, or None; a sentence about pictures that are lost, or None)."""
    facts = origin.of(image)
    if facts.get("frames", 1) < 2 or name == "xcf":
        return None, None
    had, what = facts["frames"], formats.FRAMES.get(facts["format"], "layers")
    layers = image.get_layers()
    chosen = any(options.get(key) for key in ("as-animation", "animation", "layers-as-pages"))
    if chosen or name in formats.LAYERED or len(layers) < 2:
        if len(layers) < 2 and facts["layers"] and len(facts["layers"]) < 2:
            return None, f"the file has {had} {what}, of which GIMP opened the first alone"
        return None, None
    same = formats.FRAMES.get(name) == what and name != "png" and facts["format"] != "png"
    refused = options.get("as-animation") is False or options.get("animation") is False
    ours = _are(layers, facts["layers"])
    if same and ours and not refused and sum(layer.get_visible() for layer in layers) > 1:
        return Film(image, name, facts), None
    return None, _lost(name, len(layers), had, what, ours)


def _lost(name, layers, had, what, ours):
    keeps = {
        "frames": "export_animation keeps them as frames",
        "pages": "save_image as tiff or pdf keeps pages, export_layers writes each to a file",
        "sizes": "export_layers writes each to a file",
    }[what]
    if ours:
        return f"the {layers} {what} became one picture: {keeps}"
    return f"the layers are no longer the {had} {what} of the file and became one picture: {keeps}"


def _are(layers, names):
    """Whether the layers are those of the file, all or some, whatever was done to their pixels."""
    return all(not layer.is_group_layer() and layer.get_name() in names for layer in layers)


def _has_more_than_pixels(layer):
    return (
        layer.get_mask() is not None
        or layer.get_opacity() < 100
        or any(each.get_visible() for each in layer.get_filters())
        or layer_kind(layer) != "layer"
    )


def _bake(copy, layer):
    """Puts what is seen of a layer alone in its place, in the same box."""
    shown = [each for each in copy.get_layers() if each.get_visible() and each.get_id() != layer.get_id()]
    for each in shown:
        each.set_visible(False)
    name, place = layer.get_name(), copy.get_item_position(layer)
    width, height, (x, y) = layer.get_width(), layer.get_height(), tuple(layer.get_offsets())[1:]
    made = Gimp.Layer.new_from_visible(copy, copy, name)
    copy.remove_layer(layer)
    copy.insert_layer(made, None, place)
    Gimp.Layer.resize(made, width, height, -x, -y)
    made.set_name(name)
    for each in shown:
        each.set_visible(True)


def _values(name, loops):
    if name == "gif":
        # GIMP takes the number only where `loop`, which means for ever, is off
        return {"as-animation": True, "loop": loops == ENDLESS, "number-of-repeats": loops if loops and loops > 1 else 0}
    if name == "webp":
        return {"animation": True, "animation-loop": loops in (ENDLESS, None)}
    return {"layers-as-pages": True} if name == "pdf" else {}
