"""The kept states of all images: hidden duplicates that share their tiles with the image, and their limits.

Owns which checkpoints exist and how much memory they may hold, and the map from the ids of items that a restore
replaced to the new ones. Compares nothing and changes no image.
"""

import os
import time
from collections import OrderedDict

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.undo.proof import node_bytes
from gimp_bridge.undo.snapshot import Snapshot, walk_ids

MOVED_LIMIT = 10_000
MARK = "gimp-bridge-checkpoint"  # a parasite on each duplicate, to know them again should this process have died


class Checkpoint:
    """One kept state of an image."""

    def __init__(self, name, image, operation, label=None, automatic=True):
        self.id, self.operation, self.label, self.automatic = name, operation, label, automatic
        self.image_id = image.get_id()
        self.ids = walk_ids(image)
        self.dirty = image.is_dirty()
        self.file = file_path(image)
        self.stamp = file_stamp(self.file)
        self.taken = time.time()
        self.cost = 0  # bytes that the image no longer shares with it, an upper bound
        self.undoable = False  # whether `undo` would use it
        self.uncertain = False  # whether the call after it may have changed nothing (a reduced proof saw no change)
        self._snapshot = None
        self.shown = None
        self.kept = kept_aside(image)
        shown = None if self.kept else [layer.get_visible() for layer in image.get_layers()]
        self.copy = image.duplicate()
        HISTORY.hidden.add(self.copy.get_id())
        if self.kept:
            self.copy.resize(1, 1, 0, 0)
        else:
            self.shown = hide_layers(self.copy, shown)
        self.copy.attach_parasite(Gimp.Parasite.new(MARK, 0, b"1"))
        self.copy.clean_all()  # or GIMP would count it as unsaved work

    def snapshot(self):
        """The structure, read once: a checkpoint never changes."""
        if self._snapshot is None:
            taken = Snapshot(self.copy)
            if self.kept:
                taken.properties.update(self.kept.properties)
            for node, shown in zip(taken.layers, self.shown or ()):
                node.properties["visibility"] = shown
            if len(list(taken.walk())) > len(self.ids):
                # GIMP gives the duplicate of a floating selection inside a group twice: once floating, on top
                taken.layers = [node for node in taken.layers if not node.item.is_floating_sel()]
            self._snapshot = taken
        return self._snapshot

    def comparable(self):
        """Whether the duplicate's items stand one for one for the image's."""
        return len(list(self.snapshot().walk())) == len(self.ids)

    def live_ids(self):
        return [current_id(id_) for id_ in self.ids]

    def delete(self):
        if self.copy.is_valid():
            self.copy.delete()
        HISTORY.hidden.discard(self.copy.get_id())


class Kept:
    """What a duplicate loses with its canvas."""

    def __init__(self, image):
        self.metadata = image.get_metadata()  # GIMP writes the size into it
        self.properties = {
            "size": (image.get_width(), image.get_height()),
            "metadata": self.metadata.serialize() if self.metadata else None,
        }


def kept_aside(image):
    """A Kept, if that is all that a canvas of one pixel would take from the image's duplicate; else None.

    GIMP composes each new image when it is idle, 33 ms at a time, and the next call waits for those; so after each
    call until it is done (12 megapixels: 120 ms of processor time, 20 layers half a second). Nobody looks at a
    duplicate, and with a canvas of one pixel there is nothing to compose: 5 to 20 ms in all. Layers keep their pixels;
    channels, guides, paths and the selection would be cut.
    """
    whole = (
        not image.get_channels()
        and not image.get_paths()
        and Gimp.Selection.is_empty(image)
        and not image.find_next_guide(0)
        and not image.find_next_sample_point(0)
        and image.get_floating_sel() is None
    )
    return Kept(image) if whole else None


def hide_layers(image, shown):
    """Hides those of the top layers that are `shown`, which ends the composing too, after one call per layer."""
    for layer, visible in zip(image.get_layers(), shown):
        if visible:
            layer.set_visible(False)
    return shown


class History:
    """All checkpoints of this GIMP, oldest first for each image."""

    def __init__(self, per_image=20, memory_mb=1024):
        self.per_image, self.memory = per_image, memory_mb * 1024 * 1024
        self.images = {}  # image id -> [Checkpoint]
        self.hidden = set()  # ids of the duplicates
        self.moved = OrderedDict()  # layer id -> the id of what a restore put in its place
        self.touched = set()  # ids of the items that a restore in this call wrote
        self.dropped = {}  # image id -> [count, why]
        self.edits = {}  # image id -> how many calls changed it
        self.count = 0

    def take(self, image, operation, label=None, automatic=True):
        self.count += 1
        return Checkpoint(f"c{self.count}", image, operation, label, automatic)

    def keep(self, checkpoint):
        kept = self.images.setdefault(checkpoint.image_id, [])
        if checkpoint not in kept:
            kept.append(checkpoint)
            kept.sort(key=lambda each: each.taken)  # a batch's is kept after those that its steps took
            self._limit_count(kept, checkpoint.automatic)

    def forget(self, checkpoint):
        """Deletes a checkpoint; an older one then holds its share of the memory."""
        kept = self.images.get(checkpoint.image_id, [])
        if checkpoint in kept:
            place = kept.index(checkpoint)
            if place:
                older = kept[place - 1]
                older.cost = min(older.cost + checkpoint.cost, self._full_size(older))
            kept.remove(checkpoint)
            if not kept:
                del self.images[checkpoint.image_id]
        checkpoint.delete()

    def of(self, image):
        return self.images.get(image.get_id(), [])

    def find(self, image, name):
        for checkpoint in self.of(image):
            if checkpoint.id == name:
                return checkpoint
        known = [checkpoint.id for checkpoint in reversed(self.of(image))]
        raise OperationError(
            "not_found", f"Image {image.get_id()} has no checkpoint `{name}`",
            f"It has {', '.join(known)}" if known else "It has none yet; each changing call takes one")

    def undoable(self, image):
        """The checkpoints that `undo` goes back through, newest first."""
        return [checkpoint for checkpoint in reversed(self.of(image)) if checkpoint.undoable]

    def charge(self, checkpoint, count):
        """Notes that the image changed by `count` bytes since `checkpoint`, and keeps the memory limit."""
        checkpoint.cost = min(checkpoint.cost + count, self._full_size(checkpoint))
        while sum(kept.cost for row in self.images.values() for kept in row) > self.memory:
            victim = self._oldest(lambda kept: kept.automatic and kept is not checkpoint) \
                or self._oldest(lambda kept: kept is not checkpoint)
            if victim is None:
                return  # one change alone may be larger than the limit, and must still be undoable
            self._drop(victim, f"the memory limit of {self.memory // 1024 // 1024} MB")

    def sweep(self):
        """Drops the checkpoints of images that are closed, also when the user closed them."""
        for image_id in [id_ for id_ in self.images if not Gimp.Image.id_is_valid(id_)]:
            self.drop_image(image_id)

    def note_edit(self, image_id):
        self.edits[image_id] = self.edits.get(image_id, 0) + 1

    def drop_image(self, image_id):
        for checkpoint in self.images.pop(image_id, []):
            checkpoint.delete()
        self.dropped.pop(image_id, None)
        self.edits.pop(image_id, None)

    def _limit_count(self, kept, automatic):
        same = [checkpoint for checkpoint in kept if checkpoint.automatic == automatic]
        for victim in same[:max(len(same) - max(self.per_image, 1), 0)]:
            self._drop(victim, f"the limit of {self.per_image} per image")

    def _drop(self, victim, why):
        count = self.dropped.get(victim.image_id, (0, why))[0]
        self.dropped[victim.image_id] = (count + 1, why)
        self.forget(victim)

    def _oldest(self, test):
        return min((kept for row in self.images.values() for kept in row if test(kept)),
                   key=lambda kept: kept.taken, default=None)

    @staticmethod
    def _full_size(checkpoint):
        return sum(node_bytes(node) for node in checkpoint.snapshot().walk())


HISTORY = History()


def current_id(id_):
    """The id under which a layer, channel or path is found now: a restore may have put a copy in its place."""
    seen = 0
    while id_ in HISTORY.moved and not Gimp.Item.id_is_valid(id_) and seen < MOVED_LIMIT:
        id_ = HISTORY.moved[id_]
        seen += 1
    return id_


def note_moved(old_id, new_id):
    if old_id == new_id:
        return
    HISTORY.moved[old_id] = new_id
    while len(HISTORY.moved) > MOVED_LIMIT:
        HISTORY.moved.popitem(last=False)


def file_path(image):
    file = image.get_file()
    return file.get_path() or file.get_uri() if file else None


def file_stamp(path):
    """What changes when a file is written again; None where there is no local file."""
    try:
        status = os.stat(path) if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status else None
