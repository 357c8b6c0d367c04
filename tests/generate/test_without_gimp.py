"""`gimp.mode = none`: a daemon for images from words, on a machine where a GIMP may run all the same."""

import json
import time

import anyio
from mcp import Client


def announce(state_dir):
    """An instance file as the plug-in of a running GIMP writes it."""
    folder = state_dir / "instances"
    folder.mkdir(parents=True)
    record = {"id": "g1", "port": 9877, "pid": 1, "gimp_pid": 1, "gimp_version": "3.0.4", "plugin_version": "0.1.0", "protocol": 1}
    (folder / "g1.json").write_text(json.dumps(record))


def test_no_gimp_is_looked_for(daemon, painter, tmp_path):
    announce(tmp_path / "state")
    one = daemon(painter.url, GIMP_BRIDGE_GIMP_MODE="none", GIMP_BRIDGE_STATE_DIR=str(tmp_path / "state"))
    assert one.json("/health")["gimp"] == {"state": "none", "instances": []}
    began = time.monotonic()
    call = {"jsonrpc": "2.0", "id": 1, "method": "create_new_image", "params": {"width": 300, "height": 200}}
    answer = one.ask("POST", "/jsonrpc", call)[2].decode()
    assert time.monotonic() - began < 30, "nobody waits for a GIMP that is not wanted"  # which would take 90 s
    assert "works without a GIMP" in answer and "--gimp headless" in answer
    assert one.generate("a lake")[0] == 200

    async def tools():
        async with Client(one.url + "/mcp") as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    seen = anyio.run(tools)
    assert {"generate_image", "list_generated_images", "delete_image", "search_operations"} <= seen
    assert not {"open_image", "create_new_image", "fill_selection_with_prompt"} & seen
