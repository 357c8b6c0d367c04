"""What exports need besides GIMP: animated files, metadata as XML, file names, folders."""

import io
import os

import pytest
from PIL import Image, ImageSequence
from gimp_bridge.core.errors import OperationError
from gimp_bridge.files import metadata_xml
from gimp_bridge.files.file_names import Names, file_name
from gimp_bridge.formats import apng
from gimp_bridge.policy import file_paths


def frames(count, size=(9, 7)):
    return [Image.new("RGBA", size, (number * 40, 20, 30, 255)) for number in range(count)]


def saved(pictures, kind, **options):
    file = io.BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ("GIF", "WEBP", "PNG"))
def test_animations_are_read_as_pillow_wrote_them(kind):
    found = apng.read(saved(frames(3), kind, duration=[100, 250, 40], loop=2))
    assert (found.frames, found.delays, found.loops) == (3, [100, 250, 40], 2)
    still = apng.read(saved(frames(1), kind))
    assert still.frames == 1 and still.loops is None
    assert apng.read(b"BM not one of them") is None


@pytest.mark.parametrize("seen_through", (True, False))
def test_an_animated_webp_says_that_it_is_transparent(tmp_path, seen_through):
    """Also where each frame's own part of the canvas is opaque, which is all that libwebp looks at."""
    pictures = [Image.new("RGBA", (300, 200), (0, 0, 0, 0) if seen_through else (9, 9, 9, 255)) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.paste((255, number * 90, 0, 255), (number * 100, 40, number * 100 + 60, 120))
    path = tmp_path / "film.webp"
    path.write_bytes(saved(pictures, "WEBP", lossless=True, background=(0, 0, 0, 0)))
    apng.tell_alpha(path)
    with Image.open(path) as film:
        assert film.mode == "RGBA" or not seen_through
        for shown, picture in zip(ImageSequence.Iterator(film), pictures, strict=True):
            assert shown.convert("RGBA").tobytes() == picture.tobytes()
    still = tmp_path / "still.webp"
    still.write_bytes(before := saved(frames(1), "WEBP"))
    apng.tell_alpha(still)
    assert still.read_bytes() == before


def test_damaged_gifs_are_refused():
    whole = saved(frames(2), "GIF", duration=100)
    with pytest.raises((ValueError, IndexError)):
        apng.read(whole[:20] + b"\xff" * 30)


def test_pngs_become_one_that_pillow_plays(tmp_path):
    pictures = frames(3)
    path = tmp_path / "film.png"
    with open(path, "wb") as file:
        writer = apng.ApngWriter(file, 3, 5)
        for picture, delay in zip(pictures, (20, 30, 40)):
            writer.add(saved([picture], "PNG"), delay)
        writer.finish()
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info["loop"] == 5
        for number, frame in enumerate(ImageSequence.Iterator(film)):
            assert frame.convert("RGBA").tobytes() == pictures[number].tobytes()
    with open(path, "wb") as file, pytest.raises(ValueError, match="differ"):
        writer = apng.ApngWriter(file, 2, 0)
        writer.add(saved(frames(1), "PNG"), 20)
        writer.add(saved(frames(1, (3, 3)), "PNG"), 20)


def test_metadata_goes_there_and_back():
    tags = {"Exif.Image.Artist": ['A <b> & "c" é'], "Xmp.dc.subject": ["one", "two, three"]}
    assert metadata_xml.parse(metadata_xml.build(tags)) == tags
    assert metadata_xml.parse(None) == {} == metadata_xml.parse("<metadata></metadata>")
    assert metadata_xml.parse('<tag name="Xmp.dc.title">lang=&quot;x&quot; T</tag>') == {"Xmp.dc.title": ['lang="x" T']}
    assert [metadata_xml.group(name) for name in ("Exif.Image.Artist", "Exif.GPSInfo.GPSLatitude", "Xmp.exif.GPSLatitude",
                                                  "Iptc.Application2.City")] == ["exif", "gps", "gps", "iptc"]  # fmt: skip
    assert metadata_xml.NAME.fullmatch("Xmp.xmpMM.History[1]/stEvt:action")
    assert not metadata_xml.NAME.fullmatch('Exif.Image.Artist"><x')


@pytest.mark.parametrize(
    "text, wanted",
    (("a/b\\c:d", "a_b_c_d"), ("..", "_"), ("Größe 3", "Größe 3"), ("con", "_con"), ("x" * 300, "x" * 100), (" .a. ", "a"),
     ("\n\0", "__")),
)  # fmt: skip
def test_file_names_are_safe(text, wanted):
    assert file_name(text) == wanted


def test_patterns():
    names = Names("{index}-{name}", ("index", "name"))
    assert names.next("png", index=1, name="../x") == "1-.._x.png"
    assert names.next("png", index=1, name="..*x") == "1-.._x-2.png"
    assert names.next("png", index=1, name="..?X") == "1-.._X-3.png", "some file systems take both for the same"
    with pytest.raises(OperationError, match="{layer}"):
        Names("{layer}", ("name",))
    with pytest.raises(OperationError, match="folder"):
        Names("a/{name}", ("name",))


class Settings:
    def __init__(self, folders=None, read_only=False):
        self.folders, self.read_only = folders, read_only


def test_folders(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "file").write_text("x")
    held = Settings([str(inside)])
    assert file_paths.check_folder(str(inside), True, held) == os.path.realpath(inside)
    for folder, write, settings, kind in (
        (inside / "link", False, held, "forbidden"),
        (outside, True, held, "forbidden"),
        (inside / "file", False, held, "not_found"),
        (inside / "none", True, held, "not_found"),
        (inside, True, Settings(read_only=True), "forbidden"),
    ):
        with pytest.raises(OperationError) as raised:
            file_paths.check_folder(str(folder), write, settings)
        assert raised.value.kind == kind and str(folder) in raised.value.message
    assert file_paths.check_folder(str(outside), False, Settings(read_only=True)) == os.path.realpath(outside)
