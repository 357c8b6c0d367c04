"""Sessions belong to their key at every door: no other client finds their images, over JSON-RPC or over MCP."""

import json

import pytest
from api import Api, Server

ALICE, BOB, CAROL = "alice-0123456789", "bob-bob-01234567", "carol-0123456789"


class Mcp:
    """A minimal client of Streamable HTTP, so that a test can send whatever session and key it wants."""

    def __init__(self, root, key):
        self.api = Api(root, key)
        self.session = None
        opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        status, headers, _ = self.send("initialize", opening)
        assert status == 200
        self.session = headers["Mcp-Session-Id"]
        self.send("notifications/initialized", notification=True)

    def send(self, method, params=None, notification=False, verb="POST"):
        headers = {"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18"}
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        body = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if not notification:
            body["id"] = next(self.api.ids)
        return self.api.http(verb, "/mcp", body if verb == "POST" else None, **headers)

    def answer(self, method, params):
        status, _, text = self.send(method, params)
        assert status == 200, (status, text)
        text = text.decode()
        if not text.startswith("{"):
            text = next(line[6:] for line in text.splitlines()[::-1] if line.startswith("data: {"))
        return json.loads(text)

    def tool(self, name, /, **arguments):
        """(whether it failed, all that came as text, how many pictures came)."""
        result = self.answer("tools/call", {"name": name, "arguments": arguments})["result"]
        text = json.dumps(result.get("structuredContent")) + "".join(item.get("text", "") for item in result["content"])
        return result.get("isError", False), text, sum(item["type"] == "image" for item in result["content"])

    def operation(self, name, /, **arguments):
        return self.tool("run_operation", name=name, arguments=arguments)


@pytest.fixture(scope="module")
def server(version):
    keys = f"alice:read+edit+exec+generate:{ALICE},bob:read:{BOB},carol:read+edit:{CAROL}"
    with Server(version, GIMP_BRIDGE_SERVER_API_KEYS=keys) as made:
        yield made


def test_a_sessions_image_is_found_by_nobody_else(server):
    alice = Api(server.root, ALICE)
    session = alice.create(300, 200, color="red")
    alice.operation("create_layer", session_id=session, name="hers")
    about = alice.operation("get_image_metadata", session_id=session)["result"]
    image = next(row["image"] for row in alice.sessions() if row["session_id"] == session)
    layer = about["structure"]["layers"][-1]["id"]
    second = alice.operation("duplicate_image", session_id=session)["result"]["image"]
    for key in (BOB, CAROL):
        other = Mcp(server.root, key)
        failed, text, pictures = other.tool("get_image_bitmap")
        assert failed and pictures == 0 and "no image is open" in text, text
        failed, text, _ = other.tool("list_images")
        assert not failed and "300" not in text, text
        for wanted in (image, second):
            for tool in ("get_image_bitmap", "get_image_metadata"):
                failed, text, pictures = other.tool(tool, image=wanted)
                assert failed and pictures == 0 and "no image" in text and "300" not in text, text
        failed, text, pictures = other.tool("get_image_bitmap", layer=layer)
        assert failed and pictures == 0 and "hers" not in text, text
        assert "error" in other.answer("resources/read", {"uri": f"gimp://images/{image}"})
    carol = Mcp(server.root, CAROL)
    for name, arguments in [
        ("resize_image", {"width": 7, "height": 7}),
        ("resize_image", {"width": 7, "height": 7, "image": image}),
        ("fill_selection", {"color": "blue", "layer": layer}),
        ("delete_layer", {"layer": layer}),
        ("undo", {}),
        ("undo", {"image": image}),
        ("select_image", {"image": image}),
        ("duplicate_image", {"image": image}),
        ("close_image", {"image": image, "discard_changes": True}),
        ("batch", {"operations": [{"name": "flip_image", "arguments": {"image": image}}]}),
    ]:
        failed, text, _ = carol.operation(name, **arguments)
        assert failed, (name, text)
        loose = Api(server.root, CAROL).call("mcp_operation", operation=name, **arguments)
        assert loose["success"] is False, (name, loose)
    # Not even the same key, past its session: what it changed would not be on disk
    assert Mcp(server.root, ALICE).tool("get_image_bitmap", image=image)[0]
    unchanged = alice.operation("get_image_metadata", session_id=session)["result"]
    assert unchanged["structure"]["layers"] == about["structure"]["layers"]
    assert alice.pixels(session).shape == (200, 300, 4) or alice.pixels(session).shape == (200, 300, 3)
    assert (alice.pixels(session)[..., :3] == [255, 0, 0]).all()
    alice.call("mcp_close_session", session_id=session)


def test_an_image_that_is_no_sessions_is_everybodys(server):
    carol = Mcp(server.root, CAROL)
    failed, text, _ = carol.tool("create_new_image", width=320, height=210)
    assert not failed, text
    # A session beside it changes nothing of what is meant without `image`
    alice = Api(server.root, ALICE)
    session = alice.create()
    failed, text, _ = carol.tool("get_image_metadata")
    assert not failed and "320" in text
    failed, text, _ = Mcp(server.root, BOB).tool("get_image_metadata")
    assert not failed and "320" in text
    assert not carol.tool("close_image", discard_changes=True)[0]
    alice.call("mcp_close_session", session_id=session)


def test_an_mcp_session_is_of_the_key_that_began_it(server):
    alice, bob = Mcp(server.root, ALICE), Mcp(server.root, BOB)
    own, bob.session = bob.session, alice.session
    for verb in ("POST", "GET", "DELETE"):
        status, _, text = bob.send("tools/list", verb=verb)
        assert status == 404, (verb, status, text)
    assert "result" in alice.answer("tools/list", {})
    bob.session = own
    assert "result" in bob.answer("tools/list", {})
