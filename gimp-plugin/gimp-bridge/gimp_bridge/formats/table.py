"""File formats: names, endings, media types, and what the first bytes of a file say. Never imports Gimp.

The sniffers read headers only, and are independent of GIMP: they prove what GIMP wrote.
"""

import dataclasses
import os
import struct

HEAD_BYTES = 64 * 1024

# Name -> (stem of GIMP's export procedure, endings, media type). The first ending is the usual one.
FORMATS = {
    "xcf": (None, ("xcf",), "image/x-xcf"),
    "png": ("png", ("png",), "image/png"),
    "jpeg": ("jpeg", ("jpg", "jpeg", "jpe"), "image/jpeg"),
    "webp": ("webp", ("webp",), "image/webp"),
    "tiff": ("tiff", ("tif", "tiff"), "image/tiff"),
    "gif": ("gif", ("gif",), "image/gif"),
    "bmp": ("bmp", ("bmp", "dib"), "image/bmp"),
    "psd": ("psd", ("psd",), "image/vnd.adobe.photoshop"),
    "psb": ("psb", ("psb",), "image/vnd.adobe.photoshop"),
    "exr": ("exr", ("exr",), "image/x-exr"),
    "heif": ("heif", ("heif", "heic"), "image/heif"),
    "avif": ("heif-av1", ("avif",), "image/avif"),
    "jxl": ("jpegxl", ("jxl",), "image/jxl"),
    "jp2": ("jp2", ("jp2",), "image/jp2"),
    "j2k": ("j2k", ("j2k", "j2c", "jpc"), "image/x-jp2-codestream"),
    "ico": ("ico", ("ico",), "image/vnd.microsoft.icon"),
    "cur": ("cur", ("cur",), "image/vnd.microsoft.cursor"),
    "icns": ("icns", ("icns",), "image/x-icns"),
    "tga": ("tga", ("tga",), "image/x-tga"),
    "pnm": ("pnm", ("pnm",), "image/x-portable-anymap"),
    "ppm": ("ppm", ("ppm",), "image/x-portable-pixmap"),
    "pgm": ("pgm", ("pgm",), "image/x-portable-graymap"),
    "pbm": ("pbm", ("pbm",), "image/x-portable-bitmap"),
    "pfm": ("pfm", ("pfm",), "image/x-portable-floatmap"),
    "pam": ("pam", ("pam",), "image/x-portable-arbitrarymap"),
    "pdf": ("pdf", ("pdf",), "application/pdf"),
    "ps": ("ps", ("ps",), "application/postscript"),
    "eps": ("eps", ("eps",), "application/postscript"),
    "svg": ("svg", ("svg",), "image/svg+xml"),
    "ora": ("openraster", ("ora",), "image/openraster"),
    "dds": ("dds", ("dds",), "image/x-dds"),
    "dicom": ("dicom", ("dcm", "dicom"), "application/dicom"),
    "fits": ("fits", ("fits", "fit"), "image/fits"),
    "hdr": ("rgbe", ("hdr",), "image/vnd.radiance"),
    "farbfeld": ("farbfeld", ("ff",), "image/x-ff"),
    "qoi": ("qoi", ("qoi",), "image/qoi"),
    "pcx": ("pcx", ("pcx",), "image/x-pcx"),
    "pat": ("pat", ("pat",), "image/x-gimp-pat"),
    "sgi": ("sgi", ("sgi", "rgb", "bw"), "image/x-sgi"),
    "sunras": ("sunras", ("ras",), "image/x-sun-raster"),
    "xbm": ("xbm", ("xbm",), "image/x-xbitmap"),
    "xpm": ("xpm", ("xpm",), "image/x-xpixmap"),
    "xwd": ("xwd", ("xwd",), "image/x-xwindowdump"),
    "mng": ("mng", ("mng",), "video/x-mng"),
    "html": ("html-table", ("html", "htm"), "text/html"),
}
ENDINGS = frozenset(ending for _, endings, _ in FORMATS.values() for ending in endings)
_BY_NAME = {ending: name for name, (_, endings, _) in FORMATS.items() for ending in (name, *endings)}

# Text, or raw data: what GIMP reads back of them says nothing of the size
SIZELESS = ("svg", "html", "raw", "aa", "csource", "header", "colorxhtml")

# Formats that keep GIMP's layers when asked for nothing else; all others hold one picture
LAYERED = ("xcf", "psd", "psb", "ora")

# Formats of several pictures, and what their pictures are called. Those of one kind take each other's
FRAMES = {
    "gif": "frames",
    "webp": "frames",
    "png": "frames",
    "tiff": "pages",
    "pdf": "pages",
    "ico": "sizes",
    "cur": "sizes",
    "icns": "sizes",
}

# What a pixel's transparency can be: on or off, or nothing but opaque; any degree of it in all other formats
ON_OFF_ALPHA = ("gif", "xpm")
NO_ALPHA = (
    "jpeg", "ppm", "pgm", "pbm", "pnm", "pfm", "hdr", "pcx", "ps", "eps", "xbm", "html", "sunras", "xwd", "fits",
)  # fmt: skip

# Formats that hold a colour profile, or say in a way of their own what their colours are, without an option for it
OWN_COLORS = ("xcf", "jxl", "exr", "hdr", "psb", "ora", "pdf", "svg", "mng", "jp2")

# Formats of 8 bits a channel at most
EIGHT_BIT = (
    "jpeg", "webp", "gif", "bmp", "tga", "ico", "cur", "icns", "pcx", "qoi", "xpm", "xbm", "html", "ps", "eps", "pdf",
    "dds", "sunras", "xwd", "pat", "mng", "sgi",
)  # fmt: skip


def by_name(name):
    """The format that a name or an ending means ("JPG" -> "jpeg"), or the lower-case name itself."""
    name = name.lower().lstrip(".")
    return _BY_NAME.get(name, name)


def by_path(path):
    """The format that a path's ending means, or None without an ending."""
    ending = os.path.splitext(path)[1]
    return by_name(ending) if len(ending) > 1 else None


def ending(name):
    """The usual ending of a format, without a dot."""
    return FORMATS[name][1][0] if name in FORMATS else name


def media_type(name):
    return FORMATS[name][2] if name in FORMATS else "application/octet-stream"


def export_stem(name):
    """What stands between `file-` and `-export` in the name of GIMP's procedure."""
    return FORMATS[name][0] if name in FORMATS else name


@dataclasses.dataclass
class Sniffed:
    """What a file's first bytes say; None where the header does not tell."""

    format: str
    width: int = None
    height: int = None
    alpha: bool = None
    depth: int = None


def sniff_file(path):
    """The Sniffed of a file, or None for an unknown kind."""
    with open(path, "rb") as file:
        return sniff(file.read(HEAD_BYTES), file)


def sniff(head, file=None):
    """`head` is the beginning of a file; `file` (seekable) is used where the size stands further behind."""
    try:
        for magic, function in _MAGIC:
            if head.startswith(magic):
                return function(head, file)
        if head[4:8] == b"ftyp":
            return _isobmff(head)
    except (struct.error, IndexError, ValueError):
        return None
    return None


def _png(head, _):
    if head[12:16] != b"IHDR":
        return None
    width, height, depth, kind = struct.unpack_from(">IIBB", head, 16)
    return Sniffed("png", width, height, kind in (4, 6) or b"tRNS" in head[33:HEAD_BYTES].partition(b"IDAT")[0], depth)


def _jpeg(head, file):
    """Walks the segments to the frame header; metadata before it can be larger than what was read."""
    start, position = 0, 2  # `head` begins at `start` of the file
    for _ in range(10_000):
        if position - start + 10 > len(head):
            if file is None:
                return Sniffed("jpeg")
            file.seek(position)
            start, head = position, file.read(HEAD_BYTES)
            if len(head) < 10:
                return Sniffed("jpeg")
        at = position - start
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            depth, height, width = struct.unpack_from(">BHH", head, at + 4)
            return Sniffed("jpeg", width, height, False, depth)
        else:
            position += 2 + struct.unpack_from(">H", head, at + 2)[0]
    return None


def _riff(head, _):
    if head[8:12] != b"WEBP":
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return Sniffed("webp", width, height, bool(head[20] & 0x10), 8)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        return Sniffed("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1), 8)
    width, height = struct.unpack_from("<HH", head, 26)
    return Sniffed("webp", width & 0x3FFF, height & 0x3FFF, False, 8)


def _gif(head, _):
    width, height = struct.unpack_from("<HH", head, 6)
    at = head.find(b"\x21\xf9\x04")
    return Sniffed("gif", width, height, bool(at > 0 and head[at + 3] & 1), 8)


def _bmp(head, _):
    size = struct.unpack_from("<I", head, 14)[0]
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
        return Sniffed("bmp", width, height, False, bits)
    width, height, _, bits = struct.unpack_from("<iiHH", head, 18)
    alpha_mask = struct.unpack_from("<I", head, 66)[0] if size >= 56 else 0
    return Sniffed("bmp", width, abs(height), alpha_mask != 0, bits)


def _tiff(head, file):
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    offset = struct.unpack_from(order + "Q", head, 8)[0] if big else struct.unpack_from(order + "I", head, 4)[0]
    if file is not None:
        file.seek(offset)
        directory = file.read(8 + 20 * 200)
    else:
        directory = head[offset:]
    count, size, first = (
        (struct.unpack_from(order + "Q", directory)[0], 20, 8)
        if big
        else (struct.unpack_from(order + "H", directory)[0], 12, 2)
    )
    tags = {}
    for index in range(min(count, 200)):
        at = first + index * size
        tag, kind = struct.unpack_from(order + "HH", directory, at)
        value_at = at + (12 if big else 8)
        number = struct.unpack_from(order + ("H" if kind == 3 else "I"), directory, value_at)[0]
        tags[tag] = number
    return Sniffed("tiff", tags.get(256), tags.get(257), 338 in tags)


def _psd(head, _):
    (version,) = struct.unpack_from(">H", head, 4)
    channels, height, width, depth, mode = struct.unpack_from(">HIIHH", head, 12)
    colors = {0: 1, 1: 1, 2: 1, 3: 3, 4: 4, 8: 1, 9: 3}.get(mode, channels)
    return Sniffed("psb" if version == 2 else "psd", width, height, channels > colors, depth)


def _exr(head, _):
    at = head.find(b"dataWindow\0box2i\0")
    if at < 0:
        return Sniffed("exr")
    x1, y1, x2, y2 = struct.unpack_from("<iiii", head, at + 21)
    channels = head[head.find(b"channels\0chlist\0") + 20 :]
    return Sniffed("exr", x2 - x1 + 1, y2 - y1 + 1, channels.startswith(b"A\0"))


def _xcf(head, _):
    width, height = struct.unpack_from(">II", head, 14)
    return Sniffed("xcf", width, height)


def _qoi(head, _):
    width, height, channels = struct.unpack_from(">IIB", head, 4)
    return Sniffed("qoi", width, height, channels == 4, 8)


def _farbfeld(head, _):
    width, height = struct.unpack_from(">II", head, 8)
    return Sniffed("farbfeld", width, height, True, 16)


def _jp2(head, _):
    at = head.find(b"ihdr")
    if at < 0:
        return Sniffed("jp2")
    height, width, channels = struct.unpack_from(">IIH", head, at + 4)
    return Sniffed("jp2", width, height, channels in (2, 4))


def _pnm(head, _):
    kind = {
        b"P1": "pbm",
        b"P2": "pgm",
        b"P3": "ppm",
        b"P4": "pbm",
        b"P5": "pgm",
        b"P6": "ppm",
        b"PF": "pfm",
        b"Pf": "pfm",
        b"P7": "pam",
    }[head[:2]]
    if kind == "pam":
        fields = dict(
            line.split(None, 1)
            for line in head.partition(b"ENDHDR")[0].splitlines()[1:]
            if b" " in line and not line.startswith(b"#")
        )
        return Sniffed("pam", int(fields[b"WIDTH"]), int(fields[b"HEIGHT"]), b"ALPHA" in fields.get(b"TUPLTYPE", b""))
    words = b"\n".join(line.partition(b"#")[0] for line in head[2:2000].splitlines()).split()
    return Sniffed(kind, int(words[0]), int(words[1]), False)


def _isobmff(head):
    brands = head[8 : max(16, struct.unpack_from(">I", head)[0])]
    if brands.startswith(b"jxl "):
        return Sniffed("jxl")
    kind = "avif" if b"avi" in brands else "heif" if b"hei" in brands or b"hev" in brands or b"mif1" in brands else None
    if kind is None:
        return None
    sizes = []
    at = head.find(b"ispe")
    while at >= 0:
        sizes.append(struct.unpack_from(">II", head, at + 8))
        at = head.find(b"ispe", at + 4)
    width, height = max(sizes) if sizes else (None, None)
    return Sniffed(kind, width, height, b"auxC" in head or None)


def _cur(head, _):
    """An uncompressed TGA begins with the same bytes, and has no pictures to count."""
    return Sniffed("cur") if struct.unpack_from("<H", head, 4)[0] else None


def _plain(name):
    return lambda head, file: Sniffed(name)


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"RIFF", _riff),
    (b"GIF8", _gif),
    (b"BM", _bmp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
    (b"8BPS", _psd),
    (b"\x76\x2f\x31\x01", _exr),
    (b"gimp xcf ", _xcf),
    (b"qoif", _qoi),
    (b"farbfeld", _farbfeld),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _jp2),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _plain("jxl")),
    (b"\xff\x0a", _plain("jxl")),
    (b"\xff\x4f\xff\x51", _plain("j2k")),
    (b"\0\0\x01\0", _plain("ico")),
    (b"\0\0\x02\0", _cur),
    (b"icns", _plain("icns")),
    (b"%PDF", _plain("pdf")),
    (b"%!PS", _plain("ps")),
    (b"DDS ", _plain("dds")),
    (b"#?RADIANCE", _plain("hdr")),
    (b"SIMPLE", _plain("fits")),
    *(
        (kind, _pnm)
        for kind in (b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"PF\n", b"Pf\n", b"P7\n", b"P6 ", b"P5 ")
    ),
    (b"\x8aMNG", _plain("mng")),
    (b"/* XPM */", _plain("xpm")),
    (b"<svg", _plain("svg")),
)
# Kinds whose first bytes look alike
SAME_MAGIC = {"ps": ("eps",), "ppm": ("pnm",), "pgm": ("pnm",), "pbm": ("pnm",)}


def matches(sniffed, name):
    """Whether what was sniffed is the format `name`."""
    return sniffed.format == name or name in SAME_MAGIC.get(sniffed.format, ())


def can_sniff(name):
    """Whether `sniff` knows the format `name`, so that anything else is proof of a fault."""
    return name in _KNOWN


_KNOWN = {
    "png",
    "jpeg",
    "webp",
    "gif",
    "bmp",
    "tiff",
    "psd",
    "psb",
    "exr",
    "xcf",
    "qoi",
    "farbfeld",
    "jp2",
    "jxl",
    "j2k",
    "ico",
    "cur",
    "icns",
    "pdf",
    "ps",
    "eps",
    "dds",
    "fits",
    "pbm",
    "pgm",
    "ppm",
    "pnm",
    "pfm",
    "pam",
    "heif",
    "avif",
}
