"""Names that client code uses from habit, or because the API's documentation has them, and that GIMP 3 lacks or that do
nothing useful without a window. Put into the `Gimp` module once, when the plug-in starts.
"""

from gi.repository import Gimp

NO_WINDOWS = "note: this GIMP has no windows, so there is no display; look at the picture with get_image_bitmap"


def install(headless):
    if not hasattr(Gimp.Image, "get_active_layer"):
        Gimp.Image.get_active_layer = _active_layer
    if headless:
        Gimp.Display.new = staticmethod(_no_display)


def _active_layer(image):
    """The first selected layer, or None: GIMP 3 may have several."""
    selected = image.get_selected_layers()
    return selected[0] if selected else None


def _no_display(image):
    print(NO_WINDOWS)
