"""Whole files are whole, whatever follows them; cut ones are not, wherever they are cut."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from gimp_bridge.formats import intact, psd_layers

Y, X = np.mgrid[:200, :300]
PICTURE = Image.fromarray(np.stack([X * 255 // 300, Y * 255 // 200, (X * Y) % 256], 2).astype(np.uint8))

# Ending -> what Pillow is told
KINDS = {
    "jpg": {"format": "JPEG"},
    "progressive.jpg": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF"},
    "animated.gif": {"format": "GIF", "save_all": True, "append_images": [PICTURE.rotate(90)] * 3},
    "webp": {"format": "WEBP"},
    "lossless.webp": {"format": "WEBP", "lossless": True},
    "bmp": {"format": "BMP"},
    "tif": {"format": "TIFF"},
    "lzw.tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "pages.tif": {"format": "TIFF", "save_all": True, "append_images": [PICTURE.rotate(90)] * 2},
    "ppm": {"format": "PPM"},
    "tga": {"format": "TGA"},
    "rle.tga": {"format": "TGA", "compression": "tga_rle"},
    "pcx": {"format": "PCX"},
    "sgi": {"format": "SGI"},
    "jp2": {"format": "JPEG2000"},
    "j2k": {"format": "JPEG2000", "no_jp2": True},
    "tiles.jp2": {"format": "JPEG2000", "tile_size": (64, 64)},
    "ico": {"format": "ICO", "sizes": [(128, 128)]},
    "icns": {"format": "ICNS"},
    "dds": {"format": "DDS"},
    "avif": {"format": "AVIF"},
}


def written(options):
    out = io.BytesIO()
    picture = PICTURE.resize((128, 128)) if options["format"] in ("ICO", "ICNS") else PICTURE
    picture.save(out, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", KINDS)
def test_cuts_are_found_wherever_they_are_and_whole_files_are_whole(tmp_path, name):
    data, path = written(KINDS[name]), tmp_path / f"picture.{name}"
    # The palette of a PCX and the footer of a TGA follow the pixels
    behind = {"tga": 26, "rle.tga": 26}.get(name, 0)
    path.write_bytes(data)
    assert intact.missing(path) is None
    for length in (*(len(data) * tenths // 10 for tenths in range(2, 10)), len(data) - behind - 64):
        path.write_bytes(data[:length])
        assert intact.missing(path), f"{name} cut to {length} of {len(data)} bytes"
    if name not in ("tga", "rle.tga", "pcx", "ppm"):
        path.write_bytes(data + bytes(500))
        assert intact.missing(path) is None, "what follows is no damage"


def test_what_is_no_picture_is_left_to_gimp(tmp_path):
    for name, data in (("a.txt", b"words"), ("a.svg", b"<svg/>"), ("b.jpg", b"\xff\xd8\xff"), ("c.tga", b"abc"), ("d.xcf", b"gimp xcf ")):
        path = tmp_path / name
        path.write_bytes(data)
        assert intact.missing(path) in (None, "it ends inside its header", "it ends before its picture data")
    path.write_bytes(b"")
    assert intact.missing(path) == "it is empty"


def test_an_uncompressed_tga_is_no_cursor():
    from gimp_bridge.formats import table as formats

    assert formats.sniff(bytes([0, 0, 2]) + bytes(30)) is None
    assert formats.sniff(struct.pack("<HHH", 0, 2, 1) + bytes(30)).format == "cur"


def test_a_psd_that_lies_about_its_lengths_is_no_crash():
    for size in (26, 34, 60, 200):
        with pytest.raises((struct.error, IndexError, ValueError)):
            psd_layers.read((b"8BPS\0\1" + bytes(20) + b"\x7f\xff\xff\xff" * 50)[:size])
