"""Pixels on their way into an image: the daemon sends them in strips, and a last call puts them where they belong.

They wait in GEGL buffers, which GEGL swaps to disk when memory is short. At most so many wait, and none for long.
"""

import time

from gi.repository import Gegl

from gimp_bridge.core.errors import OperationError
from gimp_bridge.images import buffers

MAX_WAITING = 24  # a generation alone has up to nine
PATIENCE = 900  # seconds without a strip

KINDS = {8: "u8", 16: "u16", 32: "float"}  # bits of a sample to babl's type
MODELS = {1: "Y'", 2: "Y'A", 3: "R'G'B'", 4: "R'G'B'A"}

_waiting = {}  # (client id, token) → Staged


class Staged:
    """A picture that comes in strips, rows from the top."""

    def __init__(self, width, height, channels, depth):
        self.width, self.height, self.channels, self.depth = width, height, channels, depth
        self.row_bytes = width * channels * depth // 8
        self.rows = 0  # that have come
        self.touched = time.monotonic()
        self.encoding = f"{MODELS[channels]} {KINDS[depth]}"
        self.buffer = Gegl.Buffer.new(self.encoding, 0, 0, width, height)

    def add(self, top, data):
        rows = len(data) // self.row_bytes
        if top != self.rows or rows * self.row_bytes != len(data) or top + rows > self.height:
            raise OperationError("protocol_error", f"a strip of {len(data)} bytes at row {top} does not follow {self.rows}")
        buffers.put(self.buffer, 0, top, self.width, rows, self.encoding, data)
        self.rows += rows
        self.touched = time.monotonic()


def stage(client, token, width, height, channels, depth, top, data):
    """Takes one strip; the first one makes the picture."""
    sweep()
    key = (client.id, token)
    staged = _waiting.get(key)
    if staged is None:
        if len(_waiting) >= MAX_WAITING:
            raise OperationError(
                "busy", f"{MAX_WAITING} filter results are on their way into GIMP already", "try again when one is done"
            )
        staged = _waiting[key] = Staged(width, height, channels, depth)
    staged.add(top, data)
    return staged.rows


def take(client, token):
    """The whole picture, once."""
    staged = _waiting.pop((client.id, token), None)
    if staged is None or staged.rows != staged.height:
        raise OperationError("protocol_error", f"the result `{token}` has not come whole", "run the filter again")
    return staged


def drop(client, token):
    return _waiting.pop((client.id, token), None) is not None


def sweep():
    """Drops what nobody finished."""
    now = time.monotonic()
    for key in [key for key, staged in _waiting.items() if now - staged.touched > PATIENCE]:
        del _waiting[key]


