"""Mode, precision, profile, resolution, guides, grid, sample points, metadata."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from pictures import error, layers, noise, opened, read, structure

# sRGB's luminance in the D50 white of ICC profiles, which babl counts in
LUMINANCE = np.array([0.2225, 0.7169, 0.0606])


def test_indexed_with_few_colours_is_exact_and_goes_back(client):
    palette = np.array([[255, 0, 0], [0, 128, 0], [10, 20, 200], [250, 250, 250]], np.uint8)
    array = palette[np.random.default_rng(3).integers(0, 4, (205, 310))]
    image, _ = opened(client, array)
    answer = client.call("convert_image_mode", image=image, mode="INDEXED", colors=4)
    assert answer["base_type"] == "INDEXED" == structure(client, image)["basic"]["base_type"] and answer["colors"] == 4
    shown = {
        tuple(int(part) for part in text[5:-3].split(","))
        for text in client.call("get_image_properties", image=image)["palette"]
    }
    assert shown == {tuple(int(part) for part in row) for row in palette}
    assert np.array_equal(read(client, image)[..., :3], array)
    client.call("convert_image_mode", image=image, mode="RGB")
    assert np.array_equal(read(client, image), array)


def test_gray_is_the_luminance(client):
    array = noise(310, 205, 3)
    image, _ = opened(client, array)
    client.call("convert_image_mode", image=image, mode="GRAY")
    got = read(client, image)
    values = array / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ LUMINANCE
    wanted = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert got.shape == (205, 310, 1) and np.abs(got[..., 0] - wanted).max() <= 2
    again = client.call("convert_image_mode", image=image, mode="GRAY")
    assert again["effect"]["changed"] is False and "already" in again["message"]


def test_bad_modes(client):
    image, _ = opened(client, noise(310, 205, 3))
    problem = error(client, "convert_image_mode", image=image, mode="INDEXED", palette="custom", palette_name="Nosuch")
    assert problem.kind == "not_found" and "Nosuch" in problem.message and "others" in problem.hint
    assert "palette_name" in error(client, "convert_image_mode", image=image, mode="INDEXED", palette="custom").hint
    client.call("convert_image_precision", image=image, precision="u16")
    assert "convert_image_precision" in error(client, "convert_image_mode", image=image, mode="INDEXED").hint
    client.call("undo", image=image)
    client.python(
        f"im = Gimp.Image.get_by_id({image}); im.insert_layer(Gimp.GroupLayer.new(im, 'g'), None, 0)", image=image
    )
    assert "merge_layers" in error(client, "convert_image_mode", image=image, mode="INDEXED").hint


@pytest.mark.parametrize("precision", ("u8", "u16", "u32", "half", "float", "double"))
def test_precisions_keep_eight_bits_exactly(client, precision):
    array = noise(310, 205, 3)
    image, _ = opened(client, array)
    if precision == "u8":
        client.call("convert_image_precision", image=image, precision="float")
    answer = client.call("convert_image_precision", image=image, precision=precision)
    assert answer["precision_exact"] == f"{precision.upper()}_NON_LINEAR"
    assert structure(client, image)["basic"]["precision_exact"] == answer["precision_exact"]
    assert np.array_equal(read(client, image), array)
    linear = client.call("convert_image_precision", image=image, precision="float", linear=True)
    assert linear["linear"] is True and np.array_equal(read(client, image), array)
    client.call("convert_image_precision", image=image, precision="u8", linear=False)
    assert np.array_equal(read(client, image), array)


def test_profiles(client, tmp_path):
    array = noise(310, 205, 3)
    image, _ = opened(client, array)
    answer = client.call("set_color_profile", image=image, action="assign", profile="adobe-rgb")
    assert "Adobe RGB" in answer["profile"] and "Assigned" in answer["message"]
    raw = tmp_path / "raw"  # by a file: a script's output has a bound
    client.python(
        f"l = Gimp.Image.get_by_id({image}).get_layers()[0]; r = Gegl.Rectangle.new(0, 0, 310, 205)",
        f"with open({str(raw)!r}, 'wb') as f: f.write(bytes(l.get_buffer().get(r, 1.0, None, Gegl.AbyssPolicy.NONE)))",
    )
    assert raw.read_bytes() == array.tobytes(), "assigning leaves the numbers alone"
    file = tmp_path / "srgb.icc"
    file.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    adobe = client.eval(f"bytes(Gimp.Image.get_by_id({image}).get_color_profile().get_icc_profile()).hex()")
    answer = client.call(
        "set_color_profile", image=image, action="convert", profile=str(file), intent="relative-colorimetric"
    )
    source = ImageCms.ImageCmsProfile(io.BytesIO(bytes.fromhex(adobe)))
    wanted = ImageCms.profileToProfile(
        Image.fromarray(array), source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )  # fmt: skip
    got = read(client, image).astype(int)
    assert np.abs(got - np.asarray(wanted).astype(int)).mean() < 1.5
    removed = client.call("set_color_profile", image=image, action="remove")
    assert "profile" in removed["effect"]["properties_changed"] and structure(client, image)["color_profile"] is None
    assert client.call("set_color_profile", image=image, action="remove")["effect"]["changed"] is False


def test_bad_profiles(client, tmp_path):
    image, _ = opened(client, noise(310, 205, 3))
    assert "srgb-linear" in error(client, "set_color_profile", image=image, action="assign", profile="srbg").hint
    assert "GRAY" in error(client, "set_color_profile", image=image, action="convert", profile="gray").message
    file = tmp_path / "no.icc"
    file.write_text("hello")
    assert (
        "no ICC profile" in error(client, "set_color_profile", image=image, action="assign", profile=str(file)).message
    )
    missing = str(tmp_path / "missing.icc")
    assert error(client, "set_color_profile", image=image, action="assign", profile=missing).kind == "not_found"


def test_resolution(client):
    image, _ = opened(client, noise(310, 205, 3))
    answer = client.call("set_image_resolution", image=image, resolution=100, per="cm", unit="mm")
    assert (answer["resolution_x"], answer["resolution_y"], answer["unit"]) == pytest.approx((254, 254, "millimeters"))
    answer = client.call("set_image_resolution", image=image, resolution_y=72)
    assert (answer["resolution_x"], answer["resolution_y"]) == pytest.approx((254, 72))
    properties = client.call("get_image_properties", image=image)
    assert properties["print_width_mm"] == 31 and properties["resolution_y"] == 72
    assert "nothing to set" in error(client, "set_image_resolution", image=image).message
    assert "one or the other" in error(client, "set_image_resolution", image=image, resolution=72, resolution_x=3).hint


def test_guides(client):
    image, _ = opened(client, noise(310, 205, 3))
    answer = client.call("set_guides", image=image, horizontal=[10, 0.4], vertical=[155])
    ids = {(row["orientation"], row["position"]): row["id"] for row in answer["guides"]}
    assert set(ids) == {("horizontal", 10), ("horizontal", 0), ("vertical", 155)}
    removed = ids["horizontal", 10]
    answer = client.call("set_guides", image=image, vertical=[0.5], units="relative", remove=[removed])
    assert sorted(row["position"] for row in answer["guides"]) == [0, 155, 155]
    assert structure(client, image)["guides"] == answer["guides"]
    answer = client.call("set_guides", image=image, replace=True)
    assert answer["guides"] == [] and "removed 3" in answer["message"]
    assert "0 to 205" in error(client, "set_guides", image=image, horizontal=[206]).hint
    assert error(client, "set_guides", image=image, remove=[77]).kind == "not_found"


def test_grid_and_sample_points(client):
    array = noise(310, 205, 3)
    image, _ = opened(client, array)
    grid = client.call("set_grid", image=image, spacing_x=16, offset_y=2.5, style="dots", color=[40, 80, 160])["grid"]
    assert (grid["spacing_x"], grid["spacing_y"], grid["offset_y"], grid["style"]) == (16, 16, 2.5, "dots")
    assert grid["color"].startswith("rgba(40,80,160")
    assert client.call("get_image_properties", image=image)["grid"] == grid
    client.call("undo", image=image)
    assert client.call("get_image_properties", image=image)["grid"]["spacing_x"] == 10
    assert "nothing to set" in error(client, "set_grid", image=image).message
    answer = client.call("set_sample_points", image=image, points=[[3, 4], [309, 204]])
    for row in answer["sample_points"]:
        wanted = ",".join(str(part) for part in array[row["y"], row["x"]])
        assert row["color"] == f"rgba({wanted},1)"
    first = answer["sample_points"][0]["id"]
    answer = client.call("set_sample_points", image=image, remove=[first])
    assert [(row["x"], row["y"]) for row in answer["sample_points"]] == [(309, 204)]
    assert "310x205" in error(client, "set_sample_points", image=image, points=[[310, 0]]).hint
    assert error(client, "set_sample_points", image=image, remove=[first]).kind == "not_found"


def photo(tmp_path):
    picture = Image.fromarray(noise(310, 205, 3))
    exif = picture.getexif()
    exif[0x013B], exif[0x010E] = "Ada", "A view"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (47.0, 22.0, 10.0)
    path = tmp_path / "photo.jpg"
    picture.save(path, exif=exif, quality=95)
    return path


def test_metadata(client, tmp_path):
    image = client.call("open_file", path=str(photo(tmp_path)))["image"]
    found = client.call("get_file_metadata", image=image)
    assert found["tags"]["Exif.Image.Artist"] == "Ada" and found["tags"]["Exif.GPSInfo.GPSLatitude"] == "47/1 22/1 10/1"
    page = client.call("get_file_metadata", image=image, groups=["gps"], limit=1)
    assert len(page["tags"]) == 1 and page["count"] >= 2 and page["next_offset"] == 1
    answer = client.call(
        "set_file_metadata", image=image, strip=["gps"], remove=["Exif.Image.ImageDescription"], comment="für uns",
        tags={"Exif.Image.Artist": "Grace <& Co>", "Xmp.dc.subject": ["one", "two, three"], "Xmp.dc.title": "Tür"},
    )  # fmt: skip
    assert answer["removed"] == 4 - ("Exif.Image.GPSTag" not in found["tags"])
    tags = client.call("get_file_metadata", image=image)
    assert not any("GPS" in name for name in tags["tags"]) and "Exif.Image.ImageDescription" not in tags["tags"]
    assert tags["tags"]["Xmp.dc.subject"] == ["one", "two, three"] and "Tür" in tags["tags"]["Xmp.dc.title"]
    assert tags["comment"] == "für uns" and tags["tags"]["Exif.Image.Artist"] == "Grace <& Co>"
    # What is written into a file, as someone else reads it
    target = tmp_path / "out.jpg"
    client.call(
        "write_file",
        image=image,
        path=str(target),
        options={"include-exif": True, "include-xmp": True, "include-comment": True},
    )
    with Image.open(target) as written:
        assert written.getexif()[0x013B] == "Grace <& Co>" and not written.getexif().get_ifd(0x8825)
        assert "für uns" in (written.info.get("comment") or b"").decode("utf-8")
    client.call("set_file_metadata", image=image, strip=["all"])
    left = client.call("get_file_metadata", image=image)
    assert left["comment"] is None and all(name.startswith("Exif.") for name in left["tags"])
    client.call("undo", image=image, steps=2)
    assert client.call("get_file_metadata", image=image) == found


def test_bad_metadata(client):
    image, _ = opened(client, noise(310, 205, 3))
    problem = error(client, "set_file_metadata", image=image, tags={"Exif.Image.Nosuch": "1"})
    assert "Exif.Image.Nosuch" in problem.message and "name" in problem.hint
    assert "Exif.Image.Artist" in error(client, "set_file_metadata", image=image, tags={"Artist": "1"}).hint
    assert (
        "set_image_resolution"
        in error(client, "set_file_metadata", image=image, tags={"Exif.Image.XResolution": "1"}).hint
    )
    assert error(client, "set_file_metadata", image=image, remove=["Exif.Image.Artist"]).kind == "not_found"
    assert "nothing to set" in error(client, "set_file_metadata", image=image).message
    assert "no text" in error(client, "set_file_metadata", image=image, tags={"Exif.Image.Artist": {"a": 1}}).message
    problem = error(client, "set_file_metadata", image=image, tags={"Exif.Image.Artist": "x" * 30_000})
    assert problem.kind == "too_large" and "30000" in problem.message
    assert layers(client, image)
