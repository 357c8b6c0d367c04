"""Text beside the pixels: PNG's text chunks, JPEG's comment. Reads and adds them. Never imports Gimp."""

import mmap
import os
import shutil
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 1 << 20  # characters of all texts of a file together
MAX_TEXTS = 200
MAX_CHUNK = 8 << 20  # bytes of one chunk that are looked at
_NOT_TEXT = ("xml:com.adobe.xmp", "raw profile type ")  # metadata that GIMP reads and writes itself


def read(file):
    """[[keyword, text], …] of a PNG's text chunks, or of a JPEG's comment; empty for any other file."""
    head = file.read(8)
    if head == _SIGNATURE:
        return _read_png(file)
    return _read_jpeg(file) if head[:2] == b"\xff\xd8" else []


def _read_jpeg(file):
    at = 2
    for _ in range(10_000):
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            break
        length = struct.unpack(">H", head[2:])[0]
        if head[1] == 0xFE:
            text = file.read(length - 2).rstrip(b"\0").decode("utf-8", "replace")
            return [["Comment", text]] if text.strip() else []
        at += 2 + length
    return []


def _read_png(file):
    found, room = [], MAX_TEXT
    while len(head := file.read(8)) == 8 and len(found) < MAX_TEXTS:
        length, kind = struct.unpack(">I4s", head)
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or length > MAX_CHUNK:
            file.seek(length + 4, os.SEEK_CUR)
            continue
        body = file.read(length)
        file.seek(4, os.SEEK_CUR)
        try:
            keyword, text = _text(kind, body, room)
        except (ValueError, zlib.error):
            continue
        if not keyword.lower().startswith(_NOT_TEXT) and len(text) <= room:
            found.append([keyword, text])
            room -= len(text)
    return found


def _text(kind, body, most):
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if kind == b"zTXt":
        return keyword.decode("latin-1"), _inflate(rest[1:], most).decode("latin-1")
    packed, rest = rest[:1] == b"\1", rest[2:]
    _, _, rest = rest.partition(b"\0")  # language
    _, _, rest = rest.partition(b"\0")  # translated keyword
    return keyword.decode("latin-1"), (_inflate(rest, most) if packed else rest).decode("utf-8")


def _inflate(data, most):
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, 4 * most + 1)
    if unpacker.unconsumed_tail:
        raise ValueError("too long")
    return text


def add_png(path, texts):
    """Puts [[keyword, text], …] into a PNG, before its pixels."""
    added = b"".join(_chunk(*text) for text in texts)
    with open(path, "rb") as file:
        at = len(file.read(8))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                break
            at += 12 + length
            file.seek(length + 4, os.SEEK_CUR)
    _insert(path, at, added)


def _chunk(keyword, text):
    name = keyword.encode("latin-1", "replace")[:79] or b"Comment"
    try:
        kind, body = b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        kind, body = b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8")
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def add_jpeg_comment(path, text):
    """Puts a comment behind a JPEG's application segments, cut to what one segment holds."""
    body = text.encode("utf-8")[:65_533].decode("utf-8", "ignore").encode("utf-8")
    with open(path, "rb") as file:
        at = 2
        file.seek(at)
        while len(head := file.read(4)) == 4 and head[0] == 0xFF and 0xE0 <= head[1] <= 0xEF:
            at += 2 + struct.unpack(">H", head[2:])[0]
            file.seek(at)
    _insert(path, at, b"\xff\xfe" + struct.pack(">H", len(body) + 2) + body)


def replace_date(path, old, new):
    """Puts one EXIF date in another's place; both have 19 characters. In a PNG its chunk is sealed anew."""
    old, new = (date.encode("ascii", "replace") + b"\0" for date in (old, new))
    if len(old) != len(new):
        return
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at, end, chunk = 0, len(data), None
        if data[:8] == _SIGNATURE:
            chunk = at = data.find(b"eXIf")
            end = at + 4 + struct.unpack_from(">I", data, at - 4)[0] if at > 0 else 0
        while 0 <= (at := data.find(old, at, end)):
            data[at : at + len(new)] = new
        if chunk is not None and end:
            struct.pack_into(">I", data, end, zlib.crc32(data[chunk:end]))


def _insert(path, at, added):
    """Puts bytes into a file; `path` has them all or none."""
    beside = path + ".text"
    try:
        with open(path, "rb") as source, open(beside, "wb") as target:
            target.write(source.read(at))
            target.write(added)
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.unlink(beside)
