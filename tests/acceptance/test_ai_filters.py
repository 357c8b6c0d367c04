"""AI filters on a live image over MCP: what they change, where the result goes, and how they end. Also the analysis."""

import asyncio

import numpy
from support import call, python, value

SIZE = 72, 56


async def photo(client, precision="u8"):
    """A picture with soft shapes and grain, and its layer."""
    made = await call(client, "create_new_image", width=SIZE[0], height=SIZE[1], precision=precision, alpha=False)
    await python(
        client,
        "import random, math",
        f"l = Gimp.Item.get_by_id({made['layer']}); b = l.get_buffer(); r = random.Random(5)",
        f"px = bytes(max(0, min(255, int(110 + 60 * math.sin(x / 9 + c) + 40 * math.cos(y / 7) + r.randrange(9)))) "
        f"for y in range({SIZE[1]}) for x in range({SIZE[0]}) for c in range(3))",
        f"b.set(Gegl.Rectangle.new(0, 0, {SIZE[0]}, {SIZE[1]}), \"R'G'B' u8\", px); b.flush(); l.update(0, 0, {SIZE[0]}, {SIZE[1]})",
        image=made["image"],
    )
    return made["image"], made["layer"]


async def seen(client, image, **arguments):
    return (await call(client, "get_image_bitmap", image=image, **arguments))["picture"][..., :3].astype(int)


def run(shared, scenario):
    async def with_client():
        async with shared.client(read_timeout_seconds=300) as client:
            before = {row["id"] for row in (await call(client, "list_images"))["images"]}
            try:
                await scenario(client)
            finally:
                for row in (await call(client, "list_images"))["images"]:
                    if row["id"] not in before:
                        await call(client, "close_image", image=row["id"], discard_changes=True)

    asyncio.run(with_client())


def test_every_native_filter_keeps_to_the_selection_and_is_one_undo_step(shared):
    async def scenario(client):
        listed = (await call(client, "list_ai_filters"))["filters"]
        names = {row["name"] for row in listed if row["origin"] == "native"}
        assert names == {"remove-object", "oil-painting", "style-from-image", "auto-enhance"}
        image, layer = await photo(client)
        style = (await call(client, "create_new_image", width=320, height=240, color="#a03010"))["image"]
        before = await seen(client, image)
        await call(client, "create_ellipse_selection", image=image, x=20, y=14, width=30, height=24)
        for name in sorted(names):
            more = {"style_image": style} if name == "style-from-image" else {}
            done = await call(client, "run_ai_filter", image=image, filter=name, result="replace", **more)
            after = await seen(client, image)
            assert done["filter"] == name and done["effect"]["changed"] is True, done
            inside = numpy.zeros(before.shape[:2], bool)
            inside[14:38, 20:50] = True
            assert (after != before)[inside].any(), f"{name} changed nothing"
            assert (after == before)[~inside].all(), f"{name} changed pixels outside of the selection"
            await call(client, "undo", image=image)
            assert (await seen(client, image) == before).all(), name

    run(shared, scenario)


def test_an_object_disappears(shared):
    async def scenario(client):
        image, layer = await photo(client)
        before = await seen(client, image)
        await call(client, "draw_rectangle", image=image, x=30, y=20, width=10, height=12, fill_color="#ff00ff")
        await call(client, "create_rectangle_selection", image=image, x=28, y=18, width=14, height=16)
        done = await call(client, "run_ai_filter", image=image, filter="remove-object")
        assert done["result"] == "new_layer" and done["effect"]["layers_added"] == [done["layer"]]
        after = await seen(client, image)
        error = numpy.abs(after - before)[18:34, 28:42].mean()
        assert error < 30, f"the hole is {error:.0f} levels off on average"
        pink = (numpy.abs(after - (255, 0, 255)).max(axis=2) < 40).sum()
        assert pink == 0, f"{pink} pixels of the object are left"

    run(shared, scenario)


def test_sixteen_bits_stay_and_a_new_image_is_one(shared):
    async def scenario(client):
        image, _ = await photo(client, "u16")
        done = await call(client, "run_ai_filter", image=image, filter="auto-enhance", result="new_image")
        made = (await call(client, "get_image_metadata", image=done["new_image"]))["basic"]
        assert (made["width"], made["height"], made["precision"]) == (*SIZE, "16-bit integer")
        assert done["notes"] and done["effect"]["images_added"] == [done["new_image"]]

    run(shared, scenario)


def test_what_cannot_run_says_what_to_do(shared):
    async def scenario(client):
        image, layer = await photo(client)
        before = await seen(client, image)
        for arguments, kind, words in (
            ({"filter": "oil-paintin"}, "not_found", "oil-painting"),
            ({"filter": "remove-object"}, "invalid_argument", "select"),
            ({"filter": "style-from-image"}, "invalid_argument", "style"),
            ({"filter": "oil-painting", "parameters": {"brush": "huge"}}, "invalid_argument", "brush"),
            ({"filter": "oil-painting", "parameters": {"brushes": 3}}, "invalid_argument", "brush"),
            ({"filter": "auto-enhance", "result": "selection"}, "invalid_argument", "new_layer"),
            ({"filter": "auto-enhance", "layer": 999999}, "not_found", "999999"),
        ):
            problem = await call(client, "run_ai_filter", _error=True, image=image, **arguments)
            text = f"{problem['message']} {problem.get('hint', '')}"
            assert problem["kind"] == kind and words in text, (arguments, problem)
        assert (await seen(client, image) == before).all()
        assert len((await call(client, "get_image_metadata", image=image))["structure"]["layers"]) == 1

    run(shared, scenario)


def test_a_time_limit_ends_a_filter_and_leaves_the_image(shared):
    async def scenario(client):
        image = (await call(client, "create_new_image", width=2500, height=2000, color="#406080"))["image"]
        await call(client, "add_noise", image=image, amount=40)
        problem = await call(client, "run_ai_filter", _error=True, image=image, filter="oil-painting", timeout=1)
        assert problem["kind"] == "timeout" and "1 s" in problem["message"]
        assert len((await call(client, "get_image_metadata", image=image))["structure"]["layers"]) == 1

    run(shared, scenario)


def test_the_analysis_is_numpy_s(shared):
    async def scenario(client):
        image, _ = await photo(client)
        pixels = await seen(client, image)
        answer = (await call(client, "analyze_image", image=image))["analysis"]
        assert answer["dimensions"] == {"width": SIZE[0], "height": SIZE[1], "aspect_ratio": round(SIZE[0] / SIZE[1], 2)}
        average = pixels.reshape(-1, 3).mean(axis=0)
        assert numpy.abs(numpy.array(answer["color_analysis"]["average_color"]["rgb"]) - average).max() <= 0.51
        part = (await call(client, "analyze_image", image=image, region=[10, 5, 20, 15], analysis_type="basic"))["analysis"]
        average = pixels[5:20, 10:30].reshape(-1, 3).mean(axis=0)
        assert numpy.abs(numpy.array(part["color_analysis"]["average_color"]["rgb"]) - average).max() <= 0.51
        await call(client, "create_rectangle_selection", image=image, x=0, y=0, width=8, height=8)
        some = (await call(client, "analyze_image", image=image, selection=True, analysis_type="basic"))["analysis"]
        average = pixels[:8, :8].reshape(-1, 3).mean(axis=0)
        assert numpy.abs(numpy.array(some["color_analysis"]["average_color"]["rgb"]) - average).max() <= 0.51

    run(shared, scenario)


def test_points_say_what_the_subject_is(shared):
    """Two discs of one colour on a layer that begins outside of the canvas."""
    left, right = (90, 100), (230, 110)  # in image pixels

    async def discs(client):
        image = (await call(client, "create_new_image", width=330, height=220, color="#5a785a"))["image"]
        await python(
            client,
            f"i = Gimp.Image.get_by_id({image}); l = Gimp.Layer.new(i, 'discs', 360, 240, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)",
            "i.insert_layer(l, None, 0); l.set_offsets(-25, -10); b = l.get_buffer(); k = [(115, 110), (255, 120)]",
            "px = bytes(v for y in range(240) for x in range(360) for v in ((225 + x * 7 % 9, 60 + y * 5 % 9, 40)"
            " if any((x - a) ** 2 + (y - c) ** 2 < 1600 for a, c in k) else (90 + x * 5 % 9, 120 + y * 7 % 9, 90)))",
            "b.set(Gegl.Rectangle.new(0, 0, 360, 240), \"R'G'B' u8\", px); b.flush(); l.update(0, 0, 360, 240)",
            image=image,
        )
        layers = (await call(client, "get_image_metadata", image=image))["structure"]["layers"]
        return image, layers[0]["id"]

    async def scenario(client):
        image, layer = await discs(client)

        async def selected(place):
            at = f"Gimp.Selection.value(Gimp.Image.get_by_id({image}), {place[0]}, {place[1]})"
            return await value(client, at, image=image) > 127

        both = {"box": [40, 50, 240, 110]}
        for marked, wanted in (
            ({}, (True, True)),
            (both, (True, True)),
            ({**both, "background_points": [right]}, (True, False)),
            ({"points": [right]}, (False, True)),
            ({"points": [left], "background_points": [right]}, (True, False)),
        ):
            await call(client, "select_none", image=image)
            done = await call(client, "select_subject", image=image, layer=layer, **marked)
            assert (await selected(left), await selected(right), await selected((160, 100))) == (*wanted, False), marked
            assert any("the subject was found by" in note for note in done["notes"]), done
            assert done["parameters"]["model"], done
        await call(client, "select_none", image=image)
        for arguments, words in (
            ({"filter": "cut-out", "points": [[329, 219], [500, 9]]}, "lies outside of the layer"),
            ({"filter": "auto-enhance", "points": [left]}, "takes no points"),
            ({"filter": "remove-object"}, "selection"),
        ):
            problem = await call(client, "run_ai_filter", _error=True, image=image, layer=layer, **arguments)
            assert problem["kind"] == "invalid_argument" and words in problem["message"], problem
            assert "--" not in problem["hint"], problem

    run(shared, scenario)


def test_the_bundled_models_work_on_a_live_image(shared):
    async def scenario(client):
        image, layer = await photo(client)
        before = await seen(client, image)
        done = await call(client, "run_ai_filter", image=image, filter="upscale", parameters={"scale": 2, "source": "clean"})
        assert done["result"] == "new_image" and (done["width"], done["height"]) == (SIZE[0] * 2, SIZE[1] * 2)
        large = await seen(client, done["new_image"])
        small = large.reshape(SIZE[1], 2, SIZE[0], 2, 3).mean(axis=(1, 3))
        assert numpy.abs(small - before).mean() < 6
        await python(client, f"Gimp.Image.get_by_id({image}).get_layers()[0].set_name('noisy')", image=image)
        await call(client, "add_noise", image=image, amount=30)
        noisy = await seen(client, image)
        done = await call(client, "run_ai_filter", image=image, filter="denoise", result="replace")
        assert done["parameters"]["strength"] > 5, "the strength is measured"
        clean = await seen(client, image)
        assert numpy.abs(clean - before).mean() < numpy.abs(noisy - before).mean() * 0.7
        await call(client, "create_new_image", width=320, height=210, color="#305030")
        await call(client, "draw_ellipse", x=105, y=100, width=50, height=50, fill_color="#e0c0a0")
        found = await call(client, "select_subject", box=[95, 90, 70, 70])
        bounds = found["selection"]
        assert bounds and abs(bounds["x"] - 105) <= 4 and abs(bounds["width"] - 50) <= 8, found

    run(shared, scenario)


# What a large image has that a single layer has not: groups, a mask, a moved layer, modes, locks, guides, a resolution
RICH = (
    "i = Gimp.Image.get_by_id({image}); base = i.get_layers()[0]; base.set_name('chelsea')",
    "g = Gimp.GroupLayer.new(i, 'parts'); i.insert_layer(g, None, 0); g.set_opacity(80)",
    "l = Gimp.Layer.new(i, 'moved', 330, 90, {kind}, 60, Gimp.LayerMode.MULTIPLY); i.insert_layer(l, g, 0)",
    "l.set_offsets(-21, 40); l.fill(Gimp.FillType.FOREGROUND)",
    "m = l.create_mask(Gimp.AddMaskType.WHITE); l.add_mask(m); i.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 40, 150, 50)",
    "Gimp.context_set_background(Gegl.Color.new('black')); m.edit_fill(Gimp.FillType.BACKGROUND)",
    "i.select_ellipse(Gimp.ChannelOps.REPLACE, 200, 100, 60, 40); l.set_lock_content(True)",
    "i.add_hguide(50); i.set_resolution(300, 300)",
)
LOOK = """(lambda i: [i.get_width(), i.get_height(), i.get_resolution()[1], i.get_guide_position(i.find_next_guide(0)),
 [[l.get_name(), l.get_opacity(), int(l.get_mode()), l.get_width(), l.get_height(), list(l.get_offsets()[1:])]
  for l in (*i.get_layers(), *i.get_layers()[0].get_children())],
 i.get_layers()[0].get_children()[0].get_mask().get_width(), i.get_layers()[0].get_children()[0].get_lock_content(),
 [round(c, 2) for c in i.get_layers()[0].get_children()[0].get_mask().get_pixel(20, 10).get_rgba()][0],
 [int(n) for n in Gimp.Selection.bounds(i)[2:]], int(i.get_base_type()), int(i.get_precision())])(Gimp.Image.get_by_id({image}))"""


def test_what_an_enlarging_filter_makes_is_the_whole_image(shared):
    """A copy named after it, or itself: layers, names, masks, groups, modes, locks, guides, in every mode and precision."""

    async def look(client, image):
        return await value(client, " ".join(LOOK.format(image=image).split()), image=image)

    def assert_doubled(found, facts, mode):
        width, height, resolution, guide, layers, mask, locked, masked, selection, base, precision = facts
        twice = [[*layer[:3], layer[3] * 2, layer[4] * 2, [n * 2 for n in layer[5]]] for layer in layers]
        wanted = [width * 2, height * 2, resolution, guide * 2, twice, mask * 2, locked, masked, base, precision]
        edges = found.pop(8)  # soft ones lie a few pixels further out
        assert found == wanted and all(abs(n - 2 * m) <= 4 for n, m in zip(edges, selection)), (mode, found, edges)

    async def scenario(client):
        for mode, precision, linear in (("rgb", "u8", False), ("gray", "u8", False), ("rgb", "u16", True), ("indexed", "u8", False)):
            made = await call(client, "create_new_image", width=300, height=200, color="#305070",
                              base_type="gray" if mode == "gray" else "rgb", precision=precision, linear=linear)
            image = (await call(client, "duplicate_image", image=made["image"], name="chelsea.png"))["image"]
            await call(client, "draw_ellipse", image=image, x=120, y=60, width=90, height=70, fill_color="#f0c080")
            if mode == "indexed":
                await call(client, "convert_image_mode", image=image, mode="indexed", colors=8)
            kind = {"gray": "Gimp.ImageType.GRAYA_IMAGE", "indexed": "Gimp.ImageType.INDEXEDA_IMAGE"}.get(mode, "Gimp.ImageType.RGBA_IMAGE")
            await python(client, *(line.format(image=image, kind=kind) for line in RICH), image=image)
            before, small = await look(client, image), await seen(client, image)
            done = await call(client, "run_ai_filter", image=image, filter="upscale", parameters={"scale": 2, "source": "clean"})
            copy = done["new_image"]
            assert copy != image and done["next_image"] == copy and done["result"] == "new_image", done
            assert done["effect"]["images_added"] == [copy] and "chelsea-2x" in done["message"], done
            listed = {row["id"]: row for row in (await call(client, "list_images"))["images"]}
            assert listed[copy]["name"] == "chelsea-2x" and not listed[copy].get("path"), listed
            assert await look(client, image) == before and (await seen(client, image) == small).all(), "the image itself"
            assert_doubled(await look(client, copy), before, mode)
            large = await seen(client, copy)
            channels = large.shape[2]
            averaged = large.reshape(200, 2, 300, 2, channels).mean(axis=(1, 3))
            assert numpy.abs(averaged - small).mean() < 6, mode
            if mode == "indexed":
                assert "palette" in done.get("note", "") + str(done["notes"]), done
            scaled = await call(client, "run_ai_filter", image=image, filter="upscale", result="scaled_image",
                                parameters={"scale": 2, "source": "clean"})
            assert scaled["effect"]["checkpoint"], scaled
            assert_doubled(await look(client, image), before, mode)
            assert numpy.abs(await seen(client, image) - large).mean() < 1, mode
            await call(client, "undo", image=image)
            assert await look(client, image) == before and (await seen(client, image) == small).all(), mode
        # A part that is named is a picture of that part
        layer = (await call(client, "get_image_metadata", image=image))["structure"]["layers"][-1]["id"]
        part = await call(client, "run_ai_filter", image=image, layer=layer, filter="upscale", result="new_image")
        layers = (await call(client, "get_image_metadata", image=part["new_image"]))["structure"]["layers"]
        assert len(layers) == 1 and part["new_image"] != copy, part

    run(shared, scenario)
