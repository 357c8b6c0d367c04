"""Follows what an open dialog is about: the image, the chosen layer, its pixels, the selection.

GIMP tells plug-ins of no change, so they are looked at: a few getters and two thumbnails, which GIMP has at hand.
"""

import hashlib

from gi.repository import Gimp, GLib

from gimp_bridge.ui.filters import run as filter_run

LOOK_MS = 400
THUMBNAIL = 256


class Follower:
    """Calls `gone()` once the image is closed, `moved(layers)` when others are chosen, `changed(selection)` for the rest,
    which says whether it is the selection."""

    def __init__(self, image, drawables, gone, moved, changed):
        self._image, self._layers = image, list(drawables)
        self._gone, self._moved, self._changed = gone, moved, changed
        self._seen = self._look()
        self._timer = GLib.timeout_add(LOOK_MS, self._tick)

    def close(self):
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0

    def _tick(self):
        if not self._image.is_valid():
            self._timer = 0
            self._gone()
            return GLib.SOURCE_REMOVE
        chosen = filter_run.layers(self._image.get_selected_drawables())
        usable = chosen and all(item.is_layer() for item in chosen)
        if usable and _ids(chosen) != _ids(self._layers):
            self._layers, self._seen = chosen, None
            self._moved(chosen)
        seen = self._look()
        if self._seen is not None and seen != self._seen:
            self._changed(seen[0] != self._seen[0])
        self._seen = seen
        return GLib.SOURCE_CONTINUE

    def _look(self):
        _, some, *bounds = Gimp.Selection.bounds(self._image)
        selection = (bounds, _picture(self._image.get_selection())) if some else None
        layer = self._layers[0]
        if not layer.is_valid():
            return selection, None
        return selection, layer.get_offsets()[1:], layer.get_width(), layer.get_height(), _picture(layer)


def _ids(items):
    return [item.get_id() for item in items]


def _picture(drawable):
    data = drawable.get_thumbnail_data(THUMBNAIL, THUMBNAIL)
    data = data[0] if isinstance(data, tuple) else data
    return hashlib.blake2b(data.get_data() if data else b"", digest_size=8).digest()
