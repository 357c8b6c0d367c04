"""The ids that clients knew an image's items by in a GIMP that has ended.

Owns the map from those ids to the present ones, image by image, and that GIMP gives none of them to a new item of the
same image: a client that names layer 7 means the layer that it was told of, whatever this GIMP counts.
"""

from gi.repository import Gimp

NEAR = 5_000  # GIMP's counter is moved past a known id when it comes this near
STEP = 200  # items in the image whose duplicates move the counter

_known = {}  # image id -> {id from before: present id}


def adopt(image, present, known):
    """`known[i]` are the ids from before of the item whose id is `present[i]` now."""
    sweep()
    ids = {old: new for new, olds in zip(present, known) for old in olds if old != new}
    if ids:
        _known[image.get_id()] = ids


def present_id(image, given):
    """The id that a client's `given` id has in this GIMP; the same where nothing is known of it."""
    return _known.get(image.get_id(), {}).get(given, given) if image is not None else given


def known_ids(image):
    """{id from before: present id} of an image."""
    return _known.get(image.get_id(), {})


def forget(image, given):
    """An item of the image has this id itself now."""
    _known.get(image.get_id(), {}).pop(given, None)


def sweep():
    for image_id in [image_id for image_id in _known if not Gimp.Image.id_is_valid(image_id)]:
        del _known[image_id]


def make_room(more=()):
    """Moves GIMP's counter of item ids past every known id that it would soon give out.

    Takes about 0.03 ms for each id; most calls find nothing near and take one round trip.
    """
    scratch = Gimp.Image.new(1, 1, Gimp.ImageBaseType.RGB)
    try:
        counter = Gimp.Path.new(scratch, "counter").get_id()
        near = {old for ids in _known.values() for old in ids} | set(more)
        target = max((old for old in near if counter <= old <= counter + NEAR), default=None)
        if target is None:
            return
        for number in range(STEP):
            scratch.insert_path(Gimp.Path.new(scratch, str(number)), None, 0)
        while Gimp.Path.new(scratch, "counter").get_id() <= target:
            scratch.duplicate().delete()
    finally:
        scratch.delete()
