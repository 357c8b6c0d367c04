"""Windows: whether this GIMP has any, showing an image in one, and closing those again."""

from gi.repository import Gimp

_shown = {}  # image id -> [displays that we opened]; GIMP has no call that lists an image's displays


def headless():
    """Whether GIMP runs without windows: only one with windows tells its plug-ins a window class."""
    return Gimp.wm_class() is None


def show(image):
    """Opens a window on `image` where GIMP has a display; returns whether it did."""
    if headless():
        return False
    try:
        opened = Gimp.Display.new(image)
    except TypeError:  # "constructor returned NULL"
        return False
    _shown.setdefault(image.get_id(), []).append(opened)
    return True


def close(image):
    """Deletes `image` with the windows that we opened on it; returns whether it is gone."""
    image_id = image.get_id()
    for opened in _shown.pop(image_id, []):
        if opened.is_valid():
            opened.delete()  # the last window takes the image with it
    if Gimp.Image.id_is_valid(image_id):
        image.delete()  # refused by GIMP while a window shows it
    return not Gimp.Image.id_is_valid(image_id)
