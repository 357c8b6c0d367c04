"""What is missing of a file whose header says how many bytes of pixels follow. Never imports Gimp.

Each function takes the bytes of a file (a mmap) and gives a sentence about what is missing, or None.
"""

import struct

_MAX_PAGES = 10_000
_MAX_STRIPS = 1_000_000
# Bytes of a value by its TIFF type
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


def _short(have, need, what="its picture data"):
    """A sentence where `have` bytes are less than the `need`ed, else None."""
    if have >= need:
        return None
    share = 100 * max(have, 0) / need
    return f"it ends inside {what}: {share:.0f} % of it is there" if need else None


def tiff(data):
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + "Q", data, 8)[0] if big else struct.unpack_from(order + "I", data, 4)[0]
    seen = set()
    for page in range(_MAX_PAGES):
        if at == 0 or at in seen:
            return None
        seen.add(at)
        where = f" of page {page + 1}" if page else ""
        try:
            tags, at = _directory(data, order, big, at)
            lost = _strips(data, tags)
        except struct.error:
            return f"it ends before the directory{where or ' of its picture'}"
        if lost:
            return f"it ends inside its picture data: {lost}{where} are there in full"
    return None


def _directory(data, order, big, at):
    """({tag: values}, where the next directory is). Only tags that tell where pixels are."""
    if at + 2 > len(data):
        raise struct.error
    count = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
    at += 8 if big else 2
    step, inline, offset = (20, 8, "Q") if big else (12, 4, "I")
    if count > 4096:
        raise ValueError("no directory")
    tags = {}
    for index in range(count):
        entry = at + index * step
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        number = struct.unpack_from(order + offset, data, entry + 4)[0]
        value = entry + 4 + struct.calcsize("<" + offset)
        code = _TIFF_CODES.get(kind)
        if tag not in (256, 257, 258, 259, 273, 277, 278, 279, 284, 324, 325) or code is None or number > _MAX_STRIPS:
            continue
        if number * _TIFF_BYTES[kind] > inline:
            value = struct.unpack_from(order + offset, data, value)[0]
        tags[tag] = struct.unpack_from(f"{order}{number}{code}", data, value)
    following = at + count * step
    if following + inline > len(data):
        return tags, 0
    return tags, struct.unpack_from(order + offset, data, following)[0]


def _strips(data, tags):
    """"3 of 5 strips" where not all are inside the file, else None."""
    tiled = 324 in tags
    offsets, counts = tags.get(324 if tiled else 273, ()), tags.get(325 if tiled else 279, ())
    if not offsets:
        return None
    plain = tags.get(259, (1,))[0] == 1 and not tiled
    rows = _strip_bytes(tags, len(offsets)) if plain else None
    whole = 0
    for index, offset in enumerate(offsets):
        count = counts[index] if index < len(counts) else 0
        if rows is not None:  # sloppy writers count more than there are, or nothing
            count = min(count, rows[index]) if count else rows[index]
        # An empty strip is a hole that the format allows
        whole += offset + count <= len(data) or offset == 0
    if whole == len(offsets):
        return None
    return f"{whole} of {len(offsets)} {'tiles' if tiled else 'strips'}"


def _strip_bytes(tags, strips):
    """Bytes of each uncompressed strip, or None where they cannot be told."""
    try:
        width, height, samples = tags[256][0], tags[257][0], tags.get(277, (1,))[0]
        bits, apart = tags.get(258, (1,)), tags.get(284, (1,))[0] == 2
    except (KeyError, IndexError):
        return None
    high = min(tags.get(278, (height,))[0] or height, height)
    depth = bits[0] if apart else sum(bits) if len(bits) == samples else bits[0] * samples
    row = (width * depth + 7) // 8
    a_plane = max(-(-height // high), 1) if high else 1
    return [row * min(high, height - index % a_plane * high) for index in range(strips)]


def bmp(data):
    start, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = size = 0
    else:
        width, height, _, bits, compression, size = struct.unpack_from("<iiHHII", data, 18)
    height = abs(height)
    if compression in (0, 3, 6):
        row = (width * bits + 7) // 8
        return _short(len(data) - start, (row + 3) // 4 * 4 * max(height - 1, 0) + row)
    return _short(len(data) - start, size)


def psd(data):
    version = struct.unpack_from(">H", data, 4)[0]
    channels, height, width, depth, _ = struct.unpack_from(">HIIHH", data, 12)
    at = 26
    for what, wide in (("its palette", False), ("its image resources", False), ("its layers", version == 2)):
        length = struct.unpack_from(">Q" if wide else ">I", data, at)[0]
        at += (8 if wide else 4) + length
        if at > len(data):
            return _short(len(data) - (at - length), length, what)
    if at == len(data):
        return "it ends before its flattened picture"
    compression = struct.unpack_from(">H", data, at)[0]
    at += 2
    what = "its flattened picture, after the layers"
    if compression == 0:
        return _short(len(data) - at, channels * height * ((width * depth + 7) // 8), what)
    if compression == 1:
        lines = channels * height
        code, wide = ("I", 4) if version == 2 else ("H", 2)
        if at + lines * wide > len(data):
            return f"it ends inside {what}"
        sizes = struct.unpack_from(f">{lines}{code}", data, at)
        return _short(len(data) - at - lines * wide, sum(sizes), what)
    return None


def ico(data):
    count = struct.unpack_from("<H", data, 4)[0]
    whole = 0
    for index in range(count):
        size, offset = struct.unpack_from("<II", data, 6 + 16 * index + 8)
        whole += offset + size <= len(data)
    return None if whole == count else f"{whole} of its {count} pictures are there in full"


def pnm(data):
    kind = bytes(data[:2])
    if kind == b"P7":
        end = data.find(b"ENDHDR")
        at = data.find(b"\n", end) + 1
        if end < 0 or at == 0:
            return "it ends inside its header"
        fields = dict(line.split(None, 1) for line in data[2:end].splitlines() if b" " in line and line[:1] != b"#")
        width, height, depth, most = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
        return _short(len(data) - at, width * height * depth * (2 if most > 255 else 1))
    needed = 2 if kind in (b"P1", b"P4") else 3
    values, at = [], 2
    while len(values) < needed:
        word, at = _word(data, at)
        if not word:
            return "it ends inside its header"
        values.append(word)
    width, height = int(values[0]), int(values[1])
    samples = width * height * (3 if kind in (b"P3", b"P6", b"PF") else 1)
    if kind == b"P1":
        text = b"".join(line.partition(b"#")[0] for line in data[at:].splitlines())
        return _short(text.count(b"0") + text.count(b"1"), samples)
    if kind in (b"P2", b"P3"):
        return _short(sum(len(line.partition(b"#")[0].split()) for line in data[at:].splitlines()), samples)
    at += 1
    if kind == b"P4":
        return _short(len(data) - at, (width + 7) // 8 * height)
    if kind in (b"PF", b"Pf"):
        return _short(len(data) - at, samples * 4)
    return _short(len(data) - at, samples * (2 if int(values[2]) > 255 else 1))


def _word(data, at):
    """The next word of a netpbm header and where it ends."""
    while at < len(data):
        byte = data[at]
        if byte == 0x23:
            end = data.find(b"\n", at)
            at = len(data) if end < 0 else end
        elif byte in b" \t\r\n\v\f":
            at += 1
        else:
            break
    start = at
    while at < len(data) and data[at] not in b" \t\r\n\v\f#":
        at += 1
    return bytes(data[start:at]), at


def tga(data):
    id_length, palette, kind = data[0], data[1], data[2]
    entries, entry_bits = struct.unpack_from("<HB", data, 5)
    width, height, bits = struct.unpack_from("<HHB", data, 12)
    at = 18 + id_length + (entries * ((entry_bits + 7) // 8) if palette else 0)
    pixel, total = (bits + 7) // 8, width * height
    if kind in (1, 2, 3):
        return _short(len(data) - at, total * pixel)
    if kind not in (9, 10, 11):
        raise ValueError("no TGA")
    done = 0
    while done < total:
        if at >= len(data):
            return _short(done, total)
        packet = data[at]
        done += (packet & 127) + 1
        at += 1 + pixel * (1 if packet & 128 else (packet & 127) + 1)
    return _short(done, total) if at <= len(data) else "it ends inside its last pixels"


def pcx(data):
    if data[0] != 0x0A:
        raise ValueError("no PCX")
    encoded = data[2]
    _, top, _, bottom = struct.unpack_from("<HHHH", data, 4)
    planes, line = struct.unpack_from("<BH", data, 65)
    total, at, done = planes * line * (bottom - top + 1), 128, 0
    if not encoded:
        return _short(len(data) - at, total)
    while done < total:
        if at >= len(data):
            return _short(done, total)
        byte = data[at]
        run = byte >= 0xC0
        done += byte & 0x3F if run else 1
        at += 2 if run else 1
    return None


def farbfeld(data):
    width, height = struct.unpack_from(">II", data, 8)
    return _short(len(data) - 16, width * height * 8)


def sunras(data):
    magic, width, height, depth, _, kind, _, palette = struct.unpack_from(">8I", data)
    if magic != 0x59A66A95:
        raise ValueError("no Sun raster file")
    if kind == 2:
        return None
    row = ((width * depth + 7) // 8 + 1) // 2 * 2
    return _short(len(data) - 32 - palette, row * height)


def sgi(data):
    magic, packed, depth, _, width, height, planes = struct.unpack_from(">HBBHHHH", data)
    if magic != 474:
        raise ValueError("no SGI picture")
    rows = height * planes
    if not packed:
        return _short(len(data) - 512, rows * width * depth)
    starts, sizes = struct.unpack_from(f">{rows}I", data, 512), struct.unpack_from(f">{rows}I", data, 512 + 4 * rows)
    whole = sum(start + size <= len(data) for start, size in zip(starts, sizes))
    return None if whole == rows else f"{whole} of its {rows} rows are there"


def dds(data):
    height, width = struct.unpack_from("<II", data, 12)
    flags, code, bits = struct.unpack_from("<I4sI", data, 80)
    if flags & 4:
        block = {b"DXT1": 8, b"ATI1": 8, b"BC4U": 8, b"DXT3": 16, b"DXT5": 16, b"ATI2": 16, b"BC5U": 16}.get(code)
        return None if block is None else _short(len(data) - 128, -(-width // 4) * -(-height // 4) * block)
    return _short(len(data) - 128, (width * bits + 7) // 8 * height)


def exr(data):
    """Scanline files of one part: the last chunk that the table names has to be there."""
    flags, at = struct.unpack_from("<I", data, 4)[0], 8
    window = lines = None
    while data[at]:
        name, at = _text(data, at)
        kind, at = _text(data, at)
        size = struct.unpack_from("<I", data, at)[0]
        at += 4
        if name == b"dataWindow":
            window = struct.unpack_from("<iiii", data, at)
        elif name == b"compression":
            lines = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}.get(data[at])
        at += size
    if flags & 0x1A00 or window is None or lines is None:  # tiled, deep, several parts
        return None
    at += 1
    count = -(-(window[3] - window[1] + 1) // lines)
    offsets = struct.unpack_from(f"<{count}Q", data, at)
    whole = sum(1 for offset in offsets if offset and offset + 8 <= len(data)
                and offset + 8 + struct.unpack_from("<I", data, offset + 4)[0] <= len(data))  # fmt: skip
    return None if whole == count else f"{whole} of its {count} blocks of rows are there"


def _text(data, at):
    end = data.find(b"\0", at)
    if end < 0:
        raise struct.error
    return bytes(data[at:end]), end + 1
