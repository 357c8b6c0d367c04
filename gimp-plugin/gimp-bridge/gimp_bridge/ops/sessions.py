"""snapshot_image, restore_snapshot and drop_session_image: a JSON-RPC session's image to the daemon and back.

The daemon's copy is what counts: an image in GIMP that is marked as a session's may be closed whenever the session is
brought back from it.
"""

import os
import shutil
import tempfile

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.images import display
from gimp_bridge.items import lookup
from gimp_bridge.policy import privacy
from gimp_bridge.undo import checkpoints, history, item_ids

CHUNK = 1 << 20


@operation("snapshot_image")
def snapshot_image(call, session):
    image = call.image
    privacy.mark(image, session)
    item_ids.make_room()
    header = {"width": image.get_width(), "height": image.get_height(), "items": _known_ids(image)}
    folder = tempfile.mkdtemp(prefix="gimp-bridge-")
    try:
        path = os.path.join(folder, "image.xcf")
        _write(image, path)

        def chunks():
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    call.check()
                    yield piece

        call.stream(header, chunks())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return dict(header)


@operation("restore_snapshot")
def restore_snapshot(call, session, items):
    if call.upload is None:
        raise OperationError("invalid_argument", "restore_snapshot got no bytes", "send the XCF as an upload")
    _close_all(session)
    item_ids.make_room([id_ for ids in items for id_ in ids])
    path = f"{call.upload}.xcf"
    os.link(call.upload, path)
    try:
        loaded = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))
    except GLib.Error as error:
        raise OperationError("io_error", f"GIMP could not open the session's state: {error.message}") from error
    finally:
        os.unlink(path)
    if loaded is None:
        raise OperationError("io_error", f"GIMP could not open the session's state: {Gimp.get_pdb().get_last_error()}")
    image = loaded.duplicate()  # which has no file: the image must not claim a temporary one as its own
    loaded.delete()
    present = _walk(image)
    if len(present) != len(items):
        image.delete()
        raise OperationError(
            "internal", f"the session's state has {len(present)} items, and {len(items)} were noted when it was kept"
        )
    item_ids.adopt(image, present, items)
    privacy.mark(image, session)
    display.show(image)
    call.image = image
    call.client.image_id = image.get_id()
    return {"width": image.get_width(), "height": image.get_height()}


@operation("drop_session_image")
def drop_session_image(call, session, home=None, but=None):
    return {"closed": _close_all(session, home, but)}


def _write(image, path):
    copy = image.duplicate()  # so that the image's own file and flags stay
    try:
        if not Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, copy, Gio.File.new_for_path(path), None):
            raise OperationError(
                "io_error",
                f"GIMP could not write the session's state: {Gimp.get_pdb().get_last_error()}",
                "check the space in the temporary folder",
            )
    finally:
        copy.delete()


def _close_all(session, home=None, but=None):
    """Closes the images of a session, and the one with the id `home`, except `but`; returns how many there were."""
    ids = {home, *privacy.images_of(session)} - {but}
    mine = [image for image in history.visible_images() if image.get_id() in ids]
    for image in mine:
        history.drop_image(image.get_id())
        lookup.forget(image.get_id())
        if not display.close(image):
            raise OperationError(
                "gimp_error", f"image {image.get_id()} of the session is in a window and cannot be closed", "close it"
            )
    item_ids.sweep()
    return len(mine)


def _walk(image):
    """Ids of all layers with their masks, channels and paths, in the order in which XCF keeps them.

    A path without strokes is left out: XCF holds none.
    """

    def layers(items):
        for item in items:
            yield item.get_id()
            mask = item.get_mask()
            if mask is not None:
                yield mask.get_id()
            if isinstance(item, Gimp.GroupLayer):
                yield from layers(item.get_children())

    paths = [path for path in image.get_paths() if path.get_strokes()]
    return [*layers(image.get_layers()), *(item.get_id() for item in (*image.get_channels(), *paths))]


def _known_ids(image):
    """For each item every id that a client may know it by, the present one first."""
    present = _walk(image)
    names = {id_: [id_] for id_ in present}
    for old in known_before(image):
        if old in names:
            item_ids.forget(image, old)  # told anew for an item of this GIMP: that is what it means from now on
            continue
        now = checkpoints.current_id(item_ids.present_id(image, old))
        if now in names and old not in names[now]:
            names[now].append(old)
    return list(names.values())


def known_before(image):
    """Ids that no item of the image has but a client may still use: from an earlier GIMP, or from before an undo."""
    return [*item_ids.known_ids(image), *checkpoints.HISTORY.moved]
