"""Exports: what Pillow reads of the written files, and what a policy forbids."""

import json
import os

import numpy as np
import pytest
from client import CallError
from harness import Gimp
from PIL import Image, ImageSequence
from pictures import error, layers, noise, opened, png, read


WIDTH, HEIGHT = 500, 380


def smooth(width, height):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], 2).astype(np.uint8)


def place(number):
    return number * 180 - 60, number * 100 - 50


def shown(number):
    """Where a layer of `shapes` is on the canvas."""
    x, y = place(number)
    return slice(max(y, 0), y + 140), slice(max(x, 0), x + 150)


def shapes(client, count=3):
    """An image of `count` coloured layers, the first at the bottom and in part off the transparent canvas."""
    image = client.call("create_new_image", width=WIDTH, height=HEIGHT, color="transparent", name="empty")["image"]
    ids, colors = [], [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255, 255, 0, 255), (0, 255, 255, 255)]
    for number in range(count):
        made = client.call(
            "create_layer", image=image, name=f"part {number + 1}", width=150, height=140, x=place(number)[0], y=place(number)[1],
            fill=list(colors[number]), position=0,
        )  # fmt: skip
        ids.append(made["layer"])
    client.call("delete_layer", image=image, layer=layers(client, image)[-1]["id"])
    return image, ids, colors[:count]


def test_web_jpeg_keeps_its_budget(client, tmp_path):
    image, _ = opened(client, noise(300, 200, 3))
    free = client.call("export_for_web", image=image, path=str(tmp_path / "free.jpg"))
    assert free["quality"] == 85 and free["trials"] == 1 and free["bytes"] == os.path.getsize(tmp_path / "free.jpg")
    limit = int(free["bytes"] * 0.7)
    answer = client.call("export_for_web", image=image, path=str(tmp_path / "small.jpg"), max_bytes=limit, shrink=False)
    assert limit * 0.85 < answer["bytes"] <= limit and 40 <= answer["quality"] < 85
    assert (answer["width"], answer["height"]) == (300, 200)
    with Image.open(tmp_path / "small.jpg") as written:
        assert written.format == "JPEG" and written.size == (300, 200) and written.info.get("progressive")
        assert "icc_profile" not in written.info and not written.getexif()
    tiny = client.call("export_for_web", image=image, path=str(tmp_path / "tiny.jpg"), max_bytes=4000)
    assert tiny["bytes"] <= 4000 and tiny["width"] < 300
    problem = error(client, "export_for_web", image=image, path=str(tmp_path / "no.jpg"), max_bytes=4000, shrink=False)
    assert problem.kind == "too_large" and "4000" in problem.message and not (tmp_path / "no.jpg").exists()
    assert sorted(os.listdir(tmp_path)) == ["free.jpg", "small.jpg", "tiny.jpg"], "nothing temporary is left"


def test_web_png_and_webp(client, tmp_path):
    array = noise(400, 300)
    image, _ = opened(client, array)
    client.call("convert_image_precision", image=image, precision="u16")
    answer = client.call("export_for_web", image=image, path=str(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == "RGBA" and np.array_equal(np.asarray(written), array)
    assert answer["quality"] is None
    client.call("export_for_web", image=image, path=str(tmp_path / "a.webp"), max_side=200)
    with Image.open(tmp_path / "a.webp") as written:
        assert written.format == "WEBP" and written.size == (200, 150)
    assert np.array_equal(read(client, image), array), "the image stays as it is"


def test_web_colours_and_background(client, tmp_path):
    image, _ = opened(client, smooth(310, 205))
    client.call("set_color_profile", image=image, action="convert", profile="adobe-rgb")
    client.call("export_for_web", image=image, path=str(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as written:
        assert "icc_profile" not in written.info
        # Adobe's gamma has few of 8 bits for the darkest colours
        difference = np.abs(np.asarray(written.convert("RGB")).astype(int) - smooth(310, 205))
        assert difference.max() <= 14 and difference.mean() < 0.5
    clear = client.call("create_new_image", width=310, height=205, color="transparent")["image"]
    client.call("export_for_web", image=clear, path=str(tmp_path / "b.jpg"), background="#00ff00", quality=100)
    with Image.open(tmp_path / "b.jpg") as written:
        assert np.abs(np.asarray(written).astype(int) - (0, 255, 0)).max() <= 3


def test_bad_web_exports(client, tmp_path):
    image, _ = opened(client, noise(310, 205, 3))
    assert "save_image" in error(client, "export_for_web", image=image, path=str(tmp_path / "a.tiff")).hint
    problem = error(client, "export_for_web", image=image, path=str(tmp_path / "a.png"), preset="web-jpeg")
    assert ".jpg" in problem.message and "web-jpeg" in problem.message
    assert (
        "min_quality" in error(client, "export_for_web", image=image, path=str(tmp_path / "a.jpg"), quality=30).message
    )
    assert error(client, "export_for_web", image=image, path=str(tmp_path / "no" / "a.jpg")).kind == "not_found"
    (tmp_path / "there.jpg").write_bytes(b"old")
    assert (
        "overwrite"
        in error(client, "export_for_web", image=image, path=str(tmp_path / "there.jpg"), overwrite=False).hint
    )
    assert (tmp_path / "there.jpg").read_bytes() == b"old"


def test_icons(client, tmp_path):
    image, _ = opened(client, smooth(360, 240))
    answer = client.call("export_icons", image=image, folder=str(tmp_path), sizes=[512, 16, 48, 16], name="fav/icon")
    assert sorted(os.listdir(tmp_path)) == ["fav_icon-16.png", "fav_icon-48.png", "fav_icon-512.png", "fav_icon.ico"]
    assert "512" in answer["note"] and answer["files"][-1]["sizes"] == [16, 48]
    for size in (16, 48, 512):
        with Image.open(tmp_path / f"fav_icon-{size}.png") as written:
            assert written.size == (size, size) and written.mode == "RGBA"
            alpha = np.asarray(written)[..., 3]
            border = size // 6 - 2 - size // 40  # less what scaling blurs
            assert (alpha[: max(border, 1), :] == 0).all() and (alpha[size // 2 - 1 : size // 2 + 1] == 255).all()
    with Image.open(tmp_path / "fav_icon.ico") as written:
        assert written.format == "ICO" and written.info["sizes"] == {(16, 16), (48, 48)}
    client.call("export_icons", image=image, folder=str(tmp_path), sizes=[32], name="cut", fit="cover", formats="png")
    with Image.open(tmp_path / "cut-32.png") as written:
        assert (np.asarray(written.convert("RGBA"))[..., 3] == 255).all()
    assert "256" in error(client, "export_icons", image=image, folder=str(tmp_path), sizes=[512], formats="ico").message
    assert error(client, "export_icons", image=image, folder=str(tmp_path / "no")).kind == "not_found"


def test_each_layer_to_a_file(client, tmp_path):
    image, ids, colors = shapes(client)
    answer = client.call("export_layers", image=image, folder=str(tmp_path), pattern="{index}_{name}")
    assert [os.path.basename(each["path"]) for each in answer["files"]] == [
        "1_part 3.png",
        "2_part 2.png",
        "3_part 1.png",
    ]
    for row, color, id_ in zip(answer["files"], colors[::-1], ids[::-1]):
        with Image.open(row["path"]) as written:
            rows, columns = shown(int(row["name"][-1]) - 1)  # what of it is on the canvas
            size = columns.stop - columns.start, rows.stop - rows.start
            assert written.size == size == (row["width"], row["height"]) and row["layer"] == id_
            assert (np.asarray(written.convert("RGBA")) == color).all()
    client.call("set_layer_properties", image=image, layer=ids[0], visible=False)
    answer = client.call("export_layers", image=image, folder=str(tmp_path), pattern="same", crop="canvas")
    assert [os.path.basename(each["path"]) for each in answer["files"]] == ["same.png", "same-2.png"]
    with Image.open(tmp_path / "same.png") as written:
        wanted = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        wanted[shown(2)] = colors[2]
        assert np.array_equal(np.asarray(written), wanted)
    # A mask and opacity are in the picture, and cropping to the content follows them
    client.python(f"Gimp.Image.get_by_id({image}).select_rectangle(Gimp.ChannelOps.REPLACE, 200, 100, 40, 30)", image=image)
    client.call("add_layer_mask", image=image, layer=ids[1], fill="selection")
    client.call("set_layer_properties", image=image, layer=ids[1], opacity=50, mode="multiply")
    answer = client.call(
        "export_layers", image=image, folder=str(tmp_path), layers=[ids[1]], crop="content", pattern="m"
    )
    with Image.open(tmp_path / "m.png") as written:
        assert written.size == (40, 30) and np.abs(np.asarray(written).astype(int) - (0, 255, 0, 128)).max() <= 1
    assert (answer["files"][0]["x"], answer["files"][0]["y"]) == (200, 100)


def test_layers_in_groups_and_nothing_to_see(client, tmp_path):
    image, ids, _ = shapes(client)
    client.call("create_layer_group", image=image, layers=ids[:2], name="pair")
    client.call("create_layer", image=image, name="clear", position=0)
    answer = client.call("export_layers", image=image, folder=str(tmp_path), crop="content")
    assert [row["name"] for row in answer["files"]] == ["part 3", "pair"] and len(answer["skipped"]) == 1
    assert "nothing to see" in answer["note"]
    answer = client.call("export_layers", image=image, folder=str(tmp_path), groups="separate", crop="content")
    assert sorted(row["name"] for row in answer["files"]) == ["part 1", "part 2", "part 3"]
    assert "{layer}" in error(client, "export_layers", image=image, folder=str(tmp_path), pattern="{layer}").message
    assert "folder" in error(client, "export_layers", image=image, folder=str(tmp_path), pattern="../{name}").message
    assert error(client, "export_layers", image=image, folder=str(tmp_path), format="nosuch").kind == "unsupported"


@pytest.mark.parametrize("ending", ("png", "webp"))
def test_sprite_sheet(client, tmp_path, ending):
    image, ids, colors = shapes(client)
    answer = client.call("export_sprite_sheet", image=image, path=str(tmp_path / f"s.{ending}"), columns=2, padding=1)
    atlas = json.loads((tmp_path / "s.json").read_text())
    assert list(atlas["frames"]) == ["part 3", "part 2", "part 1"] and atlas["meta"]["image"] == f"s.{ending}"
    assert atlas["meta"]["size"] == {"w": 1003, "h": 763} == {"w": answer["width"], "h": answer["height"]}
    with Image.open(tmp_path / f"s.{ending}") as written:
        sheet = np.asarray(written.convert("RGBA"))
    assert sheet.shape == (763, 1003, 4)
    for number, (name, row) in enumerate(atlas["frames"].items()):
        frame = row["frame"]
        assert (frame["x"], frame["y"]) == (1 + number % 2 * 501, 1 + number // 2 * 381) and not row["trimmed"]
        cell = sheet[frame["y"] : frame["y"] + frame["h"], frame["x"] : frame["x"] + frame["w"]]
        wanted = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        part = int(name[-1]) - 1
        wanted[shown(part)] = colors[part]
        assert np.array_equal(cell, wanted), name
    assert len(ids) == 3


def test_trimmed_sprites_can_be_put_back(client, tmp_path):
    image, _, colors = shapes(client)
    answer = client.call(
        "export_sprite_sheet", image=image, path=str(tmp_path / "s.png"), trim=True, power_of_two=True, order="bottom-up",
        atlas_path=str(tmp_path / "atlas.json"),
    )  # fmt: skip
    assert (answer["width"], answer["height"]) == (512, 512)
    atlas = json.loads((tmp_path / "atlas.json").read_text())
    sheet = np.asarray(Image.open(tmp_path / "s.png").convert("RGBA"))
    whole = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for row in atlas["frames"].values():
        frame, source = row["frame"], row["spriteSourceSize"]
        assert row["trimmed"] and row["sourceSize"] == {"w": WIDTH, "h": HEIGHT}
        whole[source["y"] : source["y"] + source["h"], source["x"] : source["x"] + source["w"]] = sheet[
            frame["y"] : frame["y"] + frame["h"], frame["x"] : frame["x"] + frame["w"]
        ]
    assert list(atlas["frames"]) == ["part 1", "part 2", "part 3"] and np.array_equal(whole, read(client, image))
    assert ".png or .webp" in error(client, "export_sprite_sheet", image=image, path=str(tmp_path / "s.jpg")).message
    problem = error(
        client, "export_sprite_sheet", image=image, path=str(tmp_path / "s.png"), atlas_path=str(tmp_path / "a.txt")
    )
    assert ".json" in problem.message and colors


def wanted_frames(colors, combine):
    found, so_far = [], np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for part, color in enumerate(colors):
        frame = so_far.copy() if combine else np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        frame[shown(part)] = color
        so_far = frame
        found.append(frame)
    return found


@pytest.mark.parametrize("ending", ("gif", "webp", "apng", "png"))
@pytest.mark.parametrize("dispose", ("replace", "combine"))
def test_animations(client, tmp_path, ending, dispose):
    image, ids, colors = shapes(client)
    client.call("set_layer_properties", image=image, layer=ids[1], name="middle (250ms)")
    path = tmp_path / f"film.{ending}"
    answer = client.call("export_animation", image=image, path=str(path), delay=80, dispose=dispose, quality=100)
    assert (answer["frames"], answer["delays"], answer["loops"]) == (3, [80, 250, 80], 0)
    assert answer["bytes"] == path.stat().st_size
    with Image.open(path) as film:
        shown = [(np.asarray(frame.convert("RGBA")), frame.info["duration"]) for frame in ImageSequence.Iterator(film)]
    assert [round(duration) for _, duration in shown] == [80, 250, 80]
    for (got, _), wanted in zip(shown, wanted_frames(colors, dispose == "combine")):
        assert np.array_equal(got[..., 3], wanted[..., 3])
        assert np.array_equal(got * (got[..., 3:] > 0), wanted)


def test_loops_and_order(client, tmp_path):
    image, _, colors = shapes(client, 4)
    for ending in ("gif", "png"):
        answer = client.call(
            "export_animation", image=image, path=str(tmp_path / f"f.{ending}"), loops=3, order="top-down"
        )
        assert answer["loops"] == 3 and answer["frames"] == 4
        with Image.open(tmp_path / f"f.{ending}") as film:
            first = np.asarray(film.convert("RGBA"))
        assert tuple(first[300, 490]) == colors[3]
    assert client.call("export_animation", image=image, path=str(tmp_path / "f.webp"), loops=1)["loops"] == 1
    assert client.call("export_animation", image=image, path=str(tmp_path / "f.webp"), loops=3)["loops"] == 3
    with Image.open(tmp_path / "f.webp") as film:
        assert film.info["loop"] == 3 and film.n_frames == 4
    assert ".gif" in error(client, "export_animation", image=image, path=str(tmp_path / "f.mp4")).message


@pytest.mark.parametrize("base", ("GRAY", "INDEXED"))
def test_animations_of_other_modes(client, tmp_path, base):
    image, _, _ = shapes(client)
    client.call("convert_image_mode", image=image, mode=base)
    for ending in ("gif", "webp", "png"):
        assert client.call("export_animation", image=image, path=str(tmp_path / f"f.{ending}"))["frames"] == 3
    client.call("export_sprite_sheet", image=image, path=str(tmp_path / "s.png"))
    client.call("export_layers", image=image, folder=str(tmp_path))
    client.call("export_icons", image=image, folder=str(tmp_path), sizes=[16])
    assert client.call("list_images")["images"][0]["id"] == image and len(client.call("list_images")["images"]) == 1


def test_a_folder(client, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir(), target.mkdir()
    for number in range(3):
        (source / f"p{number}.png").write_bytes(png(noise(310 + number, 205, 3, number)))
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (source / "notes.txt").write_text("no picture")
    (source / ".hidden.png").write_bytes(b"")
    reply = client.stream(
        "export_batch", folder=str(source), to_folder=str(target), pattern="*.PNG", format="jpg", name="{index}-{name}",
        width=150, height=150, quality=80,
    )  # fmt: skip
    answer = reply.result
    assert (answer["done"], answer["failed"]) == (3, 1) and "3 of 4" in answer["message"]
    assert [row["source"] for row in answer["files"]] == ["broken.png", "p0.png", "p1.png", "p2.png"]
    assert "broken.png" in answer["files"][0]["error"] and reply.progress[-1]["progress"] == 1
    assert sorted(os.listdir(target)) == ["0002-p0.jpg", "0003-p1.jpg", "0004-p2.jpg"]
    with Image.open(target / "0002-p0.jpg") as written:
        assert written.format == "JPEG" and written.size == (150, 99)
    assert client.call("list_images")["images"] == []


def test_bad_folders(client, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    call = {"folder": str(source), "to_folder": str(tmp_path)}
    assert "matches" in error(client, "export_batch", **call).message
    (source / "a.png").write_bytes(png(noise(310, 205, 3)))
    (source / "b.png").write_bytes(png(noise(310, 205, 3)))
    problem = error(client, "export_batch", **call, max_files=1)
    assert problem.kind == "too_large" and "max_files" in problem.hint
    problem = error(client, "export_batch", folder=str(source), to_folder=str(source), pattern="a.png", overwrite=True)
    assert "replace itself" in problem.message
    (source / "notes.txt").write_text("no picture, and not looked at")
    (tmp_path / "a.png").write_bytes(b"mine")
    answer = client.call("export_batch", **call)
    assert (
        answer["failed"] == 1
        and "exists" in answer["files"][0]["error"]
        and (tmp_path / "a.png").read_bytes() == b"mine"
    )
    assert error(client, "export_batch", folder=str(tmp_path / "no"), to_folder=str(tmp_path)).kind == "not_found"


def test_a_cancelled_folder_says_what_was_done(client, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir(), target.mkdir()
    for number in range(200):
        (source / f"{number:03}.png").write_bytes(png(noise(200, 200, 3)))  # small: 200 files, and their number is the point
    request = client.send_call("export_batch", {"folder": str(source), "to_folder": str(target)}, timeout=120)
    while not client._open[request].progress:
        client._dispatch(*client.receive())
    client.cancel(request)
    with pytest.raises(CallError) as raised:
        client.wait(request)
    assert raised.value.kind == "cancelled"
    done = [row for row in raised.value.details["files"] if "error" not in row]
    assert 1 <= len(done) < 200 and len(os.listdir(target)) in (len(done), len(done) + 1)
    assert all(not name.startswith(".") for name in os.listdir(target)), "nothing temporary is left"
    assert client.call("list_images")["images"] == []


def test_the_allowed_folders_hold_for_exports(gimp_version, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (outside / "a.png").write_bytes(png(noise(310, 205, 3)))
    (inside / "link").symlink_to(outside)
    with Gimp(gimp_version, settings={"folders": [str(inside)]}) as gimp, gimp.client() as client:
        client.call("create_new_image", width=310, height=205)
        for name, arguments in (
            ("export_for_web", {"path": str(outside / "a.jpg")}),
            ("export_icons", {"folder": str(outside)}),
            ("export_icons", {"folder": str(inside / "link")}),
            ("export_layers", {"folder": str(outside)}),
            ("export_sprite_sheet", {"path": str(inside / "s.png"), "atlas_path": str(outside / "s.json")}),
            ("export_animation", {"path": str(inside / "link" / "f.gif")}),
            ("export_batch", {"folder": str(outside), "to_folder": str(inside)}),
            ("export_batch", {"folder": str(inside), "to_folder": str(outside)}),
        ):
            with pytest.raises(CallError) as raised:
                client.call(name, **arguments)
            assert raised.value.kind == "forbidden", f"{name} {arguments}: {raised.value}"
        assert os.listdir(outside) == ["a.png"] and sorted(os.listdir(inside)) == ["link"]
        client.call("export_for_web", path=str(inside / "a.jpg"))
