"""Filters: what each does to known pictures, against numpy where there is a formula."""

import numpy as np
import pytest
from pixelwork import assert_near, error, make, noise, read, smooth, to_linear, to_srgb

FLAT = np.full((205, 310, 3), 120, np.uint8)


def dot(width=311, height=205, size=1):
    data = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    data[y - size + 1 : y + size, x - size + 1 : x + size] = 255
    return data


def result(client, operation, data, **arguments):
    image, _ = make(client, data)
    answer = client.call(operation, image=image, **arguments)
    assert answer["effect"]["changed"] is True, answer
    return read(client, image)


def spread(array):
    """How far light reaches from its middle, along x and y (standard deviations in linear light)."""
    light = to_linear(array[..., 0])
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]]
    total = light.sum()
    middle_x, middle_y = (light * x).sum() / total, (light * y).sum() / total
    return np.sqrt((light * (x - middle_x) ** 2).sum() / total), np.sqrt((light * (y - middle_y) ** 2).sum() / total)


def test_gaussian_blur_is_one_in_linear_light(client):
    image, _ = make(client, noise(310, 205))
    answer = client.call("apply_blur", image=image, radius=3.0)
    assert answer["message"] == "Applied Gaussian blur with radius 3.0"
    got, light = read(client, image), to_linear(noise(310, 205))
    weights = np.exp(-(np.arange(-15, 16) ** 2) / 18.0)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(light, [(15, 15) if a == axis else (0, 0) for a in range(3)], mode="edge")
        light = sum(w * np.take(padded, range(i, i + light.shape[axis]), axis=axis) for i, w in enumerate(weights))
    assert_near(got[10:-10, 10:-10], to_srgb(light)[10:-10, 10:-10], 2.5)
    assert np.abs(got - to_srgb(light))[10:-10, 10:-10].mean() < 0.6
    assert_near(got, to_srgb(light), 12)  # GEGL repeats the border's pixels a little otherwise


def test_box_blur_is_the_mean_of_a_square(client):
    data = noise(310, 205)
    got = result(client, "apply_blur", data, blur_type="box", radius=2)
    light = to_linear(data)
    mean = sum(light[2 + dy : 203 + dy, 2 + dx : 308 + dx] for dy in range(-2, 3) for dx in range(-2, 3)) / 25
    assert_near(got[2:203, 2:308], to_srgb(mean), 1.5)


@pytest.mark.parametrize("angle, along", ((0, 0), (90, 1), (-270, 1)))
def test_motion_blur_follows_its_angle(client, angle, along):
    across, down = spread(result(client, "apply_blur", dot(), blur_type="motion", radius=8, angle=angle))
    wide, narrow = (across, down) if along == 0 else (down, across)
    assert 3.5 < wide < 6.5 and narrow < 0.7, (across, down)


def test_zoom_and_spin_spare_the_middle(client):
    data = smooth()
    for kind in ("zoom", "spin"):
        got = result(client, "apply_blur", data, blur_type=kind, amount=30, angle=40)
        off = np.abs(got.astype(int) - data).mean(axis=2)
        assert off[:40, :50].mean() > 2 * off[97:108, 148:162].mean() * (0.6 if kind == "zoom" else 0.5)
    got = result(client, "apply_blur", data, blur_type="spin", angle=40, center=[10, 10])
    off = np.abs(got.astype(int) - data).mean(axis=2)
    assert off[8:12, 8:12].mean() < off[40:, 60:].mean()


def test_median_removes_specks_and_keeps_edges(client):
    data = FLAT.copy()
    data[:, 155:] = 220
    clean = data.copy()
    data[10, 10], data[30, 250], data[190, 127] = 255, 0, 255
    got = result(client, "apply_blur", data, blur_type="median", radius=2)
    assert_near(got, clean)


def test_pixelize_makes_even_blocks(client):
    data = noise(320, 208)
    got = result(client, "apply_blur", data, blur_type="pixelize", radius=8)
    blocks = got.reshape(26, 8, 40, 8, 3)
    assert np.ptp(blocks.astype(int), axis=(1, 3)).max() <= 1
    mean = to_srgb(to_linear(data).reshape(26, 8, 40, 8, 3).mean(axis=(1, 3)))
    assert_near(blocks[:, 0, :, 0], mean, 2)


@pytest.mark.parametrize("kind", ("selective", "bilateral", "mean_curvature"))
def test_blurs_that_keep_edges(client, kind):
    data = FLAT.copy()
    data[:, 155:] = 220
    rough = np.clip(data.astype(int) + np.random.default_rng(2).integers(-8, 9, data.shape), 0, 255).astype(np.uint8)
    got = result(client, "apply_blur", rough, blur_type=kind, radius=5, amount=15)
    assert got[10:190, 10:140].std() < 0.75 * rough[10:190, 10:140].std()
    assert got[:, 159:163].mean() - got[:, 147:151].mean() > 80


def test_lens_focus_and_tileable(client):
    across, _ = spread(result(client, "apply_blur", dot(size=2), blur_type="lens", radius=6))
    assert across > 2
    data = noise(310, 205)
    got = result(client, "apply_blur", data, blur_type="focus", radius=6, amount=30)
    off = np.abs(got.astype(int) - data).mean(axis=2)
    assert off[98:106, 151:159].mean() < off[:8, :8].mean() / 2
    data = smooth()
    seam = lambda a: np.abs(a[:, 0].astype(int) - a[:, -1]).mean()  # noqa: E731
    got = result(client, "apply_blur", data, blur_type="tileable", radius=6)
    assert seam(got) < seam(data) / 4 and got.shape == data.shape


def test_a_blur_may_let_the_layer_grow(client):
    data = np.zeros((140, 200, 4), np.uint8)
    data[...] = 200, 30, 30, 255
    image, layer = make(client, data, x=80, y=80, canvas=(360, 300))
    client.call("apply_blur", image=image, radius=4, clip=False, edge="none")
    assert client.eval("l.get_width()") > 200
    got = read(client, image)
    assert 0 < got[77, 180, 3] < 200 and got[150, 180, 3] > 230


def test_sharpen(client):
    data = FLAT.copy()
    data[:, 155:] = 150
    for method in ("unsharp_mask", "high_pass"):
        got = result(client, "apply_sharpen", data, amount=1.0, method=method)
        assert got[20, 155:159].max() > 152 and got[20, 151:155].min() < 118, method
    got = client.call("apply_sharpen", image=make(client, data)[0], amount=1.0, threshold=100)
    assert got["effect"]["changed"] is False, "contrast below the threshold is left alone"


@pytest.mark.parametrize("method", ("smooth", "nearest_neighbor", "median", "dct", "domain_transform"))
def test_noise_reduction(client, method):
    rough = np.clip(FLAT.astype(int) + np.random.default_rng(4).normal(0, 12, FLAT.shape), 0, 255).astype(np.uint8)
    got = result(client, "reduce_noise", rough, method=method, strength=40)
    assert got[10:-10, 10:-10].std() < 0.7 * rough.std()
    assert abs(got[10:-10, 10:-10].mean() - 120) < 4


def test_noise(client):
    same = [result(client, "add_noise", FLAT, amount=20, seed=9) for _ in range(2)]
    other = result(client, "add_noise", FLAT, amount=20, seed=10)
    assert np.array_equal(*same) and not np.array_equal(same[0], other)
    assert 5 < same[0].std() < 60
    gray = result(client, "add_noise", FLAT, amount=20, monochrome=True).astype(int)
    assert np.abs(gray[..., 0] - gray[..., 1]).max() <= 1
    assert np.abs(same[0][..., 0].astype(int) - same[0][..., 1]).max() > 10
    data = noise(310, 205)
    for kind in ("hurl", "pick", "slur"):
        got = result(client, "add_noise", data, noise_type=kind, amount=30)
        changed = (got != data).any(axis=2).mean()
        assert 0.1 < changed < 0.6, (kind, changed)
    for kind in ("hsv", "lch", "spread"):
        result(client, "add_noise", data, noise_type=kind, amount=15)
    image, _ = make(client, FLAT)
    assert "`rgb`" in error(client, "add_noise", image=image, noise_type="hurl", monochrome=True).message


@pytest.mark.parametrize("method", ("sobel", "prewitt", "gradient", "roberts", "differential", "laplace",
                                    "difference_of_gaussians"))
def test_edges(client, method):
    data = FLAT.copy()
    data[:, 155:] = 220
    got = result(client, "detect_edges", data, method=method)
    assert got[20, 152:159].max() > got[20, 5:130].max() + 20


def test_emboss_turns_with_the_light(client):
    data = FLAT.copy()
    data[60:140, 100:220] = 200
    one = result(client, "apply_emboss", data, azimuth=0)
    other = result(client, "apply_emboss", data, azimuth=180)
    left, right = one[100, 99:101, 0].mean(), one[100, 219:221, 0].mean()
    assert (left - right) * (other[100, 99:101, 0].mean() - other[100, 219:221, 0].mean()) < 0


def test_convolution(client):
    data = noise(310, 205)
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    got = result(client, "apply_convolution", data, matrix=kernel.tolist())

    def convolved(values):
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
        return sum(kernel[dy, dx] * padded[dy : dy + 205, dx : dx + 310] for dy in range(3) for dx in range(3))

    off = [np.abs(got - wanted).max() for wanted in (
        np.clip(convolved(data.astype(float)), 0, 255), to_srgb(convolved(to_linear(data))))]
    assert min(off) <= 1.5, off
    shifted = result(client, "apply_convolution", data, matrix=[[0, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert_near(shifted[:, 1:], data[:, :-1])
    image, _ = make(client, data)
    assert "3 rows of 3" in error(client, "apply_convolution", image=image, matrix=[[1, 2, 3, 4]] * 3).hint


def test_vignette(client):
    got = result(client, "apply_vignette", FLAT)
    assert got[0, 0, 0] < 40 and abs(int(got[102, 155, 0]) - 120) <= 2
    white = result(client, "apply_vignette", FLAT, color="white", radius=80, center=[0, 0])
    assert white[-1, -1, 0] > 200 > white[1, 1, 0]


def test_drop_shadow(client):
    data = np.zeros((140, 200, 4), np.uint8)
    data[...] = 200, 30, 30, 255
    image, layer = make(client, data, x=60, y=40, canvas=(400, 300))
    client.call("apply_drop_shadow", image=image, offset_x=10, offset_y=4, radius=0, opacity=100, color="blue")
    got = read(client, image)
    assert tuple(got[100, 150]) == (200, 30, 30, 255)
    assert got[100, 266, 2] > 240 and got[100, 266, 3] > 240 and got[100, 266, 0] < 10, got[100, 266]
    assert got[100, 56, 3] == 0 and got[182, 150, 3] > 240
    opaque, _ = make(client, FLAT)
    assert "transparen" in error(client, "apply_drop_shadow", image=opaque).message


def test_glow_brightens(client):
    data = dot(size=60)
    for kind in ("bloom", "soft"):
        got = result(client, "apply_glow", data, glow_type=kind, radius=6, strength=80)
        assert got.mean() > data.mean() + 1


def test_distortions_move_what_they_should(client):
    data = smooth()
    whirled = result(client, "apply_distortion", data, distortion_type="whirl", angle=90)
    assert np.abs(whirled[:3, :3].astype(int) - data[:3, :3]).max() <= 12, "the corners stay"
    squares = dot(size=30)
    light = lambda a: (a[..., 0] > 128).sum()  # noqa: E731
    pinched = result(client, "apply_distortion", squares, distortion_type="pinch", amount=70)
    swollen = result(client, "apply_distortion", squares, distortion_type="pinch", amount=-70)
    assert light(pinched) < light(squares) < light(swollen)
    engraved = result(client, "apply_distortion", squares, distortion_type="engrave", amount=6)
    assert set(np.unique(engraved)) <= {0, 255}
    polar = result(client, "apply_distortion", data, distortion_type="polar")
    assert polar.shape == data.shape and np.abs(polar.astype(int) - data).mean() > 10
    image, _ = make(client, data)
    problem = error(client, "apply_distortion", image=image, distortion_type="pinch", amount=300)
    assert "300" in problem.message and "percent" in problem.message
