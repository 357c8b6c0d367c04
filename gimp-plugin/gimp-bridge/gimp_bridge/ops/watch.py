"""image_state: an image's state as a few short hashes, cheap enough to be asked for twice a second.

GIMP tells plug-ins of no change, and its dirty flag only says whether there is any: so the state is compared. What
the bridge itself did is counted (undo/history.py). A few getters and a thumbnail, which GIMP has at hand unless the picture
changed: 1 to 3 ms at 12 megapixels.
"""

import hashlib

from gi.repository import Gimp

from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import lookup
from gimp_bridge.undo import history, snapshot

THUMBNAIL = 512  # pixels: a stroke of a hundredth of the width shows in it
MOST_LAYERS = 100  # whose names, visibility and opacity are compared


@operation("image_state")
def image_state(call):
    image = call.image
    dirty = image.is_dirty()
    # The order is the contract with src/ops/watch.rs
    parts = (
        (image.get_width(), image.get_height()),  # size
        (int(image.get_base_type()), int(image.get_precision())),  # mode
        snapshot.walk_ids(image),  # structure
        _layers(image),  # layers
        sorted(snapshot.selected_ids(image)),  # active
        snapshot.selection_bounds(image),  # selection
        _picture(image),  # pixels
        history.HISTORY.edits.get(image.get_id(), 0),  # edits
        (dirty, lookup.image_path(image)),  # saved
    )
    return {"revision": "-".join(_hash(part) for part in parts), "is_dirty": dirty}


def _layers(image):
    rows, left = [], image.get_layers()
    while left and len(rows) < MOST_LAYERS:
        layer = left.pop(0)
        rows.append((layer.get_name(), layer.get_visible(), layer.get_opacity()))
        if isinstance(layer, Gimp.GroupLayer):
            left = [*layer.get_children(), *left]
    return rows


def _picture(image):
    side = min(THUMBNAIL, max(image.get_width(), image.get_height()))
    data = image.get_thumbnail_data(side, side)[0]
    return hashlib.blake2b(data.get_data() if data else b"", digest_size=8).hexdigest()


def _hash(part):
    return hashlib.blake2b(repr(part).encode(), digest_size=4).hexdigest()
