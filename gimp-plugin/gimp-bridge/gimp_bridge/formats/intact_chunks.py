"""What is missing of a file that is a row of chunks, segments or boxes with lengths. Never imports Gimp.

Each function takes the bytes of a file (a mmap) and gives a sentence about what is missing, or None.
"""

import re
import struct
import zlib

# Inside a scan: not a stuffed 0xFF, not a restart, not a fill byte
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_MAX_PARTS = 1_000_000
JPEG_CUT = "it ends before its end mark, so the lower part of the picture is missing"
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
# Markers that stand alone
_ALONE = (0x01, *range(0xD0, 0xD8))
_PNG_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"fcTL", b"fdAT", b"acTL")


def jpeg(data):
    at, scans, progressive = 2, 0, False
    for _ in range(_MAX_PARTS):
        if at >= len(data):
            break
        if data[at] != 0xFF:  # libjpeg looks for the next marker, too
            found = _MARKER.search(data, at)
            if found is None:
                break
            at = found.start()
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at >= len(data):
            break
        marker, at = data[at], at + 1
        if marker == _EOI:
            return None if scans else "it holds no picture data"
        if marker in _ALONE or marker == _SOI or marker == 0:
            continue
        if at + 2 > len(data):
            break
        length = struct.unpack_from(">H", data, at)[0]
        if marker in (0xC2, 0xC6, 0xCA, 0xCE):
            progressive = True
        if marker == _SOS:
            scans += 1
        at += max(length, 2)
        if marker == _SOS:
            found = _MARKER.search(data, at)
            at = found.start() if found else len(data)
    if not scans:
        return "it ends before its picture data"
    if progressive:
        return "it ends before its end mark, so finer passes of the picture are missing, or the lower part"
    return JPEG_CUT


def png(data):
    at, pixels, damaged = 8, 0, None
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            rest = ", so the lower part of the picture is missing" if kind in _PNG_NEEDED[:3] else ""
            return f"it ends inside a {kind.decode('latin-1')} chunk{rest}"
        if kind == b"IEND":
            return damaged if pixels else "it holds no picture data"
        if kind in _PNG_NEEDED and zlib.crc32(data[at + 4 : at + 8 + length]) != struct.unpack_from(">I", data, end - 4)[0]:
            damaged = f"the checksum of a {kind.decode()} chunk is wrong, so a part of the picture is damaged"
        pixels += kind == b"IDAT"
        at = end
    return damaged or "it ends before its end mark, so the lower part of the picture may be missing"


def gif(data):
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    frames = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            break
        if kind == 0x21:
            at += 2
        elif kind == 0x2C:
            if at + 10 > len(data):
                return _gif_cut(frames)
            at += 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
        else:  # decoders pass over stray bytes
            at += 1
            continue
        while at < len(data) and data[at]:
            at += data[at] + 1
        if at >= len(data):
            return _gif_cut(frames) if kind == 0x2C or not frames else None
        at += 1
        frames += kind == 0x2C
    return None if frames else "it holds no picture data"


def _gif_cut(frames):
    return f"it ends inside frame {frames + 1}, so a part of that and all that followed is missing"


def webp(data):
    at, promised, pixels = 12, struct.unpack_from("<I", data, 4)[0] + 8, 0
    while at + 8 <= min(len(data), promised):
        kind, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + size > len(data):
            name = kind.decode("latin-1").strip()
            rest = "so a part of the picture is missing" if kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF") else (
                "so data about the picture is missing" if pixels else "before its picture data")  # fmt: skip
            return f"it ends inside its {name} chunk, {rest}"
        pixels += kind in (b"VP8 ", b"VP8L", b"ANMF")
        at += 8 + size + size % 2
    if not pixels:
        return "it ends before its picture data"
    # Some encoders count a padding byte that they do not write
    if at + 8 <= promised and len(data) + 1 < promised:
        return f"it has {len(data)} of {promised} bytes"
    return None


def boxes(data):
    """HEIF, AVIF, JPEG XL in boxes; a bare JPEG XL codestream does not tell."""
    if data[:2] == b"\xff\x0a":
        return None
    for kind, _, end, _ in _boxes(data):
        if end > len(data):
            return f"it ends inside its {kind.decode('latin-1')} box: {len(data)} of at least {end} bytes are there"
    if data[4:8] == b"ftyp" and data[8:12] != b"jxl ":
        kinds = [kind for kind, _, _, _ in _boxes(data)]
        if b"meta" not in kinds and b"moov" not in kinds:
            return "it ends before it says what it holds"
    return None


def _boxes(data):
    """(kind, where the body begins, where the box ends, whether it reaches to the file's end) of the top boxes."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            size, body = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        if not kind.isascii() or size and size < body - at:  # what was appended is not of this format
            return
        last = size == 0
        end = len(data) if last else at + size
        yield kind, body, end, last
        at = end


def jp2(data):
    for kind, body, end, last in _boxes(data):
        if kind == b"jp2c":
            if end > len(data):
                return f"it ends inside its picture data: {len(data)} of at least {end} bytes are there"
            return codestream(data, body)
        if end > len(data):
            return f"it ends inside its {kind.decode('latin-1')} box, before the picture data"
    return "it ends before its picture data"


def codestream(data, at=0):
    """JPEG 2000: main header, then tile parts that say how long they are."""
    width, height, left, top, wide, high, tiles_left, tiles_top = struct.unpack_from(">8I", data, at + 8)
    tiles = -(-(width - tiles_left) // wide) * -(-(height - tiles_top) // high) if wide and high else 0
    seen = set()
    at += 2
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFD9:
            return None
        if marker == 0xFF90:
            tile, part = struct.unpack_from(">HI", data, at + 4)
            if part == 0:  # to the end mark
                return None if data.rfind(b"\xff\xd9", at) > 0 else "it ends inside its last tile"
            if at + part > len(data):
                return f"it ends inside tile {tile + 1} of {tiles}, so a part of the picture is missing"
            seen.add(tile)
            at += part
        elif marker < 0xFF00:
            raise ValueError("no marker")
        else:
            at += 2 + length
    # What is here at least ended with a whole tile part
    if len(seen) >= tiles or data[-2:] == b"\xff\xd9":
        return None
    return f"it ends before its end mark: {len(seen)} of its {tiles} tiles are there"


def icns(data):
    promised = struct.unpack_from(">I", data, 4)[0]
    return f"it has {len(data)} of {promised} bytes" if promised > len(data) else None


def qoi(data):
    found = data.rfind(b"\0\0\0\0\0\0\0\1")
    return None if found >= 14 else "it ends before its end mark, so the lower part of the picture is missing"
