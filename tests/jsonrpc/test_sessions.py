"""Sessions: apart from each other, in order, and still there after the daemon, GIMP, or both were killed."""

import numpy
import pytest
from api import Failed, Server, png
from support import wait_for

PAINT = "im = Gimp.Image.get_by_id({image}); Gimp.context_set_foreground(Gegl.Color.new('{color}')); im.get_layers()[{layer}].edit_fill(Gimp.FillType.FOREGROUND)"


def image_of(api, session):
    return next(row["image"] for row in api.sessions() if row["session_id"] == session)


def paint(api, session, color, layer=0):
    """Fills a layer; acknowledged when this returns."""
    result = api.python(session, PAINT.format(image=image_of(api, session), color=color, layer=layer))
    assert result["result"]["effect"]["changed"] is True
    return result


def color(api, session):
    """The one colour of all of its picture."""
    (only,) = numpy.unique(api.pixels(session)[..., :3].reshape(-1, 3), axis=0).tolist()
    return only


def test_sessions_do_not_touch_each_other(server):
    api = server.api
    one, two = api.create(color="red"), api.create(320, 240, color="blue")
    paint(api, one, "#00ff00")
    assert color(api, one) == [0, 255, 0] and color(api, two) == [0, 0, 255]
    image = image_of(api, two)
    refused = api.call("mcp_operation", operation="get_image_metadata", session_id=one, image=image)
    assert refused["success"] is False and refused["error"]["kind"] == "invalid_argument"
    refused = api.call("mcp_operation", operation="get_image_metadata", image=image)
    assert refused["success"] is False and "session" in refused["message"]
    # Without a session none of theirs is taken
    refused = api.call("mcp_operation", operation="get_image_metadata")
    assert refused["error"]["kind"] == "no_image"
    listed = {row["session_id"]: (row["width"], row["changes"]) for row in api.sessions()}
    assert listed == {one: (310, 2), two: (320, 1)}
    for session in (one, two):
        api.call("mcp_close_session", session_id=session)
    assert api.sessions() == []


def test_an_image_that_is_no_sessions_is_worked_on_without_one(server):
    api = server.api
    session = api.create()
    api.python(session, "other = Gimp.Image.new(333, 222, Gimp.ImageBaseType.RGB)", "print(other.get_id())")
    found = api.operation("get_image_metadata")
    assert found["result"]["basic"]["width"] == 333 and "session_id" not in found
    api.operation("close_image", image=found["result"]["image"], discard_changes=True)
    api.call("mcp_close_session", session_id=session)


def test_another_image_takes_the_place_of_the_sessions(server):
    api = server.api
    session = api.create()
    result = api.operation("create_new_image", session_id=session, width=390, height=280, color="lime")
    assert result["session_id"] == session and result["image_dimensions"] == {"width": 390, "height": 280}
    assert color(api, session) == [0, 255, 0]
    result = api.operation("open_image", session_id=session, image_data=png(numpy.full((230, 340, 3), 7, numpy.uint8)))
    assert result["image_dimensions"] == {"width": 340, "height": 230} and color(api, session) == [7, 7, 7]
    assert len(api.value(session, "[i.get_id() for i in Gimp.get_images()]")) == 1
    api.call("mcp_close_session", session_id=session)


def test_reads_cost_no_state_and_changes_are_counted(server):
    api = server.api
    session = api.create()
    for _ in range(3):
        api.operation("get_image_metadata", session_id=session)
    api.python(session, "print(1)")
    assert [row["changes"] for row in api.sessions()] == [1]
    paint(api, session, "#010203")
    assert [row["changes"] for row in api.sessions()] == [2]
    api.call("mcp_close_session", session_id=session)


def layers(api, session):
    about = api.operation("get_image_metadata", session_id=session)["result"]["structure"]["layers"]
    return {layer["name"]: layer["id"] for layer in about}


def two_layers(api):
    """A session with two layers of which the client holds the ids."""
    session = api.create(color="white")
    image = image_of(api, session)
    api.python(
        session,
        f"im = Gimp.Image.get_by_id({image})",
        "l = Gimp.Layer.new(im, 'upper', 200, 140, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "im.insert_layer(l, None, 0); l.set_offsets(-40, 30)",
    )
    paint(api, session, "#112233")
    return session, layers(api, session)


def look(api, session, layer):
    return api.operation("get_image_bitmap", session_id=session, layer=layer)["result"]


def check(api, session, held):
    """The state that two_layers made, under the ids that the client had got then."""
    wanted = numpy.full((205, 310, 3), 255, numpy.uint8)
    wanted[30:170, :160] = 0x11, 0x22, 0x33
    assert (api.pixels(session)[..., :3] == wanted).all()
    assert look(api, session, held["upper"])["width"] == 200
    assert look(api, session, held["Background"])["width"] == 310


def test_what_was_answered_outlives_the_daemon(own):
    session, held = two_layers(own.api)
    own.kill_daemon()
    own.begin()
    assert [row["session_id"] for row in own.api.sessions()] == [session]
    check(own.api, session, held)
    assert len(own.api.value(session, "[i.get_id() for i in Gimp.get_images()]")) == 1, "the old image was left in GIMP"


def test_what_was_answered_outlives_gimp(own):
    session, held = two_layers(own.api)
    other = own.api.create(300, 200, color="#abcdef")
    own.kill_gimp()
    own.restart_gimp()
    check(own.api, session, held)
    assert color(own.api, other) == [0xAB, 0xCD, 0xEF]
    # And again, with ids from two GIMPs in the client's hands
    newer = layers(own.api, session)
    paint(own.api, session, "#445566", layer=1)
    own.kill_gimp()
    own.kill_daemon()
    own.restart_gimp()
    own.begin()
    assert look(own.api, session, held["upper"])["width"] == look(own.api, session, newer["upper"])["width"] == 200
    assert own.api.pixels(session)[0, 0, :3].tolist() == [0x44, 0x55, 0x66]


def test_a_call_that_gimp_took_with_it_is_as_if_it_had_not_been(own):
    session = own.api.create(color="#0a0b0c")
    image = image_of(own.api, session)
    lines = [PAINT.format(image=image, color="#ffffff", layer=0), "import ctypes", "ctypes.string_at(0)"]
    result = own.api.call(
        "mcp_operation", operation="call_api", session_id=session, api_path="exec", args=["pyGObject-console", lines])
    assert result["success"] is False and result["error"]["kind"] == "connection_lost"
    assert "as it was before" in result["error"]["hint"]
    assert color(own.api, session) == [0x0A, 0x0B, 0x0C]


def test_a_session_expires_and_its_unsaved_work_can_be_had_back(version):
    with Server(version, GIMP_BRIDGE_SESSIONS_IDLE="1", GIMP_BRIDGE_SESSIONS_KEPT="600") as server:
        api = server.api
        session = api.create(color="#0a0b0c")
        saved = api.create()
        api.operation("save_image", session_id=saved, format="png")
        wait_for("expiry", lambda: [row["expired"] for row in api.sessions()] == [True], 60)
        assert api.sessions()[0]["session_id"] == session
        assert color(api, session) == [0x0A, 0x0B, 0x0C]
        gone = api.call("mcp_operation", operation="get_image_metadata", session_id=saved)
        assert gone["error"]["kind"] == "not_found"


def test_bounds_are_said(version):
    with Server(version, GIMP_BRIDGE_SESSIONS_MAX="2", GIMP_BRIDGE_SESSIONS_DISK_MB="16") as server:
        api = server.api
        one, _ = api.create(), api.create()
        full = api.call("mcp_operation", operation="create_new_image", width=300, height=200)
        assert full["success"] is False and full["error"]["kind"] == "busy" and "sessions.max" in full["error"]["hint"]
        lines = [
            f"im = Gimp.Image.get_by_id({image_of(api, one)}); im.scale(2500, 2500)",
            "f = Gimp.DrawableFilter.new(im.get_layers()[0], 'gegl:noise-rgb', 'n'); im.get_layers()[0].merge_filter(f)",
        ]
        large = api.call(
            "mcp_operation", operation="call_api", session_id=one, api_path="exec", args=["pyGObject-console", lines])
        assert large["success"] is False and large["error"]["kind"] == "too_large", large["message"]
        assert api.pixels(one).shape[:2] == (205, 310), "what was not acknowledged was taken back"


def test_a_session_without_a_gimp_says_so_and_waits_for_one(version):
    with Server(version) as server:
        session = server.api.create()
        server.kill_gimp()
        server.restart_gimp()
        assert server.api.pixels(session).shape[:2] == (205, 310)
        with pytest.raises(Failed):
            server.api.call("mcp_close_session")
