"""Files of several pictures: what they say of their frames, and how PNGs become an APNG. Never imports Gimp."""

import dataclasses
import mmap
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PAGES = 100_000
_BESIDE_PIXELS = (b"sRGB", b"gAMA", b"cHRM", b"iCCP", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt")


@dataclasses.dataclass
class Animation:
    """`delays` in milliseconds, one for each frame; `loops` 0 for ever, None where the file does not say."""

    delays: list
    loops: object = None

    @property
    def frames(self):
        return len(self.delays)


def read(data):
    """The Animation of a file's bytes, or None for another format."""
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _gif(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:8] == _SIGNATURE:
        return _png(data)
    return None


def _gif(data):
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    found, delay = Animation([], None), 0
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:
            label, at = data[at + 1], at + 2
            if label == 0xF9:
                delay = struct.unpack_from("<H", data, at + 2)[0] * 10
            elif label == 0xFF and data[at + 1 : at + 12] == b"NETSCAPE2.0":
                found.loops = struct.unpack_from("<H", data, at + 14)[0]
        elif data[at] == 0x2C:
            found.delays.append(delay)
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            raise ValueError("damaged GIF")
        while data[at]:
            at += data[at] + 1
        at += 1
    return found


def _webp(data):
    found, at = Animation([], None), 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if kind == b"ANIM":
            found.loops = struct.unpack_from("<H", data, at + 12)[0]
        elif kind == b"ANMF":
            found.delays.append(int.from_bytes(data[at + 20 : at + 23], "little"))
        elif kind in (b"VP8 ", b"VP8L"):
            found.delays.append(0)
        at += 8 + size + size % 2
    return found


def _png(data):
    found = Animation([], None)
    for kind, body in chunks(data):
        if kind == b"acTL":
            found.loops = struct.unpack(">II", body)[1]
        elif kind == b"fcTL":
            over, under = struct.unpack_from(">HH", body, 20)
            found.delays.append(round(over * 1000 / (under or 100)))
    return found if found.delays else Animation([0])


def count(path):
    """How many pictures a GIF, WebP, PNG, TIFF, ICO or CUR file has, or None for another kind."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] in (b"\0\0\1\0", b"\0\0\2\0"):
            return struct.unpack_from("<H", data, 4)[0]
        if data[:2] in (b"II", b"MM"):
            return _tiff_pages(data)
        found = read(data)
        return found.frames if found is not None else None


def set_loops(path, loops):
    """Sets how often an animated GIF or WebP runs, which GIMP writes wrongly from 3 on, or as for ever."""
    with open(path, "r+b") as file:
        head = file.read(1 << 20)  # a colour profile may stand before
        at = head.find(b"ANIM") + 12 if head.startswith(b"RIFF") else head.find(b"\x0bNETSCAPE2.0") + 14
        if at >= 14:
            file.seek(at)
            file.write(struct.pack("<H", min(loops, 65_535)))


def tell_alpha(path):
    """Says in the head of an animated WebP that it is transparent where no frame has painted.

    GIMP's exporter writes of each frame what is new, and says so only where one of these parts has alpha itself; readers
    that go by the head show the rest as opaque.
    """
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        if data[:4] != b"RIFF" or data[12:16] != b"VP8X":
            return
        canvas, at, frames = data[24:30], 12, []
        while at + 8 <= len(data):
            size = struct.unpack_from("<I", data, at + 4)[0]
            if data[at : at + 4] == b"ANMF":
                frames.append((data[at + 14 : at + 20] == canvas, data[at + 23] & 1))
            at += 8 + size + size % 2
        # Seen through: what the first one leaves, and what a smaller one takes away when it goes
        if frames and (not frames[0][0] or any(goes and not whole for whole, goes in frames)):
            data[20] |= 0x10


def _tiff_pages(data):
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    pages, seen = 0, set()
    while at and at not in seen and pages < MAX_PAGES:
        seen.add(at)
        entries = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
        pages += 1
        at += (8 + entries * 20) if big else (2 + entries * 12)
        at = struct.unpack_from(order + ("Q" if big else "I"), data, at)[0]
    return pages


def chunks(data):
    """(kind, body) of a PNG's chunks."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


class ApngWriter:
    """Puts the PNGs of equal size and type that it is given, one after the other, into one animated PNG."""

    def __init__(self, file, count, loops):
        self._file, self._count, self._loops = file, count, loops
        self._sequence, self._header = 0, None

    def add(self, png, delay):
        """`delay` in milliseconds, up to 65535. Each frame is whole and replaces the one before."""
        parts = list(chunks(png))
        header = next(body for kind, body in parts if kind == b"IHDR")
        if self._header is None:
            self._header = header
            self._file.write(_SIGNATURE)
            self._chunk(b"IHDR", header)
            self._chunk(b"acTL", struct.pack(">II", self._count, self._loops))
            for kind, body in parts:
                if kind in _BESIDE_PIXELS:
                    self._chunk(kind, body)
        elif header != self._header:
            raise ValueError("the frames differ in size or type")
        first = self._sequence == 0
        width, height = struct.unpack_from(">II", header)
        self._chunk(b"fcTL", struct.pack(">IIIIIHHBB", self._next(), width, height, 0, 0, delay, 1000, 0, 0))
        for kind, body in parts:
            if kind == b"IDAT":
                self._chunk(b"IDAT", body) if first else self._chunk(b"fdAT", struct.pack(">I", self._next()) + body)

    def finish(self):
        self._chunk(b"IEND", b"")

    def _next(self):
        self._sequence += 1
        return self._sequence - 1

    def _chunk(self, kind, body):
        self._file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
