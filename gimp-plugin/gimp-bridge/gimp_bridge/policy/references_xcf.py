"""What an XCF refers to: link layers (GIMP 3.2), and files and operations of layer effects. Never imports Gimp.

The whole file is searched for the bytes that GIMP would read as such, wherever they stand: the lengths in a file that
someone made are no map to trust. GIMP compresses pixels only, so nothing of this hides.
"""

import re
import struct

from gimp_bridge.core.errors import OperationError
from gimp_bridge.policy import rules

PROP_LINK_LAYER = struct.pack(">I", 48)
MAX_TEXT = 4096
_OPERATION = re.compile(rb":[A-Za-z0-9_.-]{1,64}\0")  # from its colon on


def check(data, shown, refer):
    """`data` is the whole file, bytes or mmap. `refer(text)` checks a reference."""
    for text in _links(data):
        refer(text)
    for name in _operations(data):
        if not rules.knows_operation(name):
            raise OperationError(
                "forbidden",
                f"`{shown}` is not opened under the policy of this GIMP: a layer has the effect `{name}`, which is not "
                "in the table of GEGL operations that a policy allows",
                "merge that effect into the layer first",
            )
    for text in _file_properties(data):
        refer(text)


def _text(data, at):
    """The text that is stored at `at` (length with its NUL, bytes), or None."""
    if at + 4 > len(data):
        return None
    (length,) = struct.unpack(">I", data[at : at + 4])
    if not 2 <= length <= MAX_TEXT or at + 4 + length > len(data):
        return None
    raw = data[at + 4 : at + 4 + length]
    if raw[-1] != 0 or 0 in raw[:-1]:
        return None
    return raw[:-1].decode("utf-8", "surrogateescape")


def _links(data):
    """Paths of link layers: the property's code, its length, flags, the path."""
    at = data.find(PROP_LINK_LAYER)
    while at >= 0:
        text = _text(data, at + 12)
        if text is not None:
            yield text
        at = data.find(PROP_LINK_LAYER, at + 1)


def _operations(data):
    """Operations of layer effects: each stands behind the effect's name and icon, all three with their lengths."""
    for match in _OPERATION.finditer(data):
        end, before = match.end(), max(0, match.start() - 68)
        # A name has no NUL, so the last three before it are its length's
        start = before + data[before : match.start()].rfind(b"\0\0\0") + 4
        if not before + 3 < start <= match.start() or data[start - 1] != end - start:
            continue
        icon = _text_before(data, start - 4)
        if icon is not None and _text_before(data, icon) is not None:
            name = data[start : end - 1].decode("latin-1")
            if name[0].isalpha():  # the operation's version follows, `0:0`
                yield name


def _text_before(data, end):
    """Where a text begins that ends at `end`, or None."""
    if end >= 4 and data[end - 4 : end] == b"\0\0\0\0":
        return end - 4
    if end < 5 or data[end - 1] != 0:
        return None
    for length in range(1, min(MAX_TEXT, end - 4) + 1):
        if struct.unpack(">I", data[end - length - 4 : end - length])[0] == length:
            return end - length - 4
    return None


def _file_properties(data):
    """Values of effects' properties that name files: the property's name, its type, the text."""
    for name in rules.file_properties():
        key = struct.pack(">I", len(name) + 1) + name.encode() + b"\0"
        at = data.find(key)
        while at >= 0:
            text = _text(data, at + len(key) + 4)
            if text is not None:
                yield text
            at = data.find(key, at + 1)
