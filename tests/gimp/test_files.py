"""open_file and write_file: true bytes of each format, options that count, nothing lost, nothing touched that should not be."""

import io
import os
import stat

import numpy as np
import pytest
from client import CallError
from harness import Gimp
from PIL import Image
from truth import SETUP, decode_png, over_white, pixels, rgba

SIZE = 310, 205
PICTURE = "im = new(310, 205); add(im, 'a', 310, 205, seed=3); add(im, 'b', 140, 120, 70, 50, seed=4, opacity=50.0)"
# Format -> (first bytes, how Pillow calls it, whether the alpha channel is kept)
FORMATS = {
    "png": (b"\x89PNG", "PNG", True),
    "jpeg": (b"\xff\xd8\xff", "JPEG", False),
    "webp": (b"RIFF", "WEBP", True),
    "tiff": (b"II*\0", "TIFF", True),
    "gif": (b"GIF8", "GIF", True),
    "bmp": (b"BM", "BMP", True),
    "psd": (b"8BPS", "PSD", None),
    "exr": (b"\x76\x2f\x31\x01", None, True),
    "tga": (b"", "TGA", True),
    "ppm": (b"P6", "PPM", False),
    "ico": (b"\0\0\1\0", "ICO", True),
    "pdf": (b"%PDF", None, None),
    "ora": (b"PK", None, None),
    "jxl": (b"", None, None),
    "qoi": (b"qoif", None, True),
    "xcf": (b"gimp xcf", None, None),
    "pgm": (b"P5", "PPM", False),
    "dds": (b"DDS ", "DDS", None),
    "hdr": (b"#?RADIANCE", None, None),
}
LOSSLESS = ("png", "tiff", "bmp", "tga", "ppm")


@pytest.fixture
def picture(client):
    client.python(SETUP, PICTURE, "b = im.get_layers()[0]")
    return client.eval("im.get_id()")


def error(client, operation, **arguments):
    with pytest.raises(CallError) as raised:
        client.stream(operation, **arguments)
    return raised.value


@pytest.mark.parametrize("name", FORMATS)
def test_true_bytes_of_each_format(client, picture, tmp_path, name):
    magic, pillow, keeps_alpha = FORMATS[name]
    path, size = tmp_path / f"out.{name}", SIZE
    if name == "ico":
        size = 250, 200  # small: an icon has 256 pixels at most
        client.call("crop_image", x=30, y=5, width=250, height=200)
    result = client.call("write_file", path=str(path))
    data = path.read_bytes()
    assert data.startswith(magic) and result["format"] == name and result["bytes"] == len(data)
    assert (result["width"], result["height"], result["path"]) == (*size, str(path))
    assert result["mime_type"].count("/") == 1
    assert sorted(os.listdir(tmp_path)) == [path.name]
    if keeps_alpha is not None:
        assert result["alpha_lost"] is (not keeps_alpha or name == "gif")  # which has no degrees of it
    assert result["flattened"] is (name not in ("psd", "ora", "xcf")) and result["saved_document"] is (name == "xcf")
    if pillow:
        image = Image.open(path)
        image.load()
        assert image.format == pillow and image.size == size
        if keeps_alpha is not None:
            assert ("A" in image.getbands() or "transparency" in image.info) is keeps_alpha
    if name in LOSSLESS:
        wanted = pixels(client.stream("read_pixels", image=picture))
        read = np.asarray(image.convert("RGBA" if keeps_alpha else "RGB"))
        if keeps_alpha:
            seen = wanted[..., 3] > 0
            assert np.array_equal(read[..., 3], wanted[..., 3]) and np.array_equal(read[seen], wanted[seen])
        else:
            assert np.abs(read / 255 - over_white(wanted)).max() <= 1.01 / 255
    elif name == "jpeg":
        assert (
            np.abs(np.asarray(image) / 255 - over_white(pixels(client.stream("read_pixels", image=picture)))).mean()
            < 0.03
        )


@pytest.mark.parametrize("kind", ("GRAY", "INDEXED", "U16_NON_LINEAR", "FLOAT_LINEAR"))
@pytest.mark.parametrize("name", ("png", "jpeg", "webp", "tiff", "gif", "bmp", "exr", "psd", "ppm"))
def test_other_modes_and_precisions_are_converted_sensibly(client, kind, name):
    gray, precision = kind == "GRAY", kind if "_" in kind else "U8_NON_LINEAR"
    client.python(
        SETUP,
        f"im = new(310, 205, gray={gray}, precision={precision!r})",
        f"add(im, 'a', 310, 205, gray={gray}, alpha=False); add(im, 'b', 140, 120, 70, 50, seed=2, gray={gray}, alpha=False)",
    )
    if kind == "INDEXED":
        client.python(
            "im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, '')"
        )
    reply = client.stream("write_file", format=name)
    assert reply.result["format"] == name and (reply.result["width"], reply.result["height"]) == SIZE
    assert reply.result["alpha_lost"] is False
    if name in ("exr", "psd", "gif") or (name == "tiff" and precision == "FLOAT_LINEAR"):
        return
    image = Image.open(io.BytesIO(bytes(reply.data)))
    if name == "png":
        read = decode_png(bytes(reply.data))
        assert read.dtype == (np.uint16 if "_" in kind else np.uint8)
        assert read.shape[2] in (1, 3)
        read = rgba(read)[..., :3]
    elif image.mode.startswith("I;16"):
        return
    else:
        read = np.asarray(image.convert("RGB")) / 255
    wanted = rgba(pixels(client.stream("read_pixels")))[..., :3]
    limit = {"jpeg": 0.2, "webp": 0.2}.get(name, 0.006)
    assert np.abs(read - wanted).mean() < limit


def test_quality_is_really_used(client, picture):
    # small: the codecs take seconds on noise, some thirty times in a row, and only sizes are compared
    client.call("crop_image", x=60, y=40, width=64, height=48)
    formats = [
        name
        for name in ("jpeg", "webp", "jxl", "avif", "heif", "jp2")
        if name in client.call("get_gimp_info")["capabilities"]["writable_formats"]
    ]
    assert {"jpeg", "webp"} <= set(formats)
    for name in formats:
        sizes = [len(client.stream("write_file", format=name, quality=quality).data) for quality in (5, 60, 95)]
        assert sizes[0] < sizes[1] < sizes[2], name
        assert len(client.stream("write_file", format=name).data) == len(
            client.stream("write_file", format=name, quality=90).data
        )
    tables = {}
    for quality in (30, 90):
        image = Image.open(io.BytesIO(bytes(client.stream("write_file", format="jpeg", quality=quality).data)))
        tables[quality] = sum(sum(table) for table in image.quantization.values())
    assert tables[30] > 3 * tables[90]
    reply = client.stream("write_file", format="png", quality=50)
    assert "quality" in reply.result["note"] and "quality" not in reply.result["options_used"]


def test_options_of_the_format_are_used_and_checked(client, picture):
    even = client.call("create_new_image", width=310, height=205)["image"]
    sizes = [
        len(client.stream("write_file", image=even, format="png", options={"compression": level}).data)
        for level in (0, 9)
    ]
    assert sizes[0] > 310 * 205 * 4 > 4 * sizes[1]
    client.call("select_image", image=picture)
    data = bytes(client.stream("write_file", format="png", options={"interlaced": True}).data)
    assert data[28] == 1  # IHDR's interlace method
    reply = client.stream("write_file", format="webp", options={"lossless": True})
    read = np.asarray(Image.open(io.BytesIO(bytes(reply.data))).convert("RGBA"))
    wanted = pixels(client.stream("read_pixels"))
    assert np.array_equal(read[wanted[..., 3] > 0], wanted[wanted[..., 3] > 0])
    assert reply.result["options_used"]["lossless"] is True
    problem = error(client, "write_file", format="png", options={"compresion": 3})
    assert problem.kind == "invalid_argument" and "`compresion`" in problem.message and "`compression`" in problem.hint
    problem = error(client, "write_file", format="png", options={"compression": 10})
    assert problem.kind == "invalid_argument" and "0 to 9" in problem.message
    problem = error(client, "write_file", format="tiff", options={"compression": "zip"})
    assert problem.kind == "invalid_argument" and "lzw" in problem.message
    for options in ({"compression": True}, {"interlaced": 1}, {"compression": 1.5}):
        assert error(client, "write_file", format="png", options=options).kind == "invalid_argument"
    assert error(client, "write_file", format="jpeg", quality=50, options={"quality": 0.3}).kind == "invalid_argument"
    assert error(client, "write_file", format="xcf", options={"x": 1}).kind == "invalid_argument"


def test_the_format_wins_over_the_ending(client, picture, tmp_path):
    path = tmp_path / "photo.png"
    result = client.call("write_file", path=str(path), format="JPG", quality=70)
    assert result["format"] == "jpeg" and path.read_bytes()[:3] == b"\xff\xd8\xff"
    assert Image.open(path).format == "JPEG"
    result = client.call("write_file", path=str(path), format="xcf")
    assert result["saved_document"] is False and "copy" in result["note"] and path.read_bytes()[:8] == b"gimp xcf"
    assert client.eval("im.get_xcf_file() is None")


def test_exporting_leaves_the_image_alone(client, picture, tmp_path):
    document = tmp_path / "work.xcf"
    saved = client.call("write_file", path=str(document))
    assert saved["saved_document"] is True and client.call("list_images")["images"][0]["is_dirty"] is False
    assert client.call("get_image_metadata")["file"]["path"] == str(document)
    client.python("im.select_ellipse(Gimp.ChannelOps.REPLACE, 50, 40, 200, 130)", "im.get_layers()[0].set_opacity(40)")
    client.python("before = state(im)")
    for name in ("png", "jpeg", "psd", "gif", "xcf"):
        client.stream("write_file", format=name)
        client.call("write_file", path=str(tmp_path / f"export.{'bin' if name == 'xcf' else name}"), format=name)
        listed = client.call("list_images")["images"]
        assert len(listed) == 1 and listed[0]["is_dirty"] is True and listed[0]["path"] == str(document)
    assert client.eval("before == state(im)")
    client.call("write_file", path=str(document))
    assert client.call("list_images")["images"][0]["is_dirty"] is False
    again = client.call("open_file", path=str(document))
    assert again["num_layers"] == 2 and again["path"] == str(document) and again["is_dirty"] is False
    assert client.call("close_image")["unsaved_changes_lost"] is False


def test_a_failed_export_loses_nothing(client, tmp_path):
    client.python(SETUP, "im = new(300, 200); add(im, 'a', 300, 200)")
    path = tmp_path / "kept.icns"
    path.write_bytes(b"precious")
    problem = error(client, "write_file", path=str(path))  # GIMP writes icns in a few sizes only
    assert problem.kind == "io_error" and "size" in problem.message
    assert path.read_bytes() == b"precious" and os.listdir(tmp_path) == ["kept.icns"]


def test_replacing_keeps_the_rights_and_can_be_refused(client, picture, tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    problem = error(client, "write_file", path=str(path), overwrite=False)
    assert problem.kind == "io_error" and "overwrite" in problem.message and path.read_bytes() == b"old"
    client.call("write_file", path=str(path))
    assert path.read_bytes()[:4] == b"\x89PNG" and stat.S_IMODE(path.stat().st_mode) == 0o640
    client.call("write_file", path=str(tmp_path / "fresh.png"), overwrite=False)
    link = tmp_path / "link.png"
    link.symlink_to(path)
    client.call("write_file", path=str(link), format="jpeg")
    assert link.is_symlink() and path.read_bytes()[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    "path, kind",
    (
        ("relative.png", "invalid_argument"),
        ("/no/such/folder/x.png", "not_found"),
        ("/tmp", "invalid_argument"),
        ("/tmp/no-ending", "invalid_argument"),
        ("/dev/null", "invalid_argument"),
        ("/tmp/x.zzz", "unsupported"),
        ("/tmp/x\0.png", "invalid_argument"),
    ),
)
def test_paths_that_cannot_be_written(client, picture, path, kind):
    problem = error(client, "write_file", path=path)
    assert problem.kind == kind and problem.hint or "NUL" in problem.message
    if kind == "unsupported":
        assert "png" in problem.details["formats"]


def test_an_image_without_layers(client, tmp_path):
    client.python(SETUP, "im = new(310, 205)")
    assert error(client, "write_file", path=str(tmp_path / "x.png")).kind == "no_image"
    assert client.call("write_file", path=str(tmp_path / "x.xcf"))["saved_document"] is True


def test_the_profile_travels(client, tmp_path):
    client.python(
        SETUP,
        "im = new(310, 205); add(im, 'a', 310, 205, alpha=False)",
        "im.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())",
    )
    for name in ("png", "jpeg", "tiff", "webp"):
        image = Image.open(io.BytesIO(bytes(client.stream("write_file", format=name).data)))
        assert image.info.get("icc_profile"), name


# --- opening ---


@pytest.mark.parametrize("name", ("png", "jpeg", "webp", "tiff", "gif", "bmp", "tga", "psd", "xcf", "ora"))
def test_open_from_path_and_from_bytes(client, picture, tmp_path, name):
    path = tmp_path / f"in.{name}"
    client.call("write_file", path=str(path), format=name)
    client.call("close_image", discard_changes=True)
    opened = client.call("open_file", path=str(path))
    assert (opened["width"], opened["height"], opened["path"], opened["is_dirty"]) == (*SIZE, str(path), False)
    assert opened["name"] == path.name and opened["num_layers"] == len(opened["layers"])
    assert client.call("list_images")["selected"] == opened["image"]
    wanted = pixels(client.stream("read_pixels"))
    from_bytes = client.call("open_file", upload=path.read_bytes(), suffix=name)
    assert from_bytes["path"] is None and from_bytes["is_dirty"] is False and from_bytes["image"] != opened["image"]
    assert np.array_equal(pixels(client.stream("read_pixels")), wanted)
    assert (
        client.eval(
            "[f is None for f in (lambda i: (i.get_file(), i.get_imported_file(), i.get_xcf_file()))(Gimp.Image.get_by_id(%d))]"
            % from_bytes["image"]
        )
        == [True] * 3
    )


def test_magic_bytes_say_more_than_the_suffix(client, picture):
    data = bytes(client.stream("write_file", format="png").data)
    opened = client.call("open_file", upload=data, suffix="jpg", name="my picture")
    assert (opened["width"], opened["name"]) == (310, "my picture")
    assert client.call("get_image_metadata")["structure"]["layers"][0]["name"] == "my picture"


def test_open_as_layer(client, picture, tmp_path):
    path = tmp_path / "in.png"
    client.call("write_file", path=str(path))
    target = client.call("create_new_image", width=330, height=220)["image"]
    result = client.call("open_file", path=str(path), image=target, name="added", **{"as": "layer"})
    assert result["image"] == target and len(result["layers"]) == 1 and result["num_layers"] == 2
    top = client.call("get_image_metadata", image=target)["structure"]["layers"][0]
    assert (top["id"], top["name"], top["width"]) == (result["layers"][0], "added", 310)
    assert result["effect"]["changed"] is True
    client.call("undo", image=target)
    assert len(client.call("get_image_metadata", image=target)["structure"]["layers"]) == 1


@pytest.mark.parametrize(
    "content",
    (
        b"",
        b"not an image at all",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"\xff\xd8\xff\xe0broken",
        b"gimp xcf v011\0" + b"\0" * 8,
    ),
)
def test_damaged_files_are_refused_with_a_reason(client, tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    problem = error(client, "open_file", path=str(path))
    assert problem.kind == "io_error" and "bad.png" in problem.message and problem.hint
    with pytest.raises(CallError) as raised:
        client.call("open_file", upload=content, suffix="png")
    assert raised.value.kind in ("io_error", "invalid_argument", "protocol_error")
    assert client.call("list_images")["images"] == []


def test_files_that_are_not_there(client):
    assert error(client, "open_file", path="/no/such.png").kind == "not_found"
    assert error(client, "open_file", path="/tmp").kind == "invalid_argument"
    assert error(client, "open_file", path="relative.png").kind == "invalid_argument"
    assert error(client, "open_file").kind == "invalid_argument"


def test_policies_guard_files(gimp_version, tmp_path):
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    allowed.mkdir()
    outside.mkdir()
    Image.new("RGB", (8, 6), "red").save(outside / "secret.png")
    Image.new("RGB", (8, 6), "red").save(allowed / "fine.png")
    (allowed / "link.png").symlink_to(outside / "secret.png")
    (allowed / "folder").symlink_to(outside)
    with Gimp(gimp_version, settings={"folders": [str(allowed)]}) as own, own.client() as client:
        assert client.call("open_file", path=str(allowed / "fine.png"))["width"] == 8
        for path in (
            outside / "secret.png",
            allowed / "link.png",
            allowed / "folder" / "secret.png",
            allowed / ".." / "outside" / "secret.png",
        ):
            problem = error(client, "open_file", path=str(path))
            assert problem.kind == "forbidden" and problem.details["folders"] == [str(allowed)]
        for path in (outside / "x.png", allowed / "link.png", allowed / "folder" / "x.png"):
            assert error(client, "write_file", path=str(path)).kind == "forbidden"
        assert sorted(os.listdir(outside)) == ["secret.png"] and Image.open(outside / "secret.png").size == (8, 6)
        client.call("write_file", path=str(allowed / "new.png"))
    with Gimp(gimp_version, settings={"read_only": True}) as own, own.client() as client:
        assert error(client, "open_file", path=str(allowed / "fine.png")).kind == "forbidden"
        assert error(client, "write_file", path=str(allowed / "no.png")).kind == "forbidden"
        assert not (allowed / "no.png").exists()
