"""Opening: photos lie upright, half a file is said to be half, each format's loader works, PSDs say what is not drawn."""

import io
import struct

import numpy as np
import pytest
from client import CallError
from PIL import Image, ImageOps
from pictures import error
from truth import pixels

WIDTH, HEIGHT = 300, 200
_Y, _X = np.mgrid[:HEIGHT, :WIDTH]
STORED = Image.fromarray(np.stack([_X * 255 // WIDTH, _Y * 255 // HEIGHT, (_X < 100) * 200], 2).astype(np.uint8))


def encoded(kind, picture=STORED, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def sideways(kind, value):
    """A picture that is stored turned, with the EXIF orientation that makes it upright."""
    tag = Image.Exif()
    tag[274] = value
    if kind == "TIFF":
        return encoded(kind, tiffinfo={274: value})
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    return encoded(kind, exif=tag.tobytes(), **options)


def upright(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")).astype(int)


def shown(client, **arguments):
    return pixels(client.stream("read_pixels", **arguments))[..., :3].astype(int)


def tags(client, image):
    return client.call("get_file_metadata", image=image, search="Orientation")["tags"]


def close_all(client):
    client.python("for i in Gimp.get_images(): i.delete()")


@pytest.mark.parametrize("kind", ("JPEG", "PNG", "WEBP", "TIFF"))
def test_a_photo_lies_upright_in_every_way_in(client, tmp_path, kind):
    for value in (5, 6, 8) if kind == "JPEG" else (3, 6):
        data = sideways(kind, value)
        wanted = upright(data)
        path = tmp_path / f"photo-{value}.{kind.lower()}"
        path.write_bytes(data)
        for given in ({"path": str(path)}, {"upload": data, "suffix": kind.lower()}):
            opened = client.call("open_file", **given)
            assert (opened["height"], opened["width"]) == wanted.shape[:2] and opened["orientation_applied"] == value
            assert f"orientation {value}" in opened["message"] and opened["is_dirty"] is False
            assert set(tags(client, opened["image"]).values()) == {"1"}
            assert np.abs(shown(client) - wanted).mean() < 2
    target = client.call("create_new_image", width=400, height=350)["image"]
    layer = client.call("open_file", path=str(path), image=target, **{"as": "layer"})
    assert layer["orientation_applied"] == value and layer["image"] == target
    assert np.abs(shown(client, image=target, layer=layer["layers"][0]) - wanted).mean() < 2
    close_all(client)


def test_a_photo_may_stay_as_it_is_stored_and_turning_it_resets_the_tag(client):
    data = sideways("JPEG", 6)
    for turn in (("rotate_image", {"angle": 90}), ("flip_image", {"direction": "vertical"})):
        opened = client.call("open_file", upload=data, suffix="jpg", orientation="keep")
        assert (opened["width"], opened["height"]) == (WIDTH, HEIGHT) and opened["orientation_applied"] is None
        assert "orientation is 6" in opened["message"] and tags(client, opened["image"]) == {"Exif.Image.Orientation": "6"}
        client.call(turn[0], image=opened["image"], **turn[1])
        assert tags(client, opened["image"]) == {"Exif.Image.Orientation": "1"}
        client.call("undo", image=opened["image"])
        assert tags(client, opened["image"]) == {"Exif.Image.Orientation": "6"}
    close_all(client)


def test_an_orientation_in_xmp_or_behind_a_prefix_counts(client):
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="8"/></rdf:RDF>'
        "</x:xmpmeta>"
    )
    opened = client.call("open_file", upload=encoded("JPEG", xmp=xmp.encode(), quality=95), suffix="jpg")
    assert (opened["width"], opened["orientation_applied"]) == (HEIGHT, 8)
    assert tags(client, opened["image"]) == {"Xmp.tiff.Orientation": "1"}
    data = sideways("WEBP", 6)
    at = data.index(b"EXIF")
    body = b"Exif\0\0" + data[at + 8 : at + 8 + struct.unpack_from("<I", data, at + 4)[0]].removeprefix(b"Exif\0\0")
    data = data[:at] + b"EXIF" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert client.call("open_file", upload=data, suffix="webp")["orientation_applied"] == 6
    close_all(client)


def test_a_folder_is_exported_upright_and_half_files_are_named(client, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir(), target.mkdir()
    (source / "side.jpg").write_bytes(sideways("JPEG", 8))
    (source / "half.jpg").write_bytes(encoded("JPEG")[:-2000])
    answer = client.call("export_batch", folder=str(source), to_folder=str(target))
    half, side = answer["files"]
    assert side["orientation_applied"] == 8 and side["complete"] is True and (side["width"], side["height"]) == (HEIGHT, WIDTH)
    with Image.open(target / "side.jpg") as written:
        assert np.abs(np.asarray(ImageOps.exif_transpose(written)).astype(int) - upright(sideways("JPEG", 8))).mean() < 6
    assert half["complete"] is False and "cut short" in half["note"] and "`half.jpg`" in answer["message"]


CUT = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "PPM", "TGA", "PCX", "WEBP", "ICO", "JPEG2000", "AVIF")


def test_half_a_file_is_never_simply_opened_and_a_whole_one_is(client, tmp_path):
    seen = {}
    for kind in CUT:
        data = encoded(kind, STORED.resize((256, 192)) if kind == "ICO" else STORED)
        suffix = "jp2" if kind == "JPEG2000" else kind.lower()
        path = tmp_path / f"picture.{suffix}"
        for length in (len(data), len(data) * 2 // 3, len(data) - 100):
            path.write_bytes(data[:length])
            try:
                opened = client.call("open_file", path=str(path))
                whole = opened["complete"]
                assert ("cut short" in opened["message"]) is not whole, kind
                client.call("close_image", image=opened["image"], discard_changes=True)
            except CallError as problem:
                assert "cut short" in problem.message, problem.message
                whole = False
            seen[kind, length == len(data)] = whole
            assert whole is (length == len(data)), (kind, length, len(data))
    assert client.call("list_images")["images"] == []


def test_what_follows_a_picture_is_no_damage(client):
    for kind, extra in (("JPEG", b"\0\0\0\x18ftypmp42" + bytes(5000)), ("PNG", b"more"), ("GIF", bytes(9)), ("BMP", bytes(30))):
        opened = client.call("open_file", upload=encoded(kind) + extra, suffix=kind.lower())
        assert opened["complete"] is True and "cut short" not in opened["message"], kind
    jpeg = encoded("JPEG", quality=95)
    assert client.call("open_file", upload=jpeg[:-2], suffix="jpg")["complete"] is True, "only the end mark is missing"
    half = client.call("open_file", upload=jpeg[: len(jpeg) // 2], suffix="jpg")
    lost = int(half["message"].split("lowest ")[1].split(" ")[0])
    assert half["complete"] is False and 60 < lost < 140, half["message"]
    png = encoded("PNG")
    broken = bytearray(png)
    broken[len(png) // 2] ^= 0x55
    try:
        assert "checksum" in client.call("open_file", upload=bytes(broken), suffix="png")["message"]
    except CallError as problem:
        assert "checksum" in problem.message
    close_all(client)


def test_a_file_without_a_picture_is_an_error_and_leaves_nothing_open(client):
    # An icon whose only picture lacks its mask: GIMP makes an image without a layer of it
    header = struct.pack("<IiiHHIIiiII", 40, 64, 128, 1, 32, 0, 0, 0, 0, 0, 0)
    body = header + bytes(64 * 64)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(body), 22) + body
    problem = error(client, "open_file", upload=icon, suffix="ico")
    assert problem.kind == "io_error" and problem.hint
    assert client.call("list_images")["images"] == [] and client.eval("len(Gimp.get_images())") == 0


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><rect width="160" height="240" fill="#f00"/></svg>'


def test_formats_whose_loader_has_options_open_with_its_defaults(client, tmp_path):
    files = {
        "svg": SVG, "eps": encoded("EPS"), "pcx": encoded("PCX"),
        "j2k": encoded("JPEG2000", no_jp2=True), "grey.j2k": encoded("JPEG2000", STORED.convert("L"), no_jp2=True),
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / f"picture.{name}"
        path.write_bytes(data)
        for given in ({"path": str(path)}, {"upload": data, "suffix": name.rpartition(".")[2]}):
            opened = client.call("open_file", **given)
            assert opened["complete"] is True and opened["width"] >= 300, name
            if name in ("pcx", "j2k"):
                assert np.abs(shown(client) - np.asarray(STORED).astype(int)).mean() < 1, name
            if name == "svg":
                assert shown(client)[10, 10].tolist() == [255, 0, 0]
            if name == "grey.j2k":
                assert opened["base_type"] == "GRAY"
        layer = client.call("open_file", path=str(path), image=opened["image"], **{"as": "layer"})
        assert len(layer["layers"]) == 1
    close_all(client)


def psd(pixels, composite, extra=b"", name=b"mood", real=True):
    """A PSD of one layer with `pixels` and one empty one above it with `extra` information."""
    height, width = pixels.shape[:2]
    planes = [np.ascontiguousarray(pixels[..., band]).tobytes() for band in range(3)]

    def record(size, title, more):
        channels = b"".join(struct.pack(">hI", band, 2 + (width * height if size[1] else 0)) for band in range(3))
        padded = bytes([len(title)]) + title
        padded += bytes(-len(padded) % 4)
        info = bytes(8) + padded + more
        return (
            struct.pack(">4iH", 0, 0, size[1], size[0], 3) + channels
            + struct.pack(">4s4sBBBBI", b"8BIM", b"norm", 255, 0, 0, 0, len(info)) + info
        )  # fmt: skip

    layers = struct.pack(">h", 2) + record((width, height), b"photo", b"") + record((0, 0), name, extra)
    layers += b"".join(b"\0\0" + plane for plane in planes) + b"\0\0" * 3
    layers += bytes(len(layers) % 2)
    section = struct.pack(">I", len(layers)) + layers + struct.pack(">I", 0)
    version = struct.pack(">IB", 1, real) + struct.pack(">I", 0) * 2 + struct.pack(">I", 1)
    resource = struct.pack(">4sHHI", b"8BIM", 1057, 0, len(version)) + version + bytes(len(version) % 2)
    flat = b"".join(np.ascontiguousarray(composite[..., band]).tobytes() for band in range(3))
    return (
        struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3) + struct.pack(">I", 0)
        + struct.pack(">I", len(resource)) + resource + struct.pack(">I", len(section)) + section + b"\0\0" + flat
    )  # fmt: skip


def test_a_psd_says_how_far_it_is_from_the_picture_in_the_file(client):
    stored = np.asarray(STORED)
    invert = b"8BIMnvrt" + struct.pack(">I", 0)
    opened = client.call("open_file", upload=psd(stored, 255 - stored, invert), suffix="psd")
    off = np.abs(255 - 2 * stored.astype(int)).max(2).mean()
    assert "adjustment layer `mood` (invert)" in opened["message"] and opened["complete"] is True
    said = float(opened["message"].split("by ")[1].split(" of 255")[0])
    assert abs(said - off) < 3, (said, off)
    # Nothing is said where nothing differs, and what may differ where the file has no flattened picture
    assert "differs" not in client.call("open_file", upload=psd(stored, stored, invert), suffix="psd")["message"]
    blank = client.call("open_file", upload=psd(stored, stored * 0 + 255, invert, real=False), suffix="psd")
    assert "no flattened picture" in blank["message"] and "invert" in blank["message"]
    cut = client.call("open_file", upload=psd(stored, stored)[:-5000], suffix="psd")
    assert cut["complete"] is False and "flattened picture" in cut["message"]
    assert client.eval("len(Gimp.get_images())") == 4
    close_all(client)


def test_a_page_that_gimp_would_draw_for_hours_is_refused_before_it_begins(client):
    page = encoded("EPS").replace(b"%%BoundingBox: 0 0 300 200", b"%%BoundingBox: 360 360 21024 14136", 1)
    problem = error(client, "open_file", upload=page, suffix="eps")
    assert problem.kind == "too_large" and "86100x57400" in problem.message and "width" in problem.hint
    assert client.call("open_file", upload=encoded("EPS"), suffix="eps")["width"] > 300
