"""Colour operations against numpy where there is a formula, by direction elsewhere."""

import colorsys

import numpy as np
import pytest
from pixelwork import assert_near, error, make, noise, read, smooth, to_linear, to_srgb

DATA = noise()


def result(client, operation, data=DATA, **arguments):
    """The pixels after the operation, and the answer."""
    image, _ = make(client, data)
    answer = client.call(operation, image=image, **arguments)
    assert answer["effect"]["changed"] is True and answer["message"]
    return read(client, image), answer


def line(values, low_in, high_in, gamma, low_out, high_out):
    spread = np.clip((values.astype(float) - low_in) / (high_in - low_in), 0, 1)
    return np.clip(spread ** (1 / gamma) * (high_out - low_out) + low_out, 0, 255)


@pytest.mark.parametrize("brightness, contrast", ((30, 0), (-50, 0), (0, 40), (0, -40), (60, 60), (-127, 20), (10, -127), (0, 127)))
def test_brightness_and_contrast(client, brightness, contrast):
    got, answer = result(client, "adjust_brightness_contrast", brightness=brightness, contrast=contrast)
    half, slant = brightness / 254, np.tan((min(contrast / 127, 0.995) + 1) * np.pi / 4)
    value = DATA / 255
    moved = value * (1 + half) if half < 0 else value + (1 - value) * half
    assert_near(got, np.clip((moved - 0.5) * slant + 0.5, 0, 1) * 255, 1 if contrast < 100 else 2)
    assert str(float(brightness)) in answer["message"]


def test_brightness_of_zero_says_that_nothing_changed(client):
    image, _ = make(client, DATA)
    answer = client.call("adjust_brightness_contrast", image=image, brightness=0, contrast=0)
    assert answer["effect"]["changed"] is False and "nothing" in answer["message"]


def test_levels(client):
    got, _ = result(client, "adjust_levels", low_input=20, high_input=230, gamma=1.5, low_output=10, high_output=240)
    assert_near(got, line(DATA, 20, 230, 1.5, 10, 240))
    got, _ = result(client, "adjust_levels", channel="red", low_input=100, low_output=255, high_output=0)
    assert_near(got[..., 0], line(DATA[..., 0], 100, 255, 1, 255, 0))
    assert np.array_equal(got[..., 1:], DATA[..., 1:])


def test_curves(client):
    points = [[0, 0], [64, 30], [192, 220], [255, 255]]
    got, _ = result(client, "adjust_curves", points=points, curve_type="linear")
    assert_near(got, np.interp(DATA, *zip(*points)))
    got, _ = result(client, "adjust_curves", points=points)  # smooth: through the points, rising
    table = {int(v): float(got[DATA == v].mean()) for v in np.unique(DATA)}
    for x, y in points:
        assert abs(table[x] - y) <= 2, (x, table[x])
    values = [table[v] for v in sorted(table)]
    assert all(b - a >= -1 for a, b in zip(values, values[1:]))
    got, _ = result(client, "adjust_curves", points=[[0, 255], [255, 0]], channel="blue")
    assert_near(got[..., 2], 255 - DATA[..., 2])
    assert np.array_equal(got[..., :2], DATA[..., :2])


def test_levels_and_curves_of_a_mask_take_its_values_as_they_are(client):
    image, layer = make(client, DATA)
    mask = int(client.python(
        "m = l.create_mask(Gimp.AddMaskType.WHITE); l.add_mask(m); b = m.get_buffer()",
        "b.set(Gegl.Rectangle.new(0, 0, 310, 205), 'Y u8', bytes(i % 256 for i in range(310 * 205))); b.flush()",
        "m.update(0, 0, 310, 205); print(m.get_id())"))
    before = np.frombuffer(bytes(i % 256 for i in range(310 * 205)), np.uint8).reshape(205, 310)

    def values():
        raw = client.eval(
            "bytes(m.get_buffer().get(Gegl.Rectangle.new(0, 0, 310, 205), 1.0, 'Y u8', Gegl.AbyssPolicy.NONE)).hex()")
        return np.frombuffer(bytes.fromhex(raw), np.uint8).reshape(205, 310)

    client.call("adjust_levels", image=image, layer=mask, low_input=50, high_input=200)
    assert_near(values(), line(before, 50, 200, 1, 0, 255))
    client.call("undo", image=image)
    client.call("adjust_curves", image=image, layer=mask, points=[[0, 255], [255, 0]], curve_type="linear")
    assert_near(values(), 255 - before)
    client.call("undo", image=image)
    client.call("invert_colors", image=image, layer=mask)
    assert_near(values(), 255 - before)


def test_invert(client):
    got, _ = result(client, "invert_colors")
    assert np.array_equal(got, 255 - DATA)
    got, _ = result(client, "invert_colors", mode="linear")
    assert_near(got, to_srgb(1 - to_linear(DATA)))
    got, _ = result(client, "invert_colors", mode="value")
    light, before = got.max(axis=2).astype(int), DATA.max(axis=2).astype(int)
    assert np.corrcoef(light.ravel(), before.ravel())[0, 1] < -0.9


def test_threshold(client):
    got, _ = result(client, "apply_threshold", low=180, high=230)
    top = DATA.max(axis=2)
    assert np.array_equal(got[..., 0], np.where((top >= 180) & (top <= 230), 255, 0))
    assert np.array_equal(got[..., 0], got[..., 1]) and np.array_equal(got[..., 0], got[..., 2])


@pytest.mark.parametrize("levels", (2, 4, 9))
def test_posterize(client, levels):
    got, _ = result(client, "posterize", levels=levels)
    assert_near(got, np.round(DATA / 255 * (levels - 1)) / (levels - 1) * 255)


def test_desaturate(client):
    red, green, blue = (DATA[..., i].astype(float) for i in range(3))
    top, bottom = DATA.max(axis=2).astype(float), DATA.min(axis=2).astype(float)
    linear = to_linear(DATA)
    for mode, wanted in (
        ("average", (red + green + blue) / 3),
        ("lightness", (top + bottom) / 2),
        ("value", top),
        ("luma", 0.2225 * red + 0.7169 * green + 0.0606 * blue),
        ("luminance", to_srgb(0.2225 * linear[..., 0] + 0.7169 * linear[..., 1] + 0.0606 * linear[..., 2])),
    ):
        got, _ = result(client, "desaturate", mode=mode)
        assert_near(got[..., 0], wanted, 1.5)
        assert np.array_equal(got[..., 0], got[..., 1]) and np.array_equal(got[..., 0], got[..., 2])


def test_exposure(client):
    got, _ = result(client, "adjust_exposure", exposure=1)
    assert_near(got, to_srgb(to_linear(DATA) * 2))
    got, _ = result(client, "adjust_exposure", exposure=-2.5)
    assert_near(got, to_srgb(to_linear(DATA) * 2**-2.5))


def test_hue_saturation(client):
    got, _ = result(client, "adjust_hue_saturation", hue=120)
    assert_near(got, DATA[..., [2, 0, 1]])  # red has become green
    got, _ = result(client, "adjust_hue_saturation", saturation=-100)
    assert_near(got[..., 0], got[..., 1]), assert_near(got[..., 0], got[..., 2])
    lighter, _ = result(client, "adjust_hue_saturation", lightness=50)
    darker, _ = result(client, "adjust_hue_saturation", lightness=-50)
    assert darker.mean() + 30 < DATA.mean() < lighter.mean() - 30
    pure = np.zeros((205, 310, 3), np.uint8)
    pure[:, :110] = 200, 20, 20
    pure[:, 110:220] = 20, 200, 20
    pure[:, 220:] = 20, 20, 200
    got, _ = result(client, "adjust_hue_saturation", pure, color_range="blue", saturation=-100)
    assert np.array_equal(got[:, :220], pure[:, :220])
    assert np.ptp(got[:, 220:].astype(int), axis=2).max() <= 2


def test_saturation_and_vibrance(client, gimp_version):
    got, _ = result(client, "adjust_saturation", scale=0)
    assert np.abs(got.max(axis=2).astype(int) - got.min(axis=2)).max() <= 1
    data = smooth()
    spread = lambda a: (a.max(axis=2).astype(int) - a.min(axis=2)).mean()  # noqa: E731
    stronger, _ = result(client, "adjust_saturation", data, scale=1.8)
    assert spread(stronger) > spread(data) * 1.1
    image, _ = make(client, data)
    if gimp_version == "3.0":
        problem = error(client, "adjust_saturation", image=image, vibrance=50)
        assert problem.kind == "unsupported" and "`scale`" in problem.hint
    else:
        client.call("adjust_saturation", image=image, vibrance=80)
        assert spread(read(client, image)) > spread(data)


def test_temperature(client):
    data = smooth()
    balance = lambda a: a[..., 0].mean() - a[..., 2].mean()  # noqa: E731
    warmer, _ = result(client, "adjust_color_temperature", data, warmth=40)
    cooler, _ = result(client, "adjust_color_temperature", data, warmth=-40)
    assert balance(cooler) + 8 < balance(data) < balance(warmer) - 8
    kelvin, _ = result(client, "adjust_color_temperature", data, intended_kelvin=9000)
    assert balance(kelvin) > balance(data) + 8
    image, _ = make(client, data)
    assert "`warmth`" in error(client, "adjust_color_temperature", image=image, warmth=5, intended_kelvin=5000).message


def test_color_balance(client):
    gray = np.full((205, 310, 3), 128, np.uint8)
    for name, channel in (("cyan_red", 0), ("magenta_green", 1), ("yellow_blue", 2)):
        up, _ = result(client, "adjust_color_balance", gray, preserve_luminosity=False, **{name: 50})
        down, _ = result(client, "adjust_color_balance", gray, preserve_luminosity=False, **{name: -50})
        assert (up[..., channel] > 145).all() and (down[..., channel] < 111).all()
        assert all((up[..., i] == 128).all() for i in range(3) if i != channel)
    dark = np.full((205, 310, 3), 20, np.uint8)
    shadows, _ = result(client, "adjust_color_balance", dark, cyan_red=60, tones="shadows", preserve_luminosity=False)
    assert (shadows[..., 0] > 25).all()


def test_shadows_and_highlights(client):
    data = np.zeros((205, 310, 3), np.uint8)
    data[:, :150], data[:, 150:] = 40, 215
    got, _ = result(client, "adjust_shadows_highlights", data, shadows=80, radius=5)
    assert got[100, 40, 0] > 50 and abs(int(got[100, 270, 0]) - 215) <= 12
    got, _ = result(client, "adjust_shadows_highlights", data, highlights=-80, radius=5)
    assert got[100, 270, 0] < 205 and abs(int(got[100, 40, 0]) - 40) <= 12


def test_automatic_levels(client):
    dull = smooth() // 2 + 60
    got, _ = result(client, "auto_levels", dull)
    assert got.min() <= 1 and got.max() >= 254
    got, _ = result(client, "auto_levels", dull, mode="channels")
    assert all(got[..., i].min() <= 1 and got[..., i].max() >= 254 for i in range(3))
    got, _ = result(client, "auto_levels", dull, mode="white_balance")
    assert all(got[..., i].min() <= 5 and got[..., i].max() >= 250 for i in range(3))
    got, _ = result(client, "auto_levels", dull, mode="equalize")
    assert all(abs(np.median(got[..., i]) - 128) < 30 for i in range(3))
    assert all(abs(np.percentile(got[..., i], 25) - 64) < 30 for i in range(3))


def test_equalize_of_a_full_range_agrees_between_versions(client):
    ramp = np.repeat((np.linspace(0, 1, 256) ** 2 * 255).astype(np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    got, _ = result(client, "auto_levels", ramp, mode="equalize")
    below = [(ramp[0, :, 0] <= value).sum() for value in ramp[0, :, 0]]
    assert_near(got[0, :, 0], np.array(below) * 255 / 256, 6)


def test_channel_mixer(client):
    got, _ = result(client, "mix_channels", red=[0, 0, 1], blue=[1, 0, 0])
    assert_near(got, DATA[..., [2, 1, 0]])
    got, _ = result(client, "mix_channels", monochrome=[0, 1, 0])
    assert_near(got[..., 0], DATA[..., 1])
    got, _ = result(client, "mix_channels", green=[0.5, 0.5, 0])
    mixed = to_srgb((to_linear(DATA[..., 0]) + to_linear(DATA[..., 1])) / 2)
    perceptual = (DATA[..., 0].astype(float) + DATA[..., 1]) / 2
    assert min(np.abs(got[..., 1] - mixed).max(), np.abs(got[..., 1] - perceptual).max()) <= 1.5
    image, _ = make(client, DATA)
    assert "`monochrome`" in error(client, "mix_channels", image=image).hint


def test_gradient_map(client):
    luma = np.clip(0.2225 * DATA[..., 0] + 0.7169 * DATA[..., 1] + 0.0606 * DATA[..., 2], 0, 255)
    got, _ = result(client, "apply_gradient_map", colors=["#102030", [240, 200, 40]])
    for channel, (low, high) in enumerate(((0x10, 240), (0x20, 200), (0x30, 40))):
        assert_near(got[..., channel], low + (high - low) * luma / 255, 2)
    turned, _ = result(client, "apply_gradient_map", colors=["#102030", [240, 200, 40]], reverse=True)
    assert_near(turned[..., 0], 240 - (240 - 0x10) * luma / 255, 2)
    name = client.eval("[g.get_name() for g in Gimp.gradients_get_list('') if 'Incandescent' in g.get_name()][0]")
    named, _ = result(client, "apply_gradient_map", gradient=name)
    dark, light = luma < 30, luma > 225
    assert named[light].mean() > named[dark].mean() + 100
    image, _ = make(client, DATA)
    assert error(client, "apply_gradient_map", image=image, gradient="No such").kind == "not_found"
    assert error(client, "apply_gradient_map", image=image).kind == "invalid_argument"


def test_color_to_alpha(client):
    data = np.full((205, 310, 3), 255, np.uint8)
    data[:, 110:220] = 0
    data[:, 220:] = 255, 0, 0
    image, _ = make(client, data)
    answer = client.call("color_to_alpha", image=image)
    got = read(client, image)
    assert "alpha channel was added" in answer["note"]
    assert not got[:, :110, 3].any() and (got[:, 110:220] == (0, 0, 0, 255)).all() and (got[:, 220:, 3] == 255).all()
    problem = error(client, "color_to_alpha", image=image, transparency_threshold=0.8, opacity_threshold=0.5)
    assert "0.8" in problem.message and "0.5" in problem.message


def test_colorize_sepia_replace(client):
    got, _ = result(client, "colorize", hue=240, saturation=80)
    assert got[..., 2].mean() > got[..., 0].mean() + 40
    got, _ = result(client, "colorize", color="#c04000")
    hue = colorsys.rgb_to_hsv(*(got.reshape(-1, 3).mean(axis=0) / 255))[0] * 360
    assert abs(hue - 20) < 6, hue
    got, _ = result(client, "apply_sepia")
    assert got[..., 0].mean() > got[..., 1].mean() > got[..., 2].mean()
    data = DATA.copy()
    data[:10] = 10, 120, 200
    got, _ = result(client, "replace_color", data, from_color=[10, 120, 200], to_color="#ff0000", tolerance=0)
    assert_near(got[:10], np.broadcast_to([255, 0, 0], (10, 310, 3)))
    assert np.array_equal(got[20:], data[20:])


def test_extract_and_dither(client):
    got, _ = result(client, "extract_component", component="rgb_g")
    assert_near(got[..., 0], DATA[..., 1])
    got, _ = result(client, "extract_component", component="hsv_v", invert=True)
    assert_near(got[..., 0], 255 - DATA.max(axis=2), 2)
    got, _ = result(client, "dither_colors", smooth(), levels=2)
    assert set(np.unique(got)) <= {0, 255}


@pytest.mark.parametrize("method", ("mantiuk", "reinhard", "stress"))
def test_tone_maps_keep_the_picture_recognisable(client, method):
    data = smooth()
    got, _ = result(client, "tone_map", data, method=method, radius=40)
    assert np.corrcoef(got[..., 1].ravel(), data[..., 1].ravel())[0, 1] > 0.6


def test_gray_and_indexed_images(client):
    image, _ = make(client, DATA[..., :1])
    client.call("adjust_brightness_contrast", image=image, brightness=30)
    client.call("undo", image=image)
    client.call("adjust_levels", image=image, low_input=20, high_input=230)
    assert_near(read(client, image)[..., 0], line(DATA[..., 0], 20, 230, 1, 0, 255))
    problem = error(client, "adjust_hue_saturation", image=image, hue=20)
    assert problem.kind == "unsupported" and "GRAY" in problem.message and "RGB" in problem.message
    assert "only `value`" in error(client, "adjust_levels", image=image, channel="red", gamma=2).message
    indexed, _ = make(client, DATA)
    client.python("im.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, '')")
    problem = error(client, "adjust_brightness_contrast", image=indexed, brightness=20)
    assert problem.kind == "unsupported" and "INDEXED" in problem.message


def test_bad_values_name_the_value_and_the_mend(client):
    image, layer = make(client, DATA)
    before = read(client, image)
    problem = error(client, "adjust_levels", image=image, low_input=200, high_input=100)
    assert "200" in problem.message and "100" in problem.message and "low_output" in problem.hint
    problem = error(client, "adjust_curves", image=image, points=[[10, 0], [10, 50], [255, 255]])
    assert "same input 10.0" in problem.message
    assert "above" in error(client, "apply_threshold", image=image, low=200, high=100).message
    assert "alpha" in error(client, "adjust_levels", image=image, channel="alpha", gamma=2).message
    client.python("l.set_lock_content(True)")
    problem = error(client, "posterize", image=image, levels=4)
    assert problem.kind == "forbidden" and "locked" in problem.message
    assert error(client, "invert_colors", image=image, as_effect=True).kind == "forbidden"
    client.python("l.set_lock_content(False); im.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 5, 5)")
    client.python("l.set_offsets(20, 20)")
    assert "select_none" in error(client, "posterize", image=image, levels=4).hint
    client.python("l.set_offsets(0, 0)")
    assert np.array_equal(read(client, image), before)
