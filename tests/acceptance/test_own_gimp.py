"""The server starts its GIMP itself: `stdio --gimp headless` and `serve --gimp headless`, from the first call to the end."""

import asyncio
import os

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from support import BIN, Bridge, call, value, wait_for, wait_line


def running(pid):
    """Whether a process lives; one that ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def edit(client):
    """One edit, seen; gives the process ids of the plug-in and its GIMP."""
    image = (await call(client, "create_new_image", width=310, height=205, color="#2850a0", timeout=120))["image"]
    seen = await call(client, "get_image_bitmap", image=image)
    assert seen["picture"].shape[:2] == (205, 310) and (seen["picture"][..., :3] == (40, 80, 160)).all()
    return await value(client, "[__import__('os').getpid(), __import__('os').getppid()]")


def private(made):
    """Settings under which the server finds no running GIMP and a profile of its own."""
    return {**made.env, "GIMP_BRIDGE_GIMP_PROFILE": os.path.join(made.folder.name, "profile")}


def test_over_stdio(version):
    made = Bridge(version)

    async def run():
        server = StdioServerParameters(command=os.path.abspath(BIN),
                                       args=["stdio", "--gimp", "headless"], env=private(made))
        async with Client(server, read_timeout_seconds=150) as client:
            return await edit(client)

    try:
        ids = asyncio.run(run())
        wait_for("GIMP ends with its server", lambda: not any(running(pid) for pid in ids), 60)
    finally:
        made.close()


def test_over_http(version):
    made = Bridge(version)
    made.env = private(made)
    try:
        daemon = made.start("serve", "--gimp", "headless", "--port", "0")
        made.url = wait_line(daemon, r"http://\S+/mcp", 30).group(0)

        async def run():
            async with made.client(read_timeout_seconds=150) as client:
                return await edit(client)

        ids = asyncio.run(run())
        daemon.terminate()
        assert daemon.wait(60) in (0, -15)
        wait_for("GIMP ends with its server", lambda: not any(running(pid) for pid in ids), 60)
    finally:
        made.close()
