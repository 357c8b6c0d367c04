"""What is missing of an XCF: every layer, mask and channel that it points to, down to the last tile. Never imports Gimp."""

import struct

_MAX_ITEMS = 100_000


def xcf(data):
    version = data[9:13]
    wide = version[:1] == b"v" and version[1:].isdigit() and int(version[1:]) >= 11
    reader = _Reader(data, 8 if wide else 4)
    at = 14 + 12 + (4 if version[:1] == b"v" and int(version[1:]) >= 4 else 0)
    at = reader.past_properties(at)
    items = []
    for _ in range(2):  # layers, then channels
        found, at = reader.pointers(at)
        items.append(found)
    whole = total = 0
    for is_channel, found in enumerate(items):
        for where in found:
            total += 1
            whole += reader.is_whole(where, bool(is_channel))
    return None if whole == total else f"{whole} of its {total} layers and channels are there in full"


class _Reader:
    def __init__(self, data, size):
        self.data, self.size, self.code = data, size, ">Q" if size == 8 else ">I"

    def past_properties(self, at):
        for _ in range(_MAX_ITEMS):
            kind, length = struct.unpack_from(">II", self.data, at)
            at += 8 + length
            if kind == 0:
                break
        return at

    def pointers(self, at):
        """(those before the 0, where the list ends)."""
        found = []
        while True:
            (where,) = struct.unpack_from(self.code, self.data, at)
            at += self.size
            if where == 0:
                return found, at
            found.append(where)

    def is_whole(self, at, is_channel):
        try:
            at += 8 if is_channel else 12
            (length,) = struct.unpack_from(">I", self.data, at)
            at = self.past_properties(at + 4 + length)
            (hierarchy,) = struct.unpack_from(self.code, self.data, at)
            mask = 0 if is_channel else struct.unpack_from(self.code, self.data, at + self.size)[0]
            return self._has_pixels(hierarchy) and (not mask or self.is_whole(mask, True))
        except struct.error:
            return False

    def _has_pixels(self, at):
        (level,) = struct.unpack_from(self.code, self.data, at + 12)
        tiles, _ = self.pointers(level + 8)
        return all(tile < len(self.data) for tile in tiles)
