"""`get_image_bitmap` equals what GIMP's own PNG export gives, for every kind of image."""

import asyncio
import os

import numpy
import pytest
from support import call, decode, python

#: Builds each image in GIMP's Python; `image` is what is compared.
NOISE = """
import random
def noise(drawable, seed):
    dice = random.Random(seed)
    config = Gimp.DrawableFilter.new(drawable, 'gegl:noise-rgb', '')
    inner = config.get_config()
    inner.set_property('red', 0.6); inner.set_property('green', 0.5); inner.set_property('blue', 0.4)
    inner.set_property('seed', seed)
    drawable.merge_filter(config)
def layer(image, name, kind, color, seed, mode=Gimp.LayerMode.NORMAL, opacity=100.0, size=None):
    width, height = size or (image.get_width(), image.get_height())
    made = Gimp.Layer.new(image, name, width, height, kind, opacity, mode)
    image.insert_layer(made, None, 0)
    Gimp.context_set_foreground(Gegl.Color.new(color))
    made.edit_fill(Gimp.FillType.FOREGROUND)
    noise(made, seed)
    return made
RGBA, RGB, GRAY, GRAYA = Gimp.ImageType.RGBA_IMAGE, Gimp.ImageType.RGB_IMAGE, Gimp.ImageType.GRAY_IMAGE, Gimp.ImageType.GRAYA_IMAGE
P = Gimp.Precision
"""

CASES = {}
for precision in ("U8_NON_LINEAR", "U16_NON_LINEAR", "U32_NON_LINEAR", "FLOAT_NON_LINEAR",
                  "U8_LINEAR", "U16_LINEAR", "FLOAT_LINEAR", "HALF_LINEAR"):
    for base, kind in (("RGB", "RGB"), ("RGB", "RGBA"), ("GRAY", "GRAY"), ("GRAY", "GRAYA")):
        CASES[f"{kind} {precision}"] = f"""
image = Gimp.Image.new_with_precision(310, 205, Gimp.ImageBaseType.{base}, P.{precision})
made = layer(image, 'a', {kind}, '#c86432', 3)
{"image.select_ellipse(Gimp.ChannelOps.REPLACE, 50, 40, 200, 120); image.get_layers()[0].edit_clear(); Gimp.Selection.none(image)" if kind.endswith("A") else ""}
"""
CASES["indexed"] = """
image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)
layer(image, 'a', RGB, '#3264c8', 4)
image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 17, False, False, '')
"""
CASES["indexed alpha"] = """
image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)
made = layer(image, 'a', RGBA, '#3264c8', 4)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 50, 40, 200, 120); made.edit_clear(); Gimp.Selection.none(image)
image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 17, False, False, '')
"""
for mode in ("MULTIPLY", "SCREEN", "OVERLAY", "DIFFERENCE", "LCH_COLOR", "HSL_COLOR", "SOFTLIGHT", "GRAIN_MERGE", "DISSOLVE"):
    CASES[f"mode {mode}"] = f"""
image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)
layer(image, 'a', RGB, '#3264c8', 5)
layer(image, 'b', RGBA, '#c8a032', 6, Gimp.LayerMode.{mode}, 70.0, (220, 150)).set_offsets(50, 30)
"""
CASES["groups, masks, hidden layers, offsets"] = """
image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)
layer(image, 'a', RGB, '#3264c8', 5)
group = Gimp.GroupLayer.new(image, 'g'); image.insert_layer(group, None, 0); group.set_opacity(60)
inner = Gimp.Layer.new(image, 'in', 170, 150, RGBA, 80, Gimp.LayerMode.NORMAL); image.insert_layer(inner, group, 0)
inner.fill(Gimp.FillType.FOREGROUND); noise(inner, 7); inner.set_offsets(-25, 40)
mask = inner.create_mask(Gimp.AddMaskType.WHITE); inner.add_mask(mask)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 0, 80, 90, 90); Gimp.context_set_foreground(Gegl.Color.new('gray')); mask.edit_fill(Gimp.FillType.FOREGROUND); Gimp.Selection.none(image)
layer(image, 'hidden', RGBA, 'red', 8).set_visible(False)
"""
CASES["layer effects"] = """
image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)
made = layer(image, 'a', RGBA, '#3264c8', 5)
effect = Gimp.DrawableFilter.new(made, 'gegl:gaussian-blur', 'blur')
effect.get_config().set_property('std-dev-x', 3.0); effect.get_config().set_property('std-dev-y', 3.0)
made.append_filter(effect)
"""


@pytest.mark.parametrize("name", CASES)
def test_the_bitmap_is_what_gimp_exports(shared, name):
    path = os.path.join(shared.folder.name, "truth.png")

    async def scenario():
        async with shared.client() as client:
            made = await python(client, NOISE, CASES[name], "print(image.get_id())")
            image = int(made["output"])
            before = await call(client, "get_image_metadata", image=image)
            got = (await call(client, "get_image_bitmap", image=image))["picture"]
            after = await call(client, "get_image_metadata", image=image)
            assert before == after, "looking changed the image"
            # The reference is GIMP's own way, run apart from the bridge's operations.
            await python(
                client,
                f"copy = Gimp.Image.get_by_id({image}).duplicate()",
                "copy.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)",
                "copy.convert_precision(P.U8_NON_LINEAR) if copy.get_precision() != P.U8_NON_LINEAR else None",
                f"Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, copy, Gio.File.new_for_path({path!r}), None)",
                "copy.delete()",
            )
            with open(path, "rb") as file:
                want = decode(file.read())
            await call(client, "close_image", image=image, discard_changes=True)
            return got.astype(int), want.astype(int)

    got, want = asyncio.run(scenario())
    got, want = as_rgba(got), as_rgba(want)
    assert got.shape == want.shape
    seen = want[..., 3:] > 0
    exact = name.startswith(("RGB U8_NON", "RGBA U8_NON", "GRAY U8_NON", "GRAYA U8_NON", "indexed"))
    assert numpy.abs((got - want) * seen).max() <= (0 if exact else 1)
    assert numpy.abs(got[..., 3] - want[..., 3]).max() <= (0 if exact else 1)


def as_rgba(picture):
    """Grey and opaque pictures as RGBA, so that only what is seen is compared."""
    height, width, channels = picture.shape
    full = numpy.full((height, width, 4), 255)
    full[..., :3] = picture[..., :3] if channels >= 3 else picture[..., :1]
    if channels in (2, 4):
        full[..., 3] = picture[..., -1]
    return full
