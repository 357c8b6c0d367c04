"""What the file that an image was opened from held and GIMP does not keep: its frames, its texts.

A parasite on the image, so that duplicates, undo, sessions and XCF files have it too.
"""

import json
import mmap
import os

from gi.repository import Gimp

from gimp_bridge.formats import apng, file_text, table as formats

NAME = "gimp-bridge-origin"
MAX_NAMES = 1_000  # layers whose names are noted; a file with more is saved as one picture


def note(image, path):
    """Looks at the file that `image` was opened from, and attaches what a later save needs, if there is anything."""
    found = {**_frames(image, path), **_texts(path)}
    if found:
        _attach(image, found)


def of(image):
    """{"format", "frames", "loops", "layers", "texts"}, each only where there is something to say."""
    parasite = image.get_parasite(NAME)
    if parasite is None:
        return {}
    try:
        found = json.loads(bytes(byte & 255 for byte in parasite.get_data()))
    except ValueError:  # an XCF of someone else's making
        return {}
    return found if isinstance(found, dict) else {}


def drop_texts(image, only=None):
    """Forgets the texts, or the one of that keyword; returns how many there were."""
    found = of(image)
    texts = found.pop("texts", [])
    left = [text for text in texts if only is not None and text[0] != only]
    gone = texts[len(left) :]
    if left:
        found["texts"] = left
    if gone:
        image.detach_parasite(NAME)
        if found:
            _attach(image, found)
    return len(gone)


def _attach(image, found):
    # PyGObject takes bytes as signed numbers
    data = [byte - 256 if byte > 127 else byte for byte in json.dumps(found).encode()]
    image.attach_parasite(Gimp.Parasite.new(NAME, Gimp.PARASITE_PERSISTENT, data))


def _frames(image, path):
    """Nothing for a file of one picture."""
    kind = formats.sniff_file(path)
    if kind is None or kind.format not in formats.FRAMES:
        return {}
    layers = [layer.get_name() for layer in image.get_layers()]
    film = _film(path) if kind.format in ("gif", "webp", "png") else None
    count = max(len(layers), film.frames if film else 0)
    if count < 2 or len(layers) > MAX_NAMES:
        return {}
    found = {"format": kind.format, "frames": count, "layers": layers}
    if film:
        found["loops"] = film.loops
    return found


def _film(path):
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return apng.read(data)
    except (ValueError, IndexError, OSError):  # damaged: GIMP has opened what there is
        return None


def _texts(path):
    if os.path.getsize(path) < 8:
        return {}
    with open(path, "rb") as file:
        texts = file_text.read(file)
    return {"texts": texts} if texts else {}
