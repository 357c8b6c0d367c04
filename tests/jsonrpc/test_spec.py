"""Every example of the API's specification, sent as it is written there, gives an answer of the shape shown there."""

import base64
import io
import re

import numpy
import pytest
from api import decode, png
from PIL import Image

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
CREATE = {"operation": "create_new_image", "width": 800, "height": 600, "color": [255, 255, 255, 255]}


def answer(server, method, params):
    status, body = server.api.post({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
    assert status == 200 and body["jsonrpc"] == "2.0" and body["id"] == 1 and "error" not in body, body
    return body["result"]


def test_mcp_operation(server):
    result = answer(server, "mcp_operation", CREATE)
    assert result["success"] is True
    assert result["message"] == "Created new 800x600 image"
    assert UUID.match(result["session_id"])
    assert result["image_dimensions"] == {"width": 800, "height": 600}
    server.api.call("mcp_close_session", session_id=result["session_id"])


def test_execute_gimp_commands(server):
    commands = [
        {"operation": "create_new_image", "params": {"width": 800, "height": 600, "color": [255, 255, 255, 255]}},
        {"operation": "apply_blur", "params": {"radius": 5.0}},
    ]
    result = answer(server, "execute_gimp_commands", {"commands": commands, "include_image_data": True})
    assert result["success"] is True, result
    assert UUID.match(result["session_id"])
    assert [row["success"] for row in result["results"]] == [True, True]
    assert result["results"][0]["message"] == "Created new 800x600 image"
    assert result["image_dimensions"] == {"width": 800, "height": 600}
    assert decode(result["image_data"]).shape[:2] == (600, 800)
    server.api.call("mcp_close_session", session_id=result["session_id"])


def test_mcp_close_session(server):
    session = server.api.create()
    result = answer(server, "mcp_close_session", {"session_id": session})
    assert result == {"success": True, "message": f"Session {session} closed successfully", "status": "success"}
    again = answer(server, "mcp_close_session", {"session_id": session})
    assert again["success"] is False and session in again["message"] and again["error"]["kind"] == "not_found"


@pytest.mark.parametrize("name", ["image_data", "image_state"])
def test_image_analysis(server, name):
    picture = numpy.full((600, 800, 3), 120, numpy.uint8)
    result = answer(server, "image_analysis", {name: png(picture), "analysis_type": "detailed"})
    assert result["status"] == "success"
    analysis = result["analysis"]
    assert analysis["dimensions"] == {"width": 800, "height": 600, "aspect_ratio": 1.33}
    color = analysis["color_analysis"]
    assert color["average_color"] == {"rgb": [120, 120, 120], "hex": "#787878"}
    assert color["brightness"] == 120 and color["contrast"] == 0 and color["is_grayscale"] is True
    assert color["dominant_colors"] == ["Gray"]


def test_image_analysis_of_a_session_and_of_what_only_gimp_reads(server):
    session = server.api.create(color=[255, 0, 0])
    result = answer(server, "image_analysis", {"image_state": {"session_id": session}})
    assert result["analysis"]["color_analysis"]["average_color"]["hex"] == "#ff0000"
    xcf = server.api.operation("save_image", session_id=session, format="xcf")["image_data"]
    again = answer(server, "image_analysis", {"image_data": xcf})
    assert again["analysis"]["dimensions"]["width"] == 310
    part = answer(server, "image_analysis", {"session_id": session, "region": {"x": 110, "y": 0, "width": 200, "height": 100}})
    assert part["analysis"]["dimensions"] == {"width": 200, "height": 100, "aspect_ratio": 2.0}
    server.api.call("mcp_close_session", session_id=session)


def test_names_of_the_backend(server):
    opened = server.api.call("gimp_load_image", image_data=png(numpy.zeros((205, 310, 3), numpy.uint8)))
    assert opened["success"] and opened["image_dimensions"] == {"width": 310, "height": 205}
    saved = server.api.call("gimp_save_image", session_id=opened["session_id"], format="jpeg")
    assert saved["success"] and saved["result"]["format"] == "jpeg" and saved["image_data"]
    server.api.call("mcp_close_session", session_id=opened["session_id"])


def test_image_data_begins_a_session(server):
    picture = numpy.random.default_rng(1).integers(0, 256, (205, 310, 3), numpy.uint8)
    result = server.api.operation("get_image_bitmap", image_data=png(picture))
    assert (decode(result["image_data"])[..., :3] == picture).all()
    assert server.api.pixels(result["session_id"]).shape[:2] == (205, 310)
    server.api.call("mcp_close_session", session_id=result["session_id"])


def test_a_failed_operation_is_a_result(server):
    session = server.api.create()
    for params, kind in [
        ({"operation": "no_such"}, "unknown_operation"),
        ({"operation": "get_image_bitmap", "session_id": session, "max_width": "wide"}, "invalid_argument"),
        ({"operation": "create_new_image", "width": 0, "height": 200}, "invalid_argument"),  # small: no size at all
        ({"operation": "get_image_metadata", "session_id": "nope"}, "not_found"),
        ({"operation": "get_image_metadata", "session_id": session, "image": 999999}, "invalid_argument"),
        ({"operation": "close_image", "session_id": session}, "unsupported"),
        ({"operation": "get_image_metadata", "image_data": "!!!!"}, "invalid_argument"),
        ({"operation": "get_image_metadata", "image_data": "AAAA"}, "io_error"),
    ]:
        result = answer(server, "mcp_operation", params)
        assert result["success"] is False and result["message"], params
        assert result["error"]["kind"] == kind, result
        assert isinstance(result["error"]["code"], int)
    server.api.call("mcp_close_session", session_id=session)


def test_several_commands_are_one_change(server):
    """One undo step, one proof, also where one of them fails; pixels and layers come back."""
    picture = numpy.random.default_rng(8).integers(0, 256, (205, 310, 3), numpy.uint8)
    session = answer(server, "mcp_operation", {"operation": "open_image", "image_data": png(picture)})["session_id"]
    looking = answer(server, "execute_gimp_commands", {"session_id": session, "commands": [
        {"operation": "get_image_metadata"}, {"operation": "list_checkpoints"}]})
    assert looking["success"] and "effect" not in looking, "nothing that looks is a change"
    commands = [
        {"operation": "invert_colors"},
        {"operation": "create_layer", "params": {"name": "second"}},
        {"operation": "apply_blur", "params": {"radius": 0.5, "layer": 999_999}},
        {"operation": "flip_image", "params": {"direction": "horizontal"}},
    ]
    result = answer(server, "execute_gimp_commands", {"session_id": session, "commands": commands, "stop_on_error": False})
    assert [row["success"] for row in result["results"]] == [True, True, False, True], result
    assert result["effect"]["changed"] is True and len(result["effect"]["layers_added"]) == 1, result["effect"]
    assert numpy.array_equal(server.api.pixels(session)[..., :3], 255 - picture[:, ::-1])
    undone = server.api.operation("undo", session_id=session)
    assert undone["result"]["effect"]["changed"] is True
    assert numpy.array_equal(server.api.pixels(session)[..., :3], picture)
    structure = server.api.operation("get_image_metadata", session_id=session)["result"]["structure"]
    assert structure["num_layers"] == 1
    nested = [{"operation": "invert_colors"}, {"operation": "batch", "params": {"operations": [{"name": "select_all"}]}}]
    refused = answer(server, "execute_gimp_commands", {"session_id": session, "commands": nested})
    assert refused["success"] is False and "one of several steps" in refused["message"] and refused["results"] == []
    assert numpy.array_equal(server.api.pixels(session)[..., :3], picture), "refused before anything ran"
    server.api.call("mcp_close_session", session_id=session)


def test_an_image_that_was_replaced_at_once_is_closed(server):
    picture = numpy.zeros((206, 305, 3), numpy.uint8)
    result = answer(server, "execute_gimp_commands", {"commands": [
        {"operation": "create_new_image", "params": {"width": 308, "height": 208}},
        {"operation": "open_image", "params": {"image_data": png(picture)}}]})
    assert result["success"] and result["image_dimensions"] == {"width": 305, "height": 206}, result
    # Past its session nobody sees it
    widths = server.api.value(result["session_id"], "[image.get_width() for image in Gimp.get_images()]")
    assert 305 in widths and 308 not in widths
    assert server.api.operation("list_images")["result"]["images"] == []
    server.api.call("mcp_close_session", session_id=result["session_id"])


def test_a_parameter_named_operation_is_the_operations_own(server):
    """The specification calls the way that selections meet `operation`, as it calls the operation's name."""
    session = server.api.create()
    first, second = {"x": 0, "y": 0, "width": 100, "height": 90}, {"x": 200, "y": 110, "width": 100, "height": 90}
    server.api.operation("create_rectangle_selection", session_id=session, **first)
    for add in [
        lambda: server.api.call("create_rectangle_selection", session_id=session, **second, operation="add"),
        lambda: server.api.operation("create_rectangle_selection", session_id=session, params={**second, "operation": "add"}),
    ]:
        assert add()["success"]
        bounds = server.api.operation("get_image_metadata", session_id=session)["result"]["selection"]["bounds"]
        assert (bounds["x"], bounds["y"], bounds["width"], bounds["height"]) == (0, 0, 300, 200), bounds
        server.api.operation("create_rectangle_selection", session_id=session, **first)
    twice = answer(server, "mcp_operation", {"operation": "select_none", "session_id": session, "image": 1, "params": {"image": 1}})
    assert twice["success"] is False and "given in `params` and beside it" in twice["message"]
    server.api.call("mcp_close_session", session_id=session)


def test_commands_without_a_session_are_one_change_too(server):
    made = server.api.call("mcp_operation", operation="call_api", api_path="exec", args=["pyGObject-console", [
        "image = Gimp.Image.new(310, 205, Gimp.ImageBaseType.RGB)",
        "layer = Gimp.Layer.new(image, 'a', 310, 205, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "image.insert_layer(layer, None, 0)", "layer.fill(Gimp.FillType.WHITE)", "print(image.get_id())"]])
    image = int(made["result"]["output"])
    commands = [{"operation": "invert_colors", "params": {"image": image}},
                {"operation": "create_layer", "params": {"image": image, "name": "b"}}]
    result = server.api.call("execute_gimp_commands", commands=commands)
    assert result["success"] and result["effect"]["changed"] and "session_id" not in result, result
    server.api.operation("undo", image=image)
    shown = decode(server.api.operation("get_image_bitmap", image=image)["image_data"])
    assert (shown[..., :3] == 255).all()
    server.api.operation("close_image", image=image, discard_changes=True)


def test_the_first_failure_ends_the_commands_unless_told_otherwise(server):
    commands = [
        {"operation": "create_new_image", "params": {"width": 308, "height": 208}},
        {"operation": "apply_blur", "params": {"layer": 999_999}},
        {"operation": "get_image_metadata"},
    ]
    result = answer(server, "execute_gimp_commands", {"commands": commands})
    assert result["success"] is False and [row["success"] for row in result["results"]] == [True, False]
    server.api.call("mcp_close_session", session_id=result["session_id"])
    result = answer(server, "execute_gimp_commands", {"commands": commands, "stop_on_error": False})
    assert result["success"] is False and [row["success"] for row in result["results"]] == [True, False, True]
    server.api.call("mcp_close_session", session_id=result["session_id"])
    assert server.api.sessions() == []


def test_commands_are_checked_whole_before_the_first_of_them_runs(server):
    picture = numpy.random.default_rng(9).integers(0, 256, (200, 300, 3), numpy.uint8)
    session = answer(server, "mcp_operation", {"operation": "open_image", "image_data": png(picture)})["session_id"]
    good = [{"operation": "invert_colors"}, {"operation": "create_layer", "params": {"name": "a"}}]
    for bad, words in [
        ({"operation": "no_such"}, "no_such"),
        ({"operation": "apply_blur", "params": {"radius": "wide"}}, "radius"),
        ({"operation": "apply_blur", "params": {"sigma": 4}}, "sigma"),
        ({"operation": "resize_image", "params": {"width": 0}}, "width"),
        ({"operation": "close_image"}, "closed with its session"),
    ]:
        for stop in (True, False):
            result = answer(server, "execute_gimp_commands", {"session_id": session, "commands": [*good, bad], "stop_on_error": stop})
            assert result["success"] is False and result["results"] == [] and result["error"]["details"]["command"] == 2, result
            assert result["message"].startswith("command 2: ") and "nothing ran" in result["message"]
            assert words in result["message"], (words, result["message"])
    assert numpy.array_equal(server.api.pixels(session)[..., :3], picture)
    assert server.api.operation("get_image_metadata", session_id=session)["result"]["structure"]["num_layers"] == 1
    server.api.call("mcp_close_session", session_id=session)
    begins = [{"operation": "create_new_image", "params": {"width": 308, "height": 208}}, {"operation": "no_such"}]
    assert answer(server, "execute_gimp_commands", {"commands": begins})["success"] is False and server.api.sessions() == []


def test_a_damaged_picture_is_measured_as_far_as_it_goes_and_said_to_be(server):
    y, x = numpy.indices((200, 300))
    photo = numpy.stack([120 + 90 * numpy.sin(x / 19), 60 + y / 2, 200 - y / 2], axis=2).astype("uint8")
    for kind in ("JPEG", "PNG"):
        file = io.BytesIO()
        Image.fromarray(photo).save(file, kind)
        whole = answer(server, "image_analysis", {"image_data": base64.b64encode(file.getvalue()).decode()})
        half = answer(server, "image_analysis", {"image_data": base64.b64encode(file.getvalue()[: len(file.getvalue()) // 2]).decode()})
        assert whole["complete"] is True and whole["notes"] == []
        assert half["status"] == "success" and half["complete"] is False and "incomplete" in half["message"], half
        assert half["analysis"]["dimensions"] == whole["analysis"]["dimensions"]
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photo).save(turned, "TIFF", exif=exif)
    size = answer(server, "image_analysis", {"image_data": base64.b64encode(turned.getvalue()).decode()})["analysis"]["dimensions"]
    assert (size["width"], size["height"]) == (200, 300)
