"""Which images clients may know, and that no call of theirs harms GIMP's undo. Checkpoints are hidden here.

The checkpoints themselves are checkpoints.py's, the change that they are taken for transaction.py's.

`history.install(checkpoints, memory_mb)` comes once, before the first call. `history.sweep()` now and then (a timer of a
minute) drops checkpoints of images that the user closed. `current_id(id)` belongs into every lookup of a layer, channel
or path by id.
"""

from gi.repository import Gimp

from gimp_bridge.policy import privacy
from gimp_bridge.undo.checkpoints import HISTORY, MARK, current_id, file_path, file_stamp, note_moved  # noqa: F401  offered here

GROUP_LIMIT = 1_000  # undo groups or freezes that a call may have left open

_get_images = None


def install(per_image=20, memory_mb=1024):
    """Sets the limits and hides the checkpoints from `Gimp.get_images` in this process."""
    global _get_images
    HISTORY.per_image, HISTORY.memory = per_image, memory_mb * 1024 * 1024
    if _get_images is None:
        _get_images = Gimp.get_images
        Gimp.get_images = visible_images
        for image in _get_images():
            if MARK in (image.get_parasite_list() or ()):
                image.delete()  # left by a plug-in process that died
        privacy.install(_get_images())
        guard_undo_calls()


def guard_undo_calls():
    """Keeps GIMP's count of open undo groups and its plug-in's apart from what scripts do to a frozen undo.

    A group that is started or ended while undo is frozen is counted on one side only: later ends then fail, or a group
    stays open for ever. And disabling undo frees the group that is open, over which GIMP stumbles at the next change.
    """
    start, end, disable = Gimp.Image.undo_group_start, Gimp.Image.undo_group_end, Gimp.Image.undo_disable

    def undo_group_start(image):
        return start(image) if image.undo_is_enabled() else True

    def undo_group_end(image):
        return end(image) if image.undo_is_enabled() else True

    def undo_disable(image):
        end_groups(image)
        return disable(image)

    Gimp.Image.undo_group_start, Gimp.Image.undo_group_end = undo_group_start, undo_group_end
    Gimp.Image.undo_disable = undo_disable


def is_hidden(image):
    """Whether this image is a checkpoint, or a session's whose call this is not. Takes an image or its id."""
    image_id = image if isinstance(image, int) else image.get_id()
    return image_id in HISTORY.hidden or privacy.is_private(image_id)


def visible_images():
    """The open images that the running call may know, newest first, as `Gimp.get_images` has them."""
    return [image for image in (_get_images or Gimp.get_images)() if not is_hidden(image)]


def sweep():
    HISTORY.sweep()


def drop_image(image_id):
    """For close_image: the image's checkpoints go with it."""
    HISTORY.drop_image(image_id)


def close_groups(image):
    """Thaws undo if the call left it frozen, then ends all groups that this plug-in opened."""
    for _ in range(GROUP_LIMIT):
        if image.undo_is_enabled():
            break
        image.undo_thaw()
    end_groups(image)


def end_groups(image):
    for _ in range(GROUP_LIMIT):
        # GIMP answers False when this plug-in has no group open
        if not image.undo_is_enabled() or not image.undo_group_end():
            return
