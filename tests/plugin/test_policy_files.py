"""What of the policies is about files: which are opened and written, by what is in them."""

import base64
import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile

import pytest
from gimp_bridge.core import settings
from gimp_bridge.core.errors import OperationError
from gimp_bridge.policy import file_paths, rules, text_arguments

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def world(tmp_path):
    """(settings that allow one folder, that folder, a secret picture outside of it)."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir(), outside.mkdir()
    (outside / "secret.png").write_bytes(PNG)
    (inside / "picture.png").write_bytes(PNG)
    found = settings.Settings(exec=False, folders=[str(inside)], private=(str(tmp_path / "state"),))
    return found, inside, outside / "secret.png"


def text(value):
    """As XCF stores it: the length with the NUL, then the bytes."""
    data = value.encode("utf-8", "surrogateescape") + b"\0"
    return struct.pack(">I", len(data)) + data


def xcf(*parts):
    return b"gimp xcf v025\0" + struct.pack(">III", 300, 200, 0) + b"\0" * 40 + b"".join(parts) + b"\0" * 40


def link(path, size=7):
    """A link layer's property; GIMP 3.2.6 writes a length that is too small, so no reader may go by it."""
    return struct.pack(">III", 48, size, 0) + text(path) + struct.pack(">II", 300, 200)


def effect(operation, *arguments):
    return text("name") + text("gimp-image") + text(operation) + text("0:0") + b"".join(arguments)


def argument(name, value):
    return struct.pack(">II", 45, 99) + text(name) + struct.pack(">I", 5) + text(value)


def svg(body, head=""):
    return (
        f'{head}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:xi="http://www.w3.org/2001/XInclude" width="9" height="9">{body}</svg>'
    )


def refused(world, name, data, **more):
    found, inside, _ = world
    (inside / name).write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(OperationError) as raised:
        file_paths.check_path(str(inside / name), False, found, **more)
    assert raised.value.kind == "forbidden", raised.value.message
    return raised.value.message


def opened(world, name, data):
    found, inside, _ = world
    (inside / name).write_bytes(data.encode() if isinstance(data, str) else data)
    assert file_paths.check_path(str(inside / name), False, found) == str(inside / name)


def test_a_link_layer_to_a_file_outside_is_refused_however_it_is_wrapped(world):
    secret = str(world[2])
    for path in (secret, f"file://{secret}", "../outside/secret.png", "../outside/missing.png", "/etc/passwd"):
        assert "refers to" in refused(world, "a.xcf", xcf(link(path)))
    refused(world, "a.xcf", xcf(link(f"{secret}\n\udcff")))
    for size in (0, 4, 4096, 2**32 - 1):
        refused(world, "a.xcf", xcf(link(secret, size)))
    layered = xcf(link(secret))
    for name in ("a.png", "a.jpg", "a", "a.XCF"):
        refused(world, name, layered)
    for name, data in (
        ("a.xcf.gz", gzip.compress(layered)),
        ("a.png.gz", gzip.compress(layered)),
        ("a.xcfbz2", bz2.compress(layered)),
        ("a.xcf.xz", lzma.compress(layered)),
        ("a.xcf.gz.bz2", bz2.compress(gzip.compress(layered))),
        ("a.xcf.gz", gzip.compress(b"") + gzip.compress(layered)),
    ):
        refused(world, name, data)
    assert "deep" in refused(world, "a.gz", deep(layered, 9))
    opened(world, "b.xcf", xcf(link("picture.png"), link(str(world[1] / "picture.png")), link("not-there.png")))
    opened(world, "b.xcf.gz", gzip.compress(xcf(link(str(world[1] / "picture.png")))))
    # From a packed file GIMP counts relative paths from its temporary folder
    refused(world, "b.xcf.gz", gzip.compress(xcf(link("picture.png"))))


def deep(data, times):
    for _ in range(times):
        data = gzip.compress(data)
    return data


def test_a_link_to_a_file_that_links_outside_is_refused(world):
    (world[1] / "first.xcf").write_bytes(xcf(link(str(world[2]))))
    refused(world, "second.xcf", xcf(link("first.xcf")))
    (world[1] / "loop.xcf").write_bytes(xcf(link("loop.xcf")))
    assert "deep" in refused(world, "loop2.xcf", xcf(link("loop.xcf")))


def test_effects_that_read_files_or_that_nobody_knows_are_refused(world):
    for name in ("gegl:load", "gegl:gegl", "gegl:magick-load", "gegl:save", "stranger:thing"):
        assert name in refused(world, "a.xcf", xcf(effect(name)))
    refused(world, "a.xcf", xcf(effect("gegl:styles", argument("image-src", str(world[2])))))
    refused(world, "a.xcf", xcf(b"\0\0\0\0" + text("icon") + text("gegl:load")))
    opened(world, "b.xcf", xcf(effect("gegl:gaussian-blur"), effect("gegl:styles", argument("image-src", "picture.png"))))
    # A layer may be called so
    opened(world, "c.xcf", xcf(struct.pack(">III", 300, 200, 0) + text("gegl:load")))


@pytest.mark.parametrize(
    "body",
    [
        '<image href="SECRET"/>',
        '<image xlink:href="file://SECRET"/>',
        '<image href="../outside/secret.png"/>',
        '<image href="&#x2e;&#46;/outside/secret.png"/>',
        '<image href="%2e%2e/outside/secret.png"/>',
        '<image href="http://example.org/a.png"/>',
        '<image href="//example.org/a.png"/>',
        '<image href="data:image/svg+xml;base64,PHN2Zy8+"/>',
        '<use href="SECRET#a"/>',
        '<filter><feImage xlink:href="SECRET"/></filter>',
        '<rect fill="url(SECRET#a)"/>',
        "<rect style=\"fill: url( 'SECRET#a' )\"/>",
        "<rect style='fill: u\\72l(SECRET)'/>",
        "<style>@import 'x.css';</style>",
        "<style><![CDATA[ @im/**/port url(SECRET) ]]></style>",
        "<style>rect { fill: url/* */(SECRET) } circle { fill: url(SECRET) }</style>",
        '<xi:include href="SECRET" parse="text"/>',
        '<g xml:base="/etc/"><image href="a.png"/></g>',
    ],
)
def test_an_svg_that_refers_to_something_outside_is_refused(world, body):
    body = body.replace("SECRET", str(world[2]))
    refused(world, "a.svg", svg(body))
    refused(world, "a.png", svg(body, "<?xml version='1.0'?>"))
    refused(world, "a.svg", svg(body, "\ufeff<!-- a -->\n"))
    refused(world, "a.svg", svg(body, "<?xml version='1.0' encoding='utf-16'?>").encode("utf-16"))
    refused(world, "a.svg.gz", gzip.compress(svg(body).encode()))
    refused(world, "a.svg", gzip.compress(svg(body).encode()))


def test_an_svg_with_declarations_is_refused_and_a_plain_one_is_not(world):
    entity = '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for head in (entity, '<?xml-stylesheet href="/etc/passwd"?>', "<?xml version='1.0' encoding='utf-7'?>"):
        refused(world, "a.svg", svg("<text>a</text>", head))
    refused(world, "a.svg", svg("<rect>"))
    public = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    plain = (
        '<a href="http://example.org"><rect id="r" fill="url(#g)"/></a><use href="#r"/><image href="picture.png"/>'
        '<image href="data:image/png;base64,AAAA"/><style>rect { fill: red }</style>'
    )
    opened(world, "b.svg", svg(plain, public))


def test_links_programs_and_archives_are_refused(world):
    shortcut = f"[Desktop Entry]\nType=Link\nURL=file://{world[2]}\n"
    for name, data in (
        ("a.desktop", shortcut),
        ("a.png", "# comment\n" + shortcut),
        ("a.desktop.gz", gzip.compress(shortcut.encode())),
        ("a.gz", gzip.compress(shortcut.encode())),
        ("a.desktop", PNG),
        ("a.ps", "%!PS-Adobe-3.0\n"),
        ("a.png", "%!PS-Adobe-3.0\n"),
        ("a.eps", b"\xc5\xd0\xd3\xc6"),
        ("a.eps", PNG),
        ("a.nef", b"II*\0"),
        ("a.scm", "(display 1)"),
        ("a.zip", archive({"a.png": PNG})),
        ("a.png", archive({"a.png": PNG})),
        ("a.fits(b.fits)", b"SIMPLE"),
        ("a[1].fits", b"SIMPLE"),
        ("a.gz", b"\x1f\x8b broken"),
    ):
        refused(world, name, data)


def archive(members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        zipped.writestr("mimetype", "image/openraster")
        zipped.writestr("stack.xml", "<image/>")
        for name, data in members.items():
            zipped.writestr(name, data)
    return made.getvalue()


def test_a_layer_inside_openraster_is_looked_at_too(world):
    opened(world, "a.ora", archive({"data/1.png": PNG, "mergedimage.png": PNG}))
    refused(world, "a.ora", archive({"data/1.png": xcf(link(str(world[2])))}))
    refused(world, "a.ora", archive({"data/1.png": svg('<image href="/etc/passwd"/>')}))
    refused(world, "a.ora", archive({"data/1.desktop": PNG}))
    refused(world, "a.ora", b"no archive")


def test_uploaded_bytes_may_refer_to_allowed_files_only_and_to_none_by_a_relative_path(world, tmp_path):
    found, inside, secret = world
    given = tmp_path / "upload"
    for data, name in (
        (xcf(link(str(secret))), "x.xcf"),
        (xcf(link("picture.png")), "x.xcf"),
        (svg('<image href="a.png"/>').encode(), "x.svg"),
        (b"[Desktop Entry]\nURL=file:///etc/passwd", "x.desktop"),
        (gzip.compress(xcf(link(str(secret)))), "x.gz"),
    ):
        given.write_bytes(data)
        with pytest.raises(OperationError) as raised:
            file_paths.check_bytes(str(given), name, found)
        assert raised.value.kind == "forbidden"
    given.write_bytes(xcf(link(str(inside / "picture.png"))))
    file_paths.check_bytes(str(given), "x.xcf", found)
    with pytest.raises(OperationError):  # a caller without the right to name files
        file_paths.check_bytes(str(given), "x.xcf", settings.Settings(folders=[]))
    given.write_bytes(xcf(link(str(secret))))
    file_paths.check_bytes(str(given), "x.xcf", settings.Settings())  # no policy


def test_without_a_policy_nothing_is_looked_at(world):
    free = settings.Settings()
    (world[1] / "a.scm").write_text("x")
    assert file_paths.check_path(str(world[1] / "a.scm"), False, free)
    assert file_paths.check_path(str(world[1] / "new.scm"), True, free)


def test_what_is_written_has_the_ending_of_its_format(world):
    found, inside, secret = world

    def told(name, use=file_paths.PICTURE, where=inside):
        with pytest.raises(OperationError) as raised:
            file_paths.check_path(str(where / name), True, found, use)
        assert raised.value.kind == "forbidden"
        return raised.value.message

    for name in ("a.scm", "a.py", "a.desktop", "a", "gimprc", "a.sh", ".bashrc", "a.scm.gz", "a.gz", "a.png.scm", "a.so"):
        told(name)
    for format_name, ending in (("csource", "scm"), ("raw", "scm"), ("html", "desktop"), ("header", "py"), ("xpm", "c")):
        told(f"a.{ending}", rules.endings(format_name))
        good = rules.endings(format_name)[0]
        assert file_paths.check_path(str(inside / f"a.{good}"), True, found, rules.endings(format_name))
    assert "png" in told("a.jpg", rules.endings("png"))
    assert rules.endings("nonsense") == ()
    told("a.png", where=secret.parent)
    told("secret.png", where=inside / ".." / "outside")


def test_links_in_the_file_system_lead_nowhere(world):
    found, inside, secret = world
    os.symlink(secret, inside / "link.png")
    os.symlink(secret.parent, inside / "folder")
    os.link(secret, inside / "hard.png")
    for path, write in (
        (inside / "link.png", False),
        (inside / "link.png", True),
        (inside / "folder" / "secret.png", False),
        (inside / "folder" / "new.png", True),
        (inside / "hard.png", True),
    ):
        with pytest.raises(OperationError) as raised:
            file_paths.check_path(str(path), write, found)
        assert raised.value.kind == "forbidden"


def test_a_folder_that_becomes_a_link_before_the_file_takes_its_name_is_noticed(world):
    found, inside, secret = world
    (inside / "sub").mkdir()
    real = file_paths.check_path(str(inside / "sub" / "a.png"), True, found)
    file_paths.still_there(real)
    (inside / "sub").rmdir()
    os.symlink(secret.parent, inside / "sub")
    with pytest.raises(OperationError):
        file_paths.still_there(real)


def test_settings_and_secrets_are_not_written_even_without_folders(world, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    found = settings.Settings(exec=False, private=(str(state),))
    with pytest.raises(OperationError) as raised:
        file_paths.check_path(str(state / "a.png"), True, found)
    assert raised.value.kind == "forbidden" and "settings" in raised.value.message
    assert file_paths.check_path(str(tmp_path / "a.png"), True, found)


def test_the_table_of_procedures_says_what_a_policy_refuses():
    bound = settings.Settings(exec=False)
    for name in (
        "gimp-gimprc-set", "gimp-gimprc-query", "file-glob", "plug-in-web-browser", "plug-in-mail-image",
        "extension-gimp-help", "gimp-help-main", "plug-in-script-fu-eval", "python-fu-eval", "plug-in-script-fu-server",
        "file-desktop-link-load", "file-colorxhtml-export", "gimp-attach-parasite", "plug-in-screenshot",
        "gimp-brushes-popup", "gimp-quit", "stranger-procedure", "file-darktable-cr2-load",
    ):  # fmt: skip
        assert rules.refusal(bound, name), name
        assert rules.refusal(settings.Settings(), name) is None, name
    for name in ("gimp-image-flatten", "gimp-image-get-layers", "plug-in-despeckle", "file-png-export"):
        assert rules.refusal(bound, name) is None


def test_names_that_scripts_put_into_paths_are_plain(tmp_path):
    bound = settings.Settings(exec=False)
    for value in ("../../x", "a/b", "a\\b", ".hidden", "a\nb", "x" * 101):
        with pytest.raises(OperationError):
            text_arguments.text_argument(bound, "script-fu-paste-as-brush", "string-2", value)
    assert text_arguments.text_argument(bound, "script-fu-paste-as-brush", "string-2", "My Brush 2") == "My Brush 2"
    inside = settings.Settings(exec=False, folders=[str(tmp_path)])
    for value in ("file:///etc/x.pdf", "http://example.org/x.pdf", f"file://{tmp_path}/x.scm", "/etc/x.pdf"):
        with pytest.raises(OperationError):
            text_arguments.text_argument(inside, "file-pdf-export-multi", "uri", value)
    given = text_arguments.text_argument(inside, "file-pdf-export-multi", "uri", f"file://{tmp_path}/a%20b.pdf")
    assert given == f"file://{tmp_path}/a%20b.pdf"
    with pytest.raises(OperationError):
        text_arguments.text_argument(bound, "gimp-drawable-filter-new", "operation-name", "gegl:load")
