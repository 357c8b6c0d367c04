"""The AI methods on pictures that come along and in sessions, and the assistant that does what it is asked."""

import numpy
import pytest
from api import Failed, decode, png


def photo(width=64, height=48):
    """Smooth and varied."""
    y, x = numpy.indices((height, width))
    return numpy.stack([120 + 70 * numpy.sin(x / 9), 110 + 60 * numpy.cos(y / 7), 90 + 50 * numpy.sin((x + y) / 11)], axis=2).astype("uint8")


def test_inpainting_without_a_gimp_image(server):
    picture = photo()
    marked = picture.copy()
    marked[20:30, 25:37] = (255, 0, 255)
    done = server.api.call("ai_inpainting", image_data=png(marked), region={"x": 23, "y": 18, "width": 16, "height": 14})
    assert done["success"] is True and done["filter"] == "remove-object", done
    assert done["image_dimensions"] == {"width": 64, "height": 48} and "session_id" not in done
    made = decode(done["image_data"]).astype(int)[..., :3]
    assert (numpy.abs(made - (255, 0, 255)).max(axis=2) > 60).all(), "the mark is still there"
    away = numpy.ones((48, 64), bool)
    away[14:36, 19:43] = False
    assert (made[away] == picture[away]).all(), "pixels far from the hole changed"
    mask = numpy.zeros((48, 64, 3), "uint8")
    mask[18:32, 23:39] = 255
    again = server.api.call("ai_inpainting", image_data=png(marked), mask_data=png(mask), seed=3)
    _, _, metrics = server.api.http("GET", "/metrics")
    assert b'name="remove-object"' in metrics, "its time is among the metrics"
    assert again["success"] is True and again["parameters"]["seed"] == 3


def test_style_in_a_session_is_a_layer_of_it(server):
    opened = server.api.call("mcp_operation", operation="open_image", image_data=png(photo()))
    session = opened["session_id"]
    done = server.api.call("ai_style_transfer", session_id=session, include_image_data=True)
    assert done["success"] is True and done["filter"] == "oil-painting", done
    assert decode(done["image_data"]).shape[:2] == (48, 64)
    layers = server.api.call("mcp_operation", operation="get_image_metadata", session_id=session)["result"]["structure"]
    assert layers["num_layers"] == 2
    server.api.call("mcp_close_session", session_id=session)


def test_upscaling_makes_it_as_large_as_asked(server):
    picture = photo()
    done = server.api.call("ai_upscaling", image_data=png(picture), scale=2, source="clean")
    assert done["success"] is True, done
    made = decode(done["image_data"]).astype(int)[..., :3]
    assert made.shape[:2] == (96, 128)
    assert numpy.abs(made.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3)) - picture).mean() < 6


@pytest.fixture
def session(server):
    """A session of 300x200 with a small masked layer, of which the ids are not known."""
    api = server.api
    opened = api.operation("open_image", image_data=png(photo(300, 200)))["session_id"]
    small = api.operation("create_layer", session_id=opened, name="small", width=100, height=60)["result"]["layer"]
    api.operation("fill_selection", session_id=opened, layer=small, color="red")
    api.operation("move_layer", session_id=opened, layer=small, x=40, y=-20)
    api.operation("add_layer_mask", session_id=opened, layer=small)
    yield opened
    api.call("mcp_close_session", session_id=opened)


def layers(api, session):
    return api.operation("get_image_metadata", session_id=session)["result"]["structure"]["layers"]


def test_upscaling_a_session_scales_every_layer_and_is_one_step(server, session):
    api = server.api
    before, shown = layers(api, session), api.pixels(session)
    done = api.call("ai_upscaling", session_id=session, scale=2, source="clean")
    assert done["success"] is True, done
    assert done["image_dimensions"] == {"width": 600, "height": 400} and done["result"]["width"] == 600
    assert "all of its 2 layers" in done["message"] and done["filter"] == "upscale", done["message"]
    after = layers(api, session)
    assert [row["name"] for row in after] == [row["name"] for row in before]
    assert [(row["width"], row["height"], row["offset_x"], row["offset_y"]) for row in after] == [
        (2 * row["width"], 2 * row["height"], 2 * row["offset_x"], 2 * row["offset_y"]) for row in before
    ]
    assert after[0]["mask"] and before[0]["mask"]
    larger = api.pixels(session)[..., :3].astype(int)
    small = larger.reshape(200, 2, 300, 2, 3).mean(axis=(1, 3))
    assert numpy.abs(small - shown[..., :3]).mean() < 4
    assert (larger[4:70, 90:270] == [255, 0, 0]).mean() > 0.99
    api.operation("undo", session_id=session)
    assert (api.pixels(session) == shown).all() and api.pixels(session).shape[:2] == (200, 300)
    assert [row["name"] for row in layers(api, session)] == [row["name"] for row in before]


def test_a_style_keeps_to_the_sessions_selection_and_depth(server, session):
    api = server.api
    api.operation("convert_image_precision", session_id=session, precision="u16")
    api.operation("apply_blur", session_id=session, radius=6, layer=layers(api, session)[-1]["id"])
    api.operation("select_layers", session_id=session, layers=[layers(api, session)[-1]["id"]])
    api.operation("create_rectangle_selection", session_id=session, x=0, y=60, width=150, height=140)
    before = api.pixels(session).astype(int)
    done = api.call("ai_style_transfer", session_id=session, strength=60)
    assert done["success"] is True and done["parameters"]["strength"] == 60, done
    after = api.pixels(session).astype(int)
    changed = numpy.abs(after - before)[..., :3].max(axis=2) > 2
    assert changed[60:, :150].mean() > 0.2 and not changed[:, 152:].any() and not changed[:58].any()
    levels = api.value(session, "len(set(memoryview(bytes(Gimp.get_images()[0].get_layers()[1].get_buffer().get("
                       "Gegl.Rectangle.new(0, 0, 300, 200), 1.0, \"Y' u16\", Gegl.AbyssPolicy.NONE))).cast('H')))")
    assert levels > 1000


def test_a_style_picture_that_comes_along_works_in_place(server, session):
    """16 bits stay 16, the selection and the other layers are kept, and it is one step."""
    api = server.api
    api.operation("convert_image_precision", session_id=session, precision="u16")
    base = layers(api, session)[-1]["id"]
    api.operation("apply_blur", session_id=session, radius=6, layer=base)
    api.operation("select_layers", session_id=session, layers=[base])
    api.operation("create_rectangle_selection", session_id=session, x=0, y=60, width=150, height=140)
    names, before = [row["name"] for row in layers(api, session)], api.pixels(session).astype(int)
    style = numpy.random.default_rng(3).integers(0, 256, (60, 80, 3), numpy.uint8) // [1, 2, 6] + numpy.uint8(40)
    style = png(numpy.clip(style, 0, 255).astype("uint8"))
    done = api.call("ai_style_transfer", session_id=session, style_data=style, strength=80)
    assert done["success"] is True and done["filter"] == "style-from-image" and done["parameters"]["strength"] == 80, done
    assert len(layers(api, session)) == len(names) + 1 and [row["name"] for row in layers(api, session) if row["name"] in names] == names
    after = api.pixels(session).astype(int)
    changed = numpy.abs(after - before)[..., :3].max(axis=2) > 2
    assert changed[60:, :150].mean() > 0.2 and not changed[:, 152:].any() and not changed[:58].any()
    levels = api.value(session, "len(set(memoryview(bytes(Gimp.get_images()[0].get_layers()[1].get_buffer().get("
                       "Gegl.Rectangle.new(0, 0, 150, 140), 1.0, \"Y' u16\", Gegl.AbyssPolicy.NONE))).cast('H')))")
    assert levels > 1000
    api.operation("undo", session_id=session)
    assert (api.pixels(session).astype(int) == before).all() and [row["name"] for row in layers(api, session)] == names
    refused = api.call("ai_style_transfer", session_id=session, style_data="!!!!")
    assert refused["success"] is False and "`style_data` is not base64" in refused["message"], refused
    refused = api.call("ai_style_transfer", session_id=session, style_data=style, filter="oil-painting")
    assert refused["success"] is False and "takes no style picture" in refused["message"], refused


def test_inpainting_a_region_of_a_session_is_one_step_and_leaves_no_mask(server, session):
    api = server.api
    base = layers(api, session)[-1]["id"]
    api.operation("draw_rectangle", session_id=session, layer=base, x=160, y=90, width=20, height=16, fill_color="#ff00ff")
    api.operation("select_layers", session_id=session, layers=[base])
    before = api.pixels(session).astype(int)
    assert (before[95, 170, :3] == [255, 0, 255]).all()
    done = api.call("ai_inpainting", session_id=session, region={"x": 156, "y": 86, "width": 28, "height": 24})
    assert done["success"] is True and done["filter"] == "remove-object", done
    assert len(layers(api, session)) == 3 and "mask" not in [row["name"] for row in layers(api, session)]
    after = api.pixels(session).astype(int)
    assert (numpy.abs(after[92:104, 162:178, :3] - (255, 0, 255)).max(axis=2) > 60).all()
    assert (after[150:, :, :3] == before[150:, :, :3]).all()
    api.operation("undo", session_id=session)
    assert (api.pixels(session).astype(int) == before).all() and len(layers(api, session)) == 2
    api.operation("create_rectangle_selection", session_id=session, x=156, y=86, width=28, height=24)
    done = api.call("ai_inpainting", session_id=session)
    assert done["success"] is True, done
    after = api.pixels(session).astype(int)
    assert (numpy.abs(after[92:104, 162:178, :3] - (255, 0, 255)).max(axis=2) > 60).all()


def test_what_is_wrong_is_said(server):
    for method, params, words in (
        ("ai_upscaling", {}, "no picture"),
        ("ai_upscaling", {"image_data": "AAAA"}, "image_data"),
        ("ai_inpainting", {"image_data": png(photo()), "region": {"x": 999, "y": 0, "width": 3, "height": 3}}, "no pixel"),
        ("ai_inpainting", {"image_data": png(photo()), "mask_data": png(photo(10, 10))}, "10x10"),
        ("ai_style_transfer", {"image_data": png(photo()), "filter": "oil"}, "oil"),
    ):
        done = server.api.call(method, **params)
        assert done["success"] is False and words in done["message"] + done["error"].get("hint", ""), (method, done)
    with pytest.raises(Failed, match="what to fill"):
        server.api.call("ai_inpainting", image_data=png(photo()))


def test_the_assistant_does_it_in_a_session_as_one_step(server):
    dark = (photo() * 0.4).astype("uint8")
    session = server.api.call("mcp_operation", operation="open_image", image_data=png(dark))["session_id"]

    def shown():
        return decode(server.api.call("mcp_operation", operation="get_image_bitmap", session_id=session)["image_data"]).astype(int)[..., :3]

    before = shown()
    asked = server.api.call("ai_assistant", message="It is too dark, and make it more colourful", session_id=session)
    assert asked["status"] == "success" and len(asked["suggestions"]) == 2 and "applied" not in asked
    assert asked["suggestion"]["operation"] == "adjust_brightness_contrast" and asked["suggestion"]["parameters"]["brightness"] > 20
    assert (shown() == before).all()
    done = server.api.call("ai_assistant", message="It is too dark, and make it more colourful", session_id=session, apply=True)
    assert done["applied"] is True and done["message"].startswith("Done"), done
    assert shown().mean() > before.mean() + 10
    server.api.call("mcp_operation", operation="undo", session_id=session)
    assert (shown() == before).all(), "both wishes are one step"
    refused = server.api.call("ai_assistant", message="blur it", apply=True)
    assert refused["status"] == "error" and "session" in refused["message"]
    server.api.call("mcp_close_session", session_id=session)
