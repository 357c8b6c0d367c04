"""What a saved file holds of the image, read by Pillow: transparency, frames, profiles, metadata; and what is said of the rest."""

import io
import os
import zlib

import numpy as np
import pytest
from client import CallError
from PIL import Image, ImageCms, PngImagePlugin
from pictures import error, noise, png

WIDTH, HEIGHT = 300, 200
Y, X = np.mgrid[:HEIGHT, :WIDTH]
COLORS = np.stack([X * 255 // WIDTH, Y * 255 // HEIGHT, (X + Y) % 256], 2).astype(np.uint8)
RAMP = np.clip(X - 30, 0, 255).astype(np.uint8)
SECRET = (250, 10, 120)
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:my="http://example.com/my/" exif:GPSLatitude="51,30.2N" photoshop:City="Londinium" xmp:Rating="4" '
    'my:Place="Londinium"><dc:subject><rdf:Bag><rdf:li>harbour</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF>'
    "</x:xmpmeta>"
).encode()
MAKE, DESCRIPTION, DATE, ARTIST, COPYRIGHT, GPS = 0x010F, 0x010E, 0x0132, 0x013B, 0x8298, 0x8825
TAGS = {MAKE: "ACME", DATE: "2020:02:03 04:05:07", DESCRIPTION: "A boat", ARTIST: "Ann", COPYRIGHT: "(c) Ann"}


def indexed(alpha, colors=64):
    """A palette picture whose entries have these alphas."""
    return Image.fromarray(np.dstack([COLORS, alpha])).quantize(colors, method=Image.Quantize.FASTOCTREE)


def save(client, path, **more):
    return client.call("write_file", path=str(path), **more)


def written(client, name, **more):
    """(Pillow's picture of what a format is given, the answer)."""
    reply = client.stream("write_file", format=name, **more)
    picture = Image.open(io.BytesIO(bytes(reply.data)))
    picture.load()
    return picture, reply.result


def alpha(picture):
    return np.asarray(picture.convert("RGBA"))[..., 3]


def test_soft_transparency_of_indexed_pictures_stays_or_is_said_to_be_lost(client, tmp_path):
    soft = indexed(RAMP)
    soft.save(tmp_path / "soft.png")
    wanted = alpha(soft)
    assert len(np.unique(wanted)) > 20
    client.call("open_file", path=str(tmp_path / "soft.png"))
    for name in ("png", "webp", "tiff", "bmp", "tga"):
        picture, answer = written(client, name)
        assert np.array_equal(alpha(picture), wanted) and answer["alpha_lost"] is False, name
    opened = reopened(client, tmp_path / "a.psd")
    assert np.array_equal(opened[..., 3], wanted)
    for name, word in (("gif", "on or off"), ("jpeg", "no transparency"), ("ppm", "no transparency")):
        picture, answer = written(client, name)
        assert answer["alpha_lost"] is True and word in answer["message"], name
        assert set(np.unique(alpha(picture))) == ({0, 255} if name == "gif" else {255})
    hard = indexed(((RAMP > 120) * 255).astype(np.uint8), 16)
    hard.save(tmp_path / "hard.png")
    client.call("open_file", path=str(tmp_path / "hard.png"))
    for name in ("png", "gif", "webp", "tiff"):
        picture, answer = written(client, name)
        assert np.array_equal(alpha(picture), alpha(hard)) and answer["alpha_lost"] is False, name
        assert name not in ("png", "gif") or picture.mode == "P", "on or off fits a palette"


def reopened(client, path):
    """What GIMP reads of the file that the current image is saved to, as RGBA."""
    save(client, path)
    image = client.call("open_file", path=str(path))["image"]
    data = bytes(client.stream("write_file", image=image, format="png").data)
    client.call("close_image", image=image)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_colours_that_a_palette_does_not_hold_are_said(client):
    client.call("open_file", upload=png(noise(WIDTH, HEIGHT, 3)), suffix="png")
    assert "reduced to 256" in written(client, "gif")[1]["message"]
    flat = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    flat[50:90, 20:200] = SECRET
    client.call("open_file", upload=png(flat), suffix="png")
    picture, answer = written(client, "gif")
    assert ";" not in answer["message"] and np.array_equal(np.asarray(picture.convert("RGB")), flat)


def test_an_opaque_picture_with_an_alpha_channel_loses_nothing(client):
    client.call("open_file", upload=png(np.dstack([COLORS, np.full_like(RAMP, 255)])), suffix="png")
    for name in ("jpeg", "gif", "ppm", "png"):
        _, answer = written(client, name)
        assert answer["alpha_lost"] is False and "transparen" not in answer["message"], name


@pytest.mark.parametrize("kind", ("RGB", "GRAY", "INDEXED", "U16_NON_LINEAR"))
def test_erased_pixels_stay_behind(client, tmp_path, kind):
    picture = np.dstack([COLORS, np.full_like(RAMP, 255)])
    picture[60:140, 100:250, :3] = SECRET
    client.call("open_file", upload=png(picture), suffix="png")
    client.python("im = Gimp.get_images()[0]")
    if kind == "GRAY":
        client.python("im.convert_grayscale()")
    elif kind != "RGB" and kind != "INDEXED":
        client.python(f"im.convert_precision(Gimp.Precision.{kind})")
    client.python(
        "l = im.get_layers()[0]; l.set_offsets(-20, -10)",  # a moved layer, cut by the canvas
        "im.select_rectangle(Gimp.ChannelOps.REPLACE, 78, 48, 156, 86); l.edit_clear(); Gimp.Selection.none(im)",
    )
    if kind == "INDEXED":
        client.python(
            "im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, '')"
        )
    for name, options in (
        ("tiff", {}), ("bmp", {}), ("tga", {}), ("png", {}), ("webp", {"lossless": True}), ("ico", {}), ("qoi", {}),
    ):  # fmt: skip
        saved, _ = written(client, name, options=options)
        if saved.mode.startswith("I;16"):
            continue
        pixels = np.asarray(saved.convert("RGBA")).astype(int)
        clear = pixels[..., 3] == 0
        assert clear[60:120, 90:220].all(), name
        secret = (128,) * 3 if kind == "GRAY" else SECRET
        # Not one of them: WebP's encoder puts neighbours' colours there, and greys may be alike
        alike = np.abs(pixels[clear][:, :3] - secret).sum(axis=1) < 40
        assert alike.mean() < (0.5 if kind == "GRAY" else 0.001), f"{name} carries what was erased"
    # A layered export keeps the layer, but not what was erased of it; GIMP's own document keeps all
    counts = {}
    for ending in ("psd", "ora", "xcf"):
        save(client, tmp_path / f"a.{ending}")
        again = client.call("open_file", path=str(tmp_path / f"a.{ending}"))["image"]
        counts[ending] = client.eval(
            "(lambda l: list(l.get_buffer().get(Gegl.Rectangle.new(150, 90, 1, 1), 1.0, \"R'G'B'A u8\", "
            f"Gegl.AbyssPolicy.NONE)))(Gimp.Image.get_by_id({again}).get_layers()[-1])"
        )
        client.call("close_image", image=again)
    assert counts["psd"] == [0, 0, 0, 0] and counts["ora"] == [0, 0, 0, 0], counts
    assert counts["xcf"][3] == 0 and (kind == "INDEXED" or max(counts["xcf"][:3]) > 90), counts


def test_indexed_layers_and_effects_of_groups_reach_psd(client, tmp_path):
    client.call("open_file", upload=png(np.dstack([COLORS, RAMP])), suffix="png")
    client.python(
        "im = Gimp.get_images()[0]; l = im.get_layers()[0].copy(); im.insert_layer(l, None, 0); l.set_offsets(100, 60)",
        "im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 32, False, False, '')",
    )
    answer = save(client, tmp_path / "a.psd")
    assert "saved as RGB" in answer["message"]
    again = client.call("open_file", path=str(tmp_path / "a.psd"))
    assert again["num_layers"] == 2
    client.python(
        "im = Gimp.get_images()[0]",
        "[i.delete() for i in Gimp.get_images() if i.get_id() != im.get_id()]",
        "im.convert_rgb(); g = Gimp.GroupLayer.new(im, 'pair'); im.insert_layer(g, None, 0)",
        "im.reorder_item(im.get_layers()[1], g, 0)",
        "f = Gimp.DrawableFilter.new(g, 'gegl:invert-gamma', 'inverted'); g.append_filter(f)",
    )
    wanted = np.asarray(written(client, "png")[0].convert("RGBA")).astype(int)
    answer = save(client, tmp_path / "b.psd")
    assert "`pair` became one layer" in answer["message"]
    got = reopened(client, tmp_path / "b.psd").astype(int)
    seen = (wanted[..., 3] > 0) & (got[..., 3] > 0)
    assert np.abs(got - wanted)[seen].max() <= 2 and np.array_equal(got[..., 3] > 0, wanted[..., 3] > 0)


def frames_of(path):
    picture = Image.open(path)
    found = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        found.append(np.asarray(picture.convert("RGBA")).astype(int))
    return found


def film(count=4):
    """Frames that share most of their pixels, so that files hold parts of them."""
    made = []
    for number in range(count):
        frame = np.full((HEIGHT, WIDTH, 3), (40, 90, 160), np.uint8)
        frame[20:80, 20 + number * 50 : 70 + number * 50] = (240, 200 - number * 40, 30)
        made.append(Image.fromarray(frame))
    return made


@pytest.mark.parametrize("kind", ("gif", "webp", "tif"))
def test_frames_and_pages_stay_when_saved_to_their_own_kind(client, tmp_path, kind):
    source, pictures = tmp_path / f"in.{kind}", film()
    timing = {"duration": [100, 70, 250, 40], "loop": 3} if kind != "tif" else {}
    lossless = {"lossless": True} if kind == "webp" else {}
    pictures[0].save(source, save_all=True, append_images=pictures[1:], **timing, **lossless)
    client.call("open_file", path=str(source))
    client.python("im = Gimp.get_images()[0]; im.flip(Gimp.OrientationType.HORIZONTAL)")
    others = {"gif": ("gif", "webp"), "webp": ("webp", "gif"), "tif": ("tif", "pdf")}[kind]
    for ending in others:
        answer = save(client, tmp_path / f"out.{ending}", options=lossless if ending == "webp" else {})
        assert answer["pages" if kind == "tif" else "frames"] == 4
        if ending == "pdf":
            assert client.call("open_file", path=str(tmp_path / "out.pdf"))["num_layers"] == 4
            client.call("close_image")
            continue
        got = frames_of(tmp_path / f"out.{ending}")
        assert len(got) == 4
        for shown, wanted in zip(got, pictures):
            assert np.abs(shown[..., :3] - np.asarray(wanted)[:, ::-1]).max() <= 1
        if kind != "tif":
            with Image.open(tmp_path / f"out.{ending}") as again:
                assert again.info["loop"] == 3
    answer = save(client, tmp_path / "one.png")
    assert "became one picture" in answer["message"] and "export_" in answer["message"]
    client.call("create_layer", name="not of the file")
    answer = save(client, tmp_path / f"late.{kind}")
    assert "no longer" in answer["message"] and len(frames_of(tmp_path / f"late.{kind}")) == 1


def test_hidden_frames_go_and_opacity_counts(client, tmp_path):
    pictures = film()
    pictures[0].save(tmp_path / "in.tif", save_all=True, append_images=pictures[1:])
    opened = client.call("open_file", path=str(tmp_path / "in.tif"))
    client.call("set_layer_properties", layer=opened["layers"][0], visible=False)
    client.call("set_layer_properties", layer=opened["layers"][1], opacity=50)
    answer = save(client, tmp_path / "out.tif")
    assert answer["pages"] == 3 and "3 of the file's 4 pages" in answer["message"]
    got = frames_of(tmp_path / "out.tif")
    assert [frame[..., 3].min() for frame in got] == [255, 255, 128 if got[2][..., 3].min() == 128 else 127]


def test_a_folder_keeps_frames_and_says_what_it_loses(client, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir(), target.mkdir()
    pictures = film(3)
    pictures[0].save(source / "a.gif", save_all=True, append_images=pictures[1:], duration=90)
    indexed(RAMP).save(source / "b.png")
    answer = client.call("export_batch", folder=str(source), to_folder=str(target), timeout=120)
    assert answer["done"] == 2 and len(frames_of(target / "a.gif")) == 3
    answer = client.call("export_batch", folder=str(source), to_folder=str(target), format="jpeg", timeout=120)
    assert "a.gif: the 3 frames became one picture" in answer["message"]
    assert "b.png: transparent parts lie on white" in answer["message"] and "note" in answer["files"][0]


def test_profiles_fit_the_pixels_that_they_are_saved_with(client, tmp_path):
    client.python("icc = {n: bytes(b & 255 for b in p.get_icc_profile()).hex() for n, p in (('a98', Gimp.ColorProfile.new_rgb_adobe()), ('gray', Gimp.ColorProfile.new_d65_gray_linear()))}")
    profiles = {name: bytes.fromhex(client.eval(f"icc[{name!r}]")) for name in ("a98", "gray")}
    Image.fromarray(COLORS).save(tmp_path / "a98.png", icc_profile=profiles["a98"])
    Image.fromarray(COLORS).quantize(40).save(tmp_path / "palette.png", icc_profile=profiles["a98"])
    Image.fromarray(COLORS[..., 0]).save(tmp_path / "gray.png", icc_profile=profiles["gray"])
    for source in ("a98", "palette", "gray"):
        wanted = in_srgb(Image.open(tmp_path / f"{source}.png"))
        client.call("open_file", path=str(tmp_path / f"{source}.png"))
        for name, options in (("png", {}), ("tiff", {}), ("webp", {"lossless": True}), ("gif", {}), ("bmp", {}), ("ppm", {}), ("jpeg", {})):
            picture, answer = written(client, name, options=options)
            if picture.mode.startswith("I;16"):
                continue
            off = np.abs(in_srgb(picture) - wanted)
            limit = 40 if name == "gif" and source == "a98" else 3
            assert off.mean() < limit and (picture.info.get("icc_profile") is not None or "sRGB" in answer["message"]), (source, name, off.mean())
        client.call("close_image", discard_changes=True)


def in_srgb(picture):
    """A picture's pixels as sRGB, by the profile that it carries."""
    profile = picture.info.get("icc_profile")
    if profile:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        assert space.profile.xcolor_space.strip() == ("GRAY" if picture.mode == "L" else "RGB"), picture.mode
        picture = picture.convert("RGB") if picture.mode == "P" else picture
        picture = ImageCms.profileToProfile(picture, space, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """{format: path} of one photo with EXIF, GPS, XMP, resolution, texts and a thumbnail's worth of comment."""
    folder, exif = tmp_path_factory.mktemp("tagged"), Image.Exif()
    exif.update(TAGS)
    exif.get_ifd(0x8769)[0x9003] = "2020:02:03 04:05:06"
    exif.get_ifd(GPS).update({1: "N", 2: (51.0, 30.0, 12.5), 3: "W", 4: (0.0, 7.0, 39.0)})
    picture, data = Image.fromarray(COLORS), exif.tobytes()
    texts = PngImagePlugin.PngInfo()
    for key, value in {"Title": "Boat", "Author": "Ben", "Custom": "x" * 300, "Comment": "rough sea", "Note": "Grüße ☃"}.items():
        texts.add_text(key, value) if value.isascii() else texts.add_itxt(key, value)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    picture.save(folder / "a.jpg", exif=data, xmp=XMP, dpi=(300, 300), comment=b"rough sea", quality=95)
    picture.save(folder / "a.png", exif=data, dpi=(300, 300), pnginfo=texts)
    picture.save(folder / "a.webp", exif=data, xmp=XMP, lossless=True)
    picture.save(folder / "a.tif", exif=exif, dpi=(300, 300), compression="tiff_lzw")
    return {path.suffix[1:]: path for path in folder.iterdir()}


def metadata_of(path):
    with Image.open(path) as picture:
        picture.load()
        xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
        exif = picture.getexif()
        return picture, exif, xmp.encode() if isinstance(xmp, str) else xmp


@pytest.mark.parametrize("source", ("jpg", "png", "webp", "tif"))
def test_metadata_survives_from_each_format_to_each(client, tmp_path, tagged, source):
    client.call("open_file", path=str(tagged[source]))
    before = metadata_of(tagged[source])[1]
    for ending in ("jpg", "png", "webp", "tif"):
        answer = save(client, tmp_path / f"keep.{ending}")
        picture, exif, xmp = metadata_of(tmp_path / f"keep.{ending}")
        assert {tag: exif.get(tag) for tag in TAGS} == TAGS, (ending, dict(exif))
        assert {tag: exif.get_ifd(GPS).get(tag) for tag in before.get_ifd(GPS)} == dict(before.get_ifd(GPS)), ending
        assert exif.get_ifd(0x8769).get(0x9003) == before.get_ifd(0x8769).get(0x9003), ending
        if source != "tif":
            assert b"harbour" in xmp and b"51,30.2N" in xmp and b"Londinium" in xmp, ending
        if source not in ("webp",):
            dpi = picture.info.get("dpi") or (exif.get(0x011A), exif.get(0x011B))
            assert abs(float(dpi[0]) - (300 if exif.get(0x0128, 2) == 2 or "dpi" in picture.info else 118.11)) < 0.5, ending
        # A comment that JPEG and PNG have a place for
        if source in ("jpg", "png"):
            if ending in ("jpg", "png"):
                comment = picture.info.get("comment") or picture.info.get("Comment")
                assert comment in (b"rough sea", "rough sea"), ending
            else:
                assert "comment" in answer["message"] or "rough sea" in str(exif.get_ifd(0x8769).get(0x9286)), ending
        if source == "png":
            if ending == "png":
                assert (picture.text["Title"], picture.text["Note"]) == ("Boat", "Grüße ☃") and len(picture.text["Custom"]) == 300
            else:
                assert "`Custom`" in answer["message"] and "`Note`" in answer["message"]
        if source not in ("jpg", "png"):
            continue
        save(client, tmp_path / f"none.{ending}", metadata="none")
        picture, exif, xmp = metadata_of(tmp_path / f"none.{ending}")
        assert not (set(TAGS) - {DATE}) & set(exif) and not exif.get_ifd(GPS) and b"harbour" not in xmp
        data = (tmp_path / f"none.{ending}").read_bytes()
        assert b"Ann" not in data and b"rough sea" not in data and b"Boat" not in data
        save(client, tmp_path / f"away.{ending}", metadata="no-location")
        picture, exif, xmp = metadata_of(tmp_path / f"away.{ending}")
        assert exif.get(ARTIST) == "Ann" and not exif.get_ifd(GPS)
        data = (tmp_path / f"away.{ending}").read_bytes()
        assert b"Londinium" not in data and b"51,30" not in data and b"GPSL" not in data
        assert b"harbour" in xmp
    answer = save(client, tmp_path / "a.bmp")
    assert "EXIF" in answer["message"] and "left out" in answer["message"]


def test_every_export_keeps_metadata_by_default_but_what_it_says(client, tmp_path, tagged):
    image = client.call("open_file", path=str(tagged["jpg"]))["image"]
    folder = tmp_path / "out"
    folder.mkdir()
    client.call("export_layers", image=image, folder=str(folder), pattern="layer", format="jpeg")
    client.call("export_sprite_sheet", image=image, path=str(folder / "sheet.png"))
    client.call("export_animation", image=image, path=str(folder / "film.webp"))
    client.call("export_batch", folder=str(tagged["jpg"].parent), to_folder=str(folder), pattern="a.jpg", name="batch")
    for name in ("layer.jpg", "sheet.png", "film.webp", "batch.jpg"):
        _, exif, _ = metadata_of(folder / name)
        assert exif.get(ARTIST) == "Ann" and exif.get_ifd(GPS), name
    client.call("export_for_web", image=image, path=str(folder / "web.jpg"))
    _, exif, xmp = metadata_of(folder / "web.jpg")
    assert exif.get(ARTIST) == "Ann" and not exif.get_ifd(GPS) and b"Londinium" not in (folder / "web.jpg").read_bytes()
    client.call("export_for_web", image=image, path=str(folder / "bare.png"), metadata="none")
    client.call("export_icons", image=image, folder=str(folder), sizes=[32])
    for name in ("bare.png", "icon-32.png"):
        assert b"Ann" not in (folder / name).read_bytes(), name
    client.call("set_file_metadata", image=image, tags={"Exif.Image.Artist": "Eve"}, strip=["gps"])
    save(client, folder / "set.jpg")
    _, exif, _ = metadata_of(folder / "set.jpg")
    assert exif.get(ARTIST) == "Eve" and exif.get(MAKE) == "ACME" and not exif.get_ifd(GPS)
    opened = client.call("open_file", path=str(tagged["png"]))["image"]
    assert client.call("get_file_metadata", image=opened)["texts"]["Title"] == "Boat"
    client.call("set_file_metadata", image=opened, strip=["all"])
    assert client.call("get_file_metadata", image=opened)["texts"] == {}


def test_a_new_image_gets_no_metadata_of_its_own(client, tmp_path):
    client.call("create_new_image", width=WIDTH, height=HEIGHT)
    for ending in ("jpg", "png", "webp", "tif"):
        save(client, tmp_path / f"a.{ending}")
        _, exif, xmp = metadata_of(tmp_path / f"a.{ending}")
        assert 0x0131 not in exif and not xmp, ending


def test_an_indexed_png_with_linear_gamma_is_saved(client, tmp_path):
    palette = Image.fromarray(COLORS).quantize(16)
    data = io.BytesIO()
    palette.save(data, "png")
    png_bytes = data.getvalue()
    at = png_bytes.index(b"PLTE") - 4
    body = b"gAMA" + (100_000).to_bytes(4, "big")
    chunk = (4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    (tmp_path / "linear.png").write_bytes(png_bytes[:at] + chunk + png_bytes[at:])
    client.call("open_file", path=str(tmp_path / "linear.png"))
    for name in ("png", "tiff", "gif", "webp"):
        picture, answer = written(client, name)
        assert picture.size == (WIDTH, HEIGHT)
        if name == "png":
            assert "saved as RGB" in answer["message"]
            assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - np.asarray(palette.convert("RGB"))).max() <= 3


def test_a_refusal_names_the_picture_and_a_way_out(client, tmp_path):
    client.call("open_file", upload=png(noise(WIDTH, HEIGHT, 3)), suffix="png")
    problem = error(client, "write_file", path=str(tmp_path / "a.icns"))
    assert "300x200" in problem.message and "png" in problem.hint and "space and rights" not in problem.hint
    assert os.listdir(tmp_path) == []
    with pytest.raises(CallError) as raised:
        client.call("write_file", path=str(tmp_path / "a.png"), metadata="some")
    assert raised.value.kind == "invalid_argument"


def test_a_profile_for_soft_proofing_is_not_embedded(client, tmp_path):
    """It says what the picture will look like in print; the pixels are still those of the image's own profile."""
    image = client.call("open_file", upload=png(COLORS), suffix="png")["image"]
    lines = [
        "from gi.repository import Gio",
        "file = Gio.File.new_for_path('/usr/share/color/icc/ghostscript/default_cmyk.icc')",
        f"print(Gimp.Image.get_by_id({image}).set_simulation_profile(Gimp.ColorProfile.new_from_file(file)))",
    ]
    proofed = client.call("call_api", api_path="exec", args=["pyGObject-console", lines])
    assert proofed["output"].strip() == "True"
    for ending in ("png", "tif", "jpg", "webp"):
        save(client, tmp_path / f"proof.{ending}")
        picture = Image.open(tmp_path / f"proof.{ending}")
        profile = picture.info.get("icc_profile")
        assert picture.mode == "RGB" and (not profile or profile[16:20] == b"RGB "), ending
        assert np.abs(np.asarray(picture).astype(int) - COLORS).mean() < 12, ending


def test_an_animated_png_that_is_saved_as_a_png_says_what_became_of_its_frames(client, tmp_path):
    frames = [Image.fromarray(np.roll(COLORS, 40 * number, axis=1)) for number in range(3)]
    data = io.BytesIO()
    frames[0].save(data, "png", save_all=True, append_images=frames[1:], duration=100, loop=2)
    client.call("open_file", upload=data.getvalue(), suffix="png")
    answer = save(client, tmp_path / "again.png")
    # GIMP 3.0 reads the first frame, 3.2 each as a layer
    said = ("the file has 3 frames, of which GIMP opened the first alone", "the 3 frames became one picture: export_animation")
    assert any(sentence in answer["message"] for sentence in said), answer["message"]
