"""What the dispatcher asks of GIMP. The only part of it that names Gimp, so that the rest is tested without."""

import contextlib

from gi.repository import Gimp, GLib

from gimp_bridge.items import lookup
from gimp_bridge.policy import privacy
from gimp_bridge.undo import history, rollback, undo_step
from gimp_bridge.undo.transaction import Transaction, blank


@contextlib.contextmanager
def called_by(client):
    """Round everything that is done for a client's call: what it may not know, it does not find (policy/privacy.py).

    Gives a function that is told the call's result, so that an image which a session made is the session's at once.
    """
    with privacy.called_by(client.id):
        before = _open_ids() if privacy.is_session(client.id) else None

        def made(result):
            if before is not None and result.get("image") not in before:
                privacy.mark_made(client.id, result.get("image"))

        yield made


def resolve_image(call, value, entry):
    return lookup.resolve_image(call, value, entry)


def transaction(images, call, verify):
    if not images:
        return _NoImages()
    return Transaction(images, call.operation, verify)


def step(images, call):
    """For a call that has no transaction of its own: `take_back()` if it fails, `end()` in any case."""
    return rollback.Step(images, call.operation) if images else rollback.NewImages()


def named(name, work):
    """Runs `work`; the undo steps that it begins are called `name`."""
    return undo_step.within(name, work)


def push_context():
    return Gimp.context_push()


def pop_context():
    Gimp.context_pop()


def flush_displays():
    Gimp.displays_flush()


def image_id(image):
    """The id, or None without an image or once it is closed."""
    return image.get_id() if image is not None and image.is_valid() else None


def is_open(image_id):
    """Whether it is the id of an image that clients may name."""
    return image_id is not None and image_id in _open_ids()


def is_gimp_error(error):
    return isinstance(error, GLib.Error) or _is_null(error)


def error_text(error):
    """GIMP's own message."""
    if _is_null(error):
        said = Gimp.get_pdb().get_last_error()
        return f"GIMP could not make what the call needs: {said or 'it gave no reason'}"
    return error.message or str(error)


def _is_null(error):
    """PyGObject's word for a constructor of GIMP's that gave nothing."""
    return isinstance(error, TypeError) and "constructor returned NULL" in str(error)


class _NoImages:
    """The transaction of a call that is given no image: whether it opened or closed some."""

    def __init__(self):
        self._before = _open_ids()

    def finish(self):
        now = _open_ids()
        added, removed = sorted(now - self._before), sorted(self._before - now)
        effect = blank(added[-1] if added else None, now != self._before)
        if added:
            image = Gimp.Image.get_by_id(added[-1])
            effect["region"] = {"x": 0, "y": 0, "width": image.get_width(), "height": image.get_height()}
            effect["layers_added"] = [layer.get_id() for layer in image.get_layers()]
        return [{**effect, "images_added": added, "images_removed": removed}]

    abort = finish

    def take_back(self):
        return [], rollback.close_new(self._before)

    @staticmethod
    def beside(_image):
        return contextlib.nullcontext()


def _open_ids():
    return {image.get_id() for image in history.visible_images()}
