"""Called by bench-colors: the same work in GIMPs that differ in BABL_PATH_LENGTH alone, as a table.

usage: bench_colors.py 3.0|3.2 [LENGTH …]
"""

import base64
import pathlib
import sys
import tempfile

import numpy as np
from PIL import ImageCms

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "gimp"), str(ROOT / "tests")]

import harness  # noqa: E402
from test_long_running import PICTURE, processor_seconds  # noqa: E402

WIDTH, HEIGHT, TIMES, PROFILES = 1600, 1200, 3, 12
FRESH = """
W, H = {0}, {1}
px = bytes((i * 7 + (i >> 9)) % 256 for i in range(W * H * 4))
R = Gegl.Rectangle.new(0, 0, W, H)
def fresh(precision):
    im = Gimp.Image.new_with_precision(W, H, Gimp.ImageBaseType.RGB, getattr(Gimp.Precision, precision))
    l = Gimp.Layer.new(im, "l", W, H, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
    im.insert_layer(l, None, 0)
    b = l.get_buffer(); b.set(R, "R'G'B'A u8", px); b.flush(); l.update(0, 0, W, H)
    return im, l
def over(im, l, mode, opacity):
    im.insert_layer(l.copy(), None, 0); top = im.get_layers()[0]
    top.set_mode(getattr(Gimp.LayerMode, mode)); top.set_opacity(opacity); im.flatten()
"""
WORK = {
    "read 16 bit": ("U16_NON_LINEAR", "l.get_buffer().get(R, 1.0, \"R'G'B'A u16\", 0)"),
    "read linear float": ("FLOAT_LINEAR", "l.get_buffer().get(R, 1.0, \"R'G'B'A u8\", 0)"),
    "compose, 8 bit": ("U8_NON_LINEAR", "over(im, l, 'NORMAL', 50)"),
    "compose, 16 bit linear": ("U16_LINEAR", "over(im, l, 'NORMAL', 50)"),
    "compose, LCh hue": ("U8_NON_LINEAR", "over(im, l, 'LCH_HUE', 100)"),
    "8 to 16 bit linear": ("U8_NON_LINEAR", "im.convert_precision(Gimp.Precision.U16_LINEAR)"),
    "16 bit to float": ("U16_NON_LINEAR", "im.convert_precision(Gimp.Precision.FLOAT_LINEAR)"),
    "half to 8 bit": ("HALF_LINEAR", "im.convert_precision(Gimp.Precision.U8_NON_LINEAR)"),
    "to grey": ("U8_NON_LINEAR", "im.convert_grayscale()"),
    "16 bit to grey": ("U16_LINEAR", "im.convert_grayscale()"),
    "into a profile": ("U8_NON_LINEAR", "im.convert_color_profile(profile(1), Gimp.ColorRenderingIntent.PERCEPTUAL, True)"),
    "16 bit into Adobe RGB": (
        "U16_NON_LINEAR",
        "im.convert_color_profile(Gimp.ColorProfile.new_rgb_adobe(), Gimp.ColorRenderingIntent.PERCEPTUAL, True)",
    ),
    "read from Adobe RGB": (
        "U8_NON_LINEAR", "im.set_color_profile(Gimp.ColorProfile.new_rgb_adobe()); l.get_buffer().get(R, 1.0, \"R'G'B'A u8\", 0)",
    ),
    "levels, float": ("FLOAT_LINEAR", "l.levels(Gimp.HistogramChannel.VALUE, 0.1, 0.9, False, 1.2, 0, 1, False)"),
    "hue and saturation": ("U8_NON_LINEAR", "l.hue_saturation(Gimp.HueRange.ALL, 30, 0, 10, 0)"),
    "scale, 16 bit": ("U16_LINEAR", "im.scale(800, 600)"),
}  # fmt: skip


def measure(version, length):
    """({work: (first, best, pixels)}, processor seconds of each further profile)."""
    harness.HEADLESS = {"BABL_PATH_LENGTH": length} if length else {}
    rows, costs = {}, []
    with tempfile.TemporaryDirectory() as folder, harness.Gimp(version) as gimp, gimp.client(timeout=600) as client:
        seconds = lambda: sum(processor_seconds(gimp.instance[name]) for name in ("gimp_pid", "pid"))  # noqa: E731
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        client.python(PICTURE.format(base64.b64encode(srgb).decode()), FRESH.format(WIDTH, HEIGHT))
        for name, (precision, line) in WORK.items():
            took = []
            for _ in range(TIMES):
                client.python(f"im, l = fresh({precision!r})", timeout=600)
                before = seconds()
                client.python(line, "im.get_layers()[0].get_buffer().flush()", timeout=600)
                took.append(seconds() - before)
            path = pathlib.Path(folder, "pixels")
            client.python(
                "out = im.get_layers()[0].get_buffer()",
                "data = bytes(out.get(out.get_extent(), 1.0, \"R'G'B'A u8\", 0))",
                f"open({str(path)!r}, 'wb').write(data) and None",
                "[i.delete() for i in Gimp.get_images()] and None", timeout=600,
            )  # fmt: skip
            rows[name] = took[0], min(took), np.frombuffer(path.read_bytes(), np.uint8).astype(int)
        for number in range(2, PROFILES):
            before = seconds()
            client.python(f"picture({number})", timeout=600)
            costs.append(seconds() - before)
    return rows, costs


def main(version, *lengths):
    found = {length: measure(version, length) for length in ("", *(lengths or ("1", "2")))}
    own = found[""][0]
    print(f"GIMP {version}, {WIDTH}x{HEIGHT}: processor seconds, first / later, and the largest difference of 255")
    print(f"{'':24}" + "".join(f"{f'length {length}' if length else 'own choice':>22}" for length in found))
    for name in WORK:
        cells = (
            f"{rows[name][0]:.2f} / {rows[name][1]:.2f}" + (f", {abs(rows[name][2] - own[name][2]).max()}" if length else "")
            for length, (rows, _) in found.items()
        )
        print(f"{name:24}" + "".join(f"{cell:>22}" for cell in cells))
    print("one more profile, with a palette, after others:")
    for length, (_, costs) in found.items():
        print(f"  {f'length {length}' if length else 'own choice':12}" + " ".join(f"{cost:.1f}" for cost in costs))


if __name__ == "__main__":
    main(*sys.argv[1:])
