"""Whether a picture file is all there, by the structure of its own format. Never imports Gimp.

GIMP opens half a JPEG, PNG or TIFF as a whole picture with an even rest, and says so only where a person sees it. Each
check walks what its format says of lengths and ends, independent of GIMP's readers. It decodes no pixels: what is
garbled but as long as it should be is found only where the format has checksums. Bytes after a picture's end are no
damage (phones append films), nor is an end mark missing after a picture that is all there.
"""

import mmap
import os
import struct

from gimp_bridge.formats import intact_chunks, intact_rows, intact_xcf, table as formats

_CHECKS = {
    "jpeg": intact_chunks.jpeg,
    "png": intact_chunks.png,
    "gif": intact_chunks.gif,
    "webp": intact_chunks.webp,
    "jp2": intact_chunks.jp2,
    "j2k": intact_chunks.codestream,
    "heif": intact_chunks.boxes,
    "avif": intact_chunks.boxes,
    "jxl": intact_chunks.boxes,
    "icns": intact_chunks.icns,
    "qoi": intact_chunks.qoi,
    "tiff": intact_rows.tiff,
    "bmp": intact_rows.bmp,
    "psd": intact_rows.psd,
    "psb": intact_rows.psd,
    "ico": intact_rows.ico,
    "cur": intact_rows.ico,
    "pnm": intact_rows.pnm,
    "pbm": intact_rows.pnm,
    "pgm": intact_rows.pnm,
    "ppm": intact_rows.pnm,
    "pfm": intact_rows.pnm,
    "pam": intact_rows.pnm,
    "tga": intact_rows.tga,
    "pcx": intact_rows.pcx,
    "farbfeld": intact_rows.farbfeld,
    "sunras": intact_rows.sunras,
    "sgi": intact_rows.sgi,
    "dds": intact_rows.dds,
    "exr": intact_rows.exr,
    "xcf": intact_xcf.xcf,
}


def missing(path):
    """What the file lacks ("it ends inside its picture data"), or None where nothing is known to be missing."""
    if os.path.getsize(path) == 0:
        return "it is empty"
    kind = formats.sniff_file(path)
    name = kind.format if kind is not None else formats.by_path(path)
    check = _CHECKS.get(name)
    if check is None:
        return None
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return check(data)
        except (struct.error, IndexError):
            return "it ends inside its header"
        except ValueError:  # not what its first bytes promise: GIMP has the say
            return None
