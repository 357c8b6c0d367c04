"""What the dispatcher asks of GIMP. The only part of it that names Gimp, so that the rest is tested without."""

from gi.repository import Gimp, GLib


def resolve_image(call, value, entry):
    import lookup

    return lookup.resolve_image(call, value, entry)


def transaction(images, call, verify):
    import history

    if not images:
        return _NoImages()
    return history.Transaction(images, call.operation, call.client, verify)


def push_context():
    return Gimp.context_push()


def pop_context():
    Gimp.context_pop()


def flush_displays():
    Gimp.displays_flush()


def image_id(image):
    """The id, or None without an image or once it is closed."""
    return image.get_id() if image is not None and image.is_valid() else None


def is_gimp_error(error):
    return isinstance(error, GLib.Error)


def error_text(error):
    """GIMP's own message."""
    return error.message or str(error)


class _NoImages:
    """The transaction of a call that is given no image: whether it opened or closed some."""

    def __init__(self):
        self._before = _open_ids()

    def finish(self):
        import history

        now = _open_ids()
        added, removed = sorted(now - self._before), sorted(self._before - now)
        effect = history.blank(added[-1] if added else None, now != self._before)
        if added:
            image = Gimp.Image.get_by_id(added[-1])
            effect["region"] = {"x": 0, "y": 0, "width": image.get_width(), "height": image.get_height()}
            effect["layers_added"] = [layer.get_id() for layer in image.get_layers()]
        return [{**effect, "images_added": added, "images_removed": removed}]

    abort = finish


def _open_ids():
    import history

    return {image.get_id() for image in history.visible_images()}
