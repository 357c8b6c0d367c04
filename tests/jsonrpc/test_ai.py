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
