"""Ids from clients to GIMP objects, or a typed error that lists what there is.

Images that are checkpoints are never found. Layer ids that an undo replaced still find their layer.
"""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.undo import history, item_ids
from gimp_bridge.undo.history import visible_images  # offered here too

LISTED = 20  # how many images or layers an error lists

ITEM_ARGUMENTS = ("layer", "layer_id", "drawable", "layers", "channel")  # parameters that name items by their ids

# What GIMP itself does not keep: {image id: {"path": opened from, "name": given by the client}}. GIMP 3.0 forgets the
# file that a plug-in imported; an image from bytes has none. Ids are never used twice.
_facts = {}


class Need:
    """What `resolve_image` asks of a catalogue entry, for operations that resolve their image themselves."""

    image = "required"

    def __init__(self, access):
        self.access = access


def resolve_image(call, value, entry):
    """The image that a call acts on, or None where the catalogue's `image` allows none.

    `entry` has the catalogue's `image` and `access`. Sets `call.image_given`, and `call.note` where the choice must
    be said.
    """
    call.image_given = value is not None
    if entry.image == "none":
        return None
    if value is not None:  # a change goes on with it (dispatch/dispatcher.py); looking at it chooses nothing
        return image_by_id(value)
    owner = _owner(getattr(call, "arguments", {}))
    if owner is not None:  # the checkpoint has to be of the image that the layer is in
        return owner
    images = visible_images()
    chosen = next((image for image in images if image.get_id() == call.client.image_id), None)
    if chosen:
        return chosen
    if len(images) == 1:
        return images[0]
    required = entry.image == "required"
    if not images:
        if required:
            raise no_image()
        return None
    if entry.access == "read":
        newest = max(images, key=lambda image: image.get_id())
        call.note = f"{len(images)} images are open and none is chosen: this is the newest, image {newest.get_id()}"
        return newest
    if required:
        raise ambiguous_image(images)
    return None


def _owner(arguments):
    """The open image of the first layer, channel or mask that is named among a call's arguments, or None."""
    for name in ITEM_ARGUMENTS:
        value = arguments.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            continue
        number = history.current_id(value)
        item = Gimp.Item.get_by_id(number) if Gimp.Item.id_is_valid(number) else None
        image = item.get_image() if item is not None else None
        if image is not None and image.is_valid() and not history.is_hidden(image):
            return image
    return None


def image_by_id(value):
    images = visible_images()
    # Not by the id alone: GIMP has images of its own, such as the clipboard's, and knows them by id too
    image = next((image for image in images if image.get_id() == value), None) if isinstance(value, int) else None
    if image is None:
        if not images:
            raise OperationError("image_gone", f"no image `{value}`: no image is open", _OPEN_HINT, open=[])
        raise OperationError(
            "image_gone", f"no image `{value}`", "use one of the open images' ids", open=open_images(images)
        )
    return image


def no_image():
    return OperationError("no_image", "no image is open", _OPEN_HINT)


def ambiguous_image(images):
    return OperationError(
        "ambiguous_image",
        f"{len(images)} images are open and none is chosen, so nothing was changed",
        "give `image`, or choose one with select_image",
        open=open_images(images),
    )


_OPEN_HINT = "open one with open_image or make one with create_new_image"


def open_images(images):
    """What error details say of the open images."""
    return [
        {"id": image.get_id(), "name": image_name(image), "width": image.get_width(), "height": image.get_height()}
        for image in images[:LISTED]
    ]


def resolve_layer(call, value):
    """A layer (or group, text layer) of the call's image. A layer's mask stands for its layer: GIMP names an active
    mask where a menu's entry wants a layer."""
    item = _item(call, value, "layer")
    if item.is_layer_mask():
        item = layer_of(item)
    if not item.is_layer():
        raise OperationError(
            "invalid_argument",
            f"`{value}` is {_kind(item)}, not a layer",
            "give a layer's id",
            layers=_layers(item.get_image()),
        )
    return item


def layer_of(item):
    """The layer that a mask belongs to; any other item is itself."""
    return (Gimp.Layer.from_mask(item) or item) if item.is_layer_mask() else item


def resolve_drawable(call, value):
    """A layer, channel, layer mask or the selection mask of the call's image."""
    item = _item(call, value, "layer, channel or mask")
    if not item.is_drawable():
        raise OperationError(
            "invalid_argument",
            f"`{value}` is {_kind(item)}, which has no pixels",
            "give a layer's, channel's or mask's id",
            layers=_layers(item.get_image()),
        )
    return item


def resolve_channel(call, value):
    """A channel of the call's image; a layer's mask or the selection is none."""
    item = _item(call, value, "channel")
    if not item.is_channel() or item.is_layer_mask() or item.is_selection():
        channels = [{"id": one.get_id(), "name": one.get_name()} for one in item.get_image().get_channels()[:LISTED]]
        raise OperationError(
            "invalid_argument", f"`{value}` is {_kind(item)}, not a channel", "give a channel's id", channels=channels
        )
    return item


def resolve_path(call, value):
    """A path of the call's image."""
    item = _item(call, value, "path")
    if not item.is_path():
        paths = [{"id": one.get_id(), "name": one.get_name()} for one in item.get_image().get_paths()[:LISTED]]
        raise OperationError(
            "invalid_argument", f"`{value}` is {_kind(item)}, not a path", "give a path's id", paths=paths
        )
    return item


def _item(call, value, what):
    """The item with that id. Without a given `image`, the item says which image is meant."""
    number = isinstance(value, int) and 0 < value < 2**31
    number = history.current_id(item_ids.present_id(call.image, value)) if number else None
    item = Gimp.Item.get_by_id(number) if number and Gimp.Item.id_is_valid(number) else None
    image = item.get_image() if item else None
    if image is None or not image.is_valid() or history.is_hidden(image):
        where = f" in image `{call.image.get_id()}`" if call.image else ""
        raise OperationError(
            "not_found",
            f"no {what} `{value}`{where}",
            "use an id from get_image_metadata",
            layers=_layers(call.image) if call.image else [],
            reason="layer_gone",
        )
    if call.image is not None and image.get_id() != call.image.get_id():
        if getattr(call, "image_given", True):
            raise OperationError(
                "not_found",
                f"{_kind(item)} `{value}` belongs to image `{image.get_id()}`, not to `{call.image.get_id()}`",
                "leave `image` out, or give that image",
                layers=_layers(call.image),
            )
        call.note = None  # whatever was said of the choice no longer holds
    call.image = image
    return item


def _kind(item):
    for kind, words in (
        ("is_group_layer", "a layer group"),
        ("is_layer", "a layer"),
        ("is_layer_mask", "a layer mask"),
        ("is_selection", "the selection"),
        ("is_channel", "a channel"),
        ("is_path", "a path"),
    ):
        if getattr(item, kind)():
            return words
    return "an item"


def _layers(image):
    """Id and name of an image's layers, groups before their children."""
    found = []

    def walk(layers):
        for layer in layers:
            if len(found) >= LISTED:
                return
            found.append({"id": layer.get_id(), "name": layer.get_name()})
            if isinstance(layer, Gimp.GroupLayer):
                walk(layer.get_children())

    walk(image.get_layers())
    return found


def remember(image, path=None, name=None):
    """Keeps where an image came from, for what GIMP itself forgets."""
    _facts[image.get_id()] = {"path": path, "name": name}
    for old in [id_ for id_ in _facts if not Gimp.Image.id_is_valid(id_)]:
        del _facts[old]


def forget(image_id):
    _facts.pop(image_id, None)


def image_path(image):
    """The path of the file that the image was opened from or saved to, or None."""
    for getter in (image.get_xcf_file, image.get_imported_file):
        file = getter()
        if file is not None:
            return file.get_path() or file.get_uri()
    return _facts.get(image.get_id(), {}).get("path")


def image_name(image, path=None):
    """What a person would call the image: the given name, else its file's, else GIMP's. `path` saves looking it up."""
    name = _facts.get(image.get_id(), {}).get("name")
    if name:
        return name
    name = image.get_name()
    if name.startswith("["):  # GIMP's "[photo] (imported)", or 3.0's "[Untitled]" for the same
        path = path or image_path(image)
        if path:
            return path.replace("\\", "/").rsplit("/", 1)[-1]
    return name
