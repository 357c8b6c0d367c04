"""Made, stored, addressed, fetched: equal bytes by every door, in a folder and in a bucket."""

import base64
import json
import os
import subprocess

import anyio
import pytest
from mcp import Client
from painter import png
from serving import BINARY

SIZE = {"width": 320, "height": 200}


def picture(prompt):
    return png(prompt, 3, SIZE["width"], SIZE["height"])


async def by_mcp(daemon, prompt, mode):
    """The tool's answer as the Python client has it, which checks it against the tool's own schema."""
    async with Client(daemon.url + "/mcp", mode=mode, read_timeout_seconds=60) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        arguments = {"prompt": prompt, "seed": 3, **SIZE}
        if "generate_image" in tools:
            return await client.call_tool("generate_image", arguments)
        return await client.call_tool("run_operation", {"name": "generate_image", "arguments": arguments})


def asked(door, daemon, prompt):
    """The answer's fields, whatever the door."""
    parameters = {"prompt": prompt, "seed": 3, **SIZE}
    if door.startswith("mcp"):
        answer = anyio.run(by_mcp, daemon, prompt, door.split()[1])
        assert not answer.is_error, answer
        link = next(block for block in answer.content if block.type == "resource_link")
        assert not any(block.type == "image" for block in answer.content), "no bytes unless they are asked for"
        made = answer.structured_content
        assert str(link.uri) == made["url"] and link.size == len(picture(prompt)) and link.mime_type == "image/png"
        return made
    if door == "json-rpc":
        body = {"jsonrpc": "2.0", "id": 7, "method": "generate_image", "params": {**parameters, "include_image_data": True}}
        answer = json.loads(daemon.ask("POST", "/jsonrpc", body)[2])["result"]
        assert answer["success"] is True and base64.b64decode(answer["image_data"]) == picture(prompt)
        return answer["result"]
    if door == "plan":
        status, answer = daemon.generate(prompt, **SIZE)
        assert (status, answer["success"], answer["status"]) == (200, True, "success")
        return answer
    out = daemon.folder / "out.png"
    command = [BINARY, "generate", prompt, "--seed", "3", "--width", "320", "--height", "200", "--out", str(out)]
    done = subprocess.run(command, env=daemon.given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == picture(prompt)
    return json.loads(done.stdout)


@pytest.mark.parametrize("door", ["mcp auto", "mcp legacy", "json-rpc", "plan", "shell"])
def test_the_bytes_are_equal_by_every_door(daemon, store, painter, door):
    one, other = (daemon(painter.url, **store.settings()).ready() for _ in range(2))
    prompt = f"a lake by {door}"
    made = asked(door, one, prompt)
    id, metadata = made["image_id"], made["metadata"]
    expected = {"prompt": prompt, "seed": 3, "backend": "kserve", "model": "painter", "bytes": len(picture(prompt)), **SIZE}
    assert expected.items() <= metadata.items(), metadata
    # The shell's daemon-less answer names the file, or nothing for a bucket.
    url = made["url"] if door != "shell" else f"{one.url}/images/{id}"
    assert url == f"{one.url}/images/{id}"
    for place in (url, f"{other.url}/images/{id}"):
        status, headers, body = one.ask("GET", place)
        assert (status, headers["Content-Type"], body) == (200, "image/png", picture(prompt))
    assert other.json(f"/images/{id}/metadata")["metadata"] == metadata
    assert [image["image_id"] for image in other.json("/images")["images"]] == [id]
    assert store.names() == [f"{id}.json", f"{id}.png"]


def test_a_signed_link_leads_past_the_daemon_to_the_same_bytes(daemon, bucket, painter):
    one = daemon(painter.url, **bucket.settings(), GIMP_BRIDGE_STORAGE_PRESIGNED="true").ready()
    for door in ("mcp auto", "json-rpc", "plan", "shell"):
        made = asked(door, one, f"signed by {door}")
        assert made["url"].startswith(bucket.url) and "X-Amz-Signature=" in made["url"]
        status, headers, body = one.ask("GET", made["url"])
        assert (status, body) == (200, picture(f"signed by {door}"))
        assert headers["Content-Type"] == "image/png"
        # The daemon serves it all the same.
        assert one.get(f"/images/{made['image_id']}")[1] == body
    one.stop()
    assert one.ask("GET", made["url"])[0] == 200, "it needs no daemon"
