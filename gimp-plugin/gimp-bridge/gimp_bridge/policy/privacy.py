"""Whose image is whose: the image of a JSON-RPC session is found by that session alone.

For every other client there is no such image: it is in no list, its ids find nothing, and no call without `image` falls
on it. Enforced where images are listed and looked up (history.visible_images, history.is_hidden), so that it holds for
each operation, and for Python's `Gimp.get_images` too. What GIMP's user does in the windows is not a client's call and
sees all.

An image carries its session as a parasite, so that a plug-in process that was started again still knows it.
"""

import contextlib

from gi.repository import Gimp

MARK = "gimp-bridge-session"  # a parasite that is not saved: it ends with this GIMP
CLIENT = "session-"  # how the daemon begins the client id of a session's calls; no other client's id begins so
MENU = "menu-"  # the same for what GIMP's user starts in the menus

_sessions = {}  # image id -> session; ids are never used twice
_caller = None  # id of the client whose call is running


def install(images):
    """Reads the marks of images that are open already."""
    for image in images:
        parasite = image.get_parasite(MARK)
        if parasite is not None:
            _sessions[image.get_id()] = bytes(parasite.get_data()).decode()


@contextlib.contextmanager
def called_by(client_id):
    """While this client's call runs, it finds its own images and those that are no session's."""
    global _caller
    before, _caller = _caller, client_id
    try:
        yield
    finally:
        _caller = before


def is_private(image_id):
    """Whether the running call may not know of this image."""
    if _caller is None or _caller.startswith(MENU) or image_id not in _sessions:
        return False
    return _caller != CLIENT + _sessions[image_id]


def session_of(image_id):
    return _sessions.get(image_id)


def images_of(session):
    """Ids of a session's images."""
    return [image_id for image_id, owner in _sessions.items() if owner == session]


def mark(image, session):
    image_id = image.get_id()
    if _sessions.get(image_id) != session:
        image.attach_parasite(Gimp.Parasite.new(MARK, 0, session.encode()))
        _sessions[image_id] = session
        for gone in [id_ for id_ in _sessions if not Gimp.Image.id_is_valid(id_)]:
            del _sessions[gone]


def is_session(client_id):
    return client_id.startswith(CLIENT)


def mark_made(client_id, image_id):
    """Marks what a session's own call opened: nobody else is to find it, from its first moment on."""
    if image_id is not None and Gimp.Image.id_is_valid(image_id) and session_of(image_id) is None:
        mark(Gimp.Image.get_by_id(image_id), client_id.removeprefix(CLIENT))
