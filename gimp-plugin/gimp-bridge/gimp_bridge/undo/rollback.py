"""The way back from a call that failed: its images as they were before, and without those that it opened."""

from gimp_bridge.images import display
from gimp_bridge.undo import history
from gimp_bridge.undo.restore import restore


def take_back(begun, visible):
    """Brings each of `begun`, [(image, Checkpoint), …], back, and closes what is not among the ids `visible`.

    Returns (what could not be brought back in words, whether anything had changed). Expects open undo groups.
    """
    lost, differed = [], False
    for image, checkpoint in begun:
        number = checkpoint.image_id
        if image.is_valid():
            done = back_to(image, checkpoint)
            differed = differed or done.differed
            lost += [f"image {number}: {what}" for what in done.lost]
        elif number in visible:
            differed = True
            lost.append(f"image {number} was closed")
    return lost, close_new(visible) or differed


def close_new(visible):
    """Closes the images that are not among the ids `visible`; returns whether there were any.

    One that the user opened meanwhile is in a window that plug-ins cannot close, and stays.
    """
    closed = False
    for image in history.visible_images():
        number = image.get_id()
        if number not in visible and display.close(image):
            closed = True
    return closed


def back_to(image, wanted, check=lambda: None):
    """Brings the image to a checkpoint's state, inside an undo group of the caller's."""
    done = restore(image, wanted, check, history.note_moved)
    history.HISTORY.touched |= done.touched
    saved_since = history.file_path(image) != wanted.file or history.file_stamp(wanted.file) != wanted.stamp
    if not done.lost and not wanted.dirty and not saved_since:
        image.clean_all()  # it is again what the file holds
    return done


class Step:
    """A call inside of a batch that goes on after a failure: what that call alone did can be taken back."""

    def __init__(self, images, operation):
        self.visible = {image.get_id() for image in history.visible_images()}
        self.begun = [(image, history.HISTORY.take(image, operation)) for image in images]

    def take_back(self):
        return take_back(self.begun, self.visible)

    def end(self):
        for _, checkpoint in self.begun:
            checkpoint.delete()


class NewImages:
    """For a call without a transaction: if it fails, the images that it opened are closed."""

    def __init__(self):
        self.visible = {image.get_id() for image in history.visible_images()}

    def take_back(self):
        return [], close_new(self.visible)

    def end(self):
        pass
