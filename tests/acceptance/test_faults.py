"""A GIMP or a daemon that is killed, a second GIMP on a taken port, code that runs away."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from support import call, python, value, wait_for


async def ready(client):
    """The next call after a fault: works within the time that GIMP needs to come back."""
    deadline = time.monotonic() + 240
    while True:
        result = await client.call_tool("call_api", {"api_path": "exec", "args": ["pyGObject-eval", ["6 * 7"]]})
        if not result.is_error:
            assert result.structured_content["value"] == 42
            return
        assert result.structured_content["kind"] in ("no_gimp", "connection_lost"), result.structured_content
        assert time.monotonic() < deadline, result.structured_content
        await asyncio.sleep(0.25)


async def begins(bridge, client, *lines, **arguments):
    """The task of a call that runs: its code has told so."""
    begun = Path(bridge.folder.name, f"begun-{time.monotonic_ns()}")
    running = asyncio.create_task(python(client, f"open({str(begun)!r}, 'w').close()", *lines, **arguments))
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline and not running.done(), running
        await asyncio.sleep(0.05)
    return running


def test_kill_9_of_gimp_during_a_call(own):
    async def scenario():
        async with own.client() as client:
            pid = (await call(client, "list_instances"))["instances"][0]["pid"]
            gimp = await value(client, "__import__('os').getppid()")
            running = await begins(own, client, "import time", "time.sleep(90)", timeout=100, _error=True)
            for victim in (gimp, pid):
                if victim > 1:
                    os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            answer = await running
            assert time.monotonic() - killed < 60, "the caller waited too long"
            assert answer["kind"] == "connection_lost" and answer["hint"], answer
            await ready(client)
            assert own.health()["status"] == "ok"

    asyncio.run(scenario())


def test_kill_9_of_the_daemon_leaves_gimp_and_its_images(own):
    async def before():
        async with own.client() as client:
            return (await call(client, "create_new_image", width=310, height=205, color="teal"))["image"]

    image = asyncio.run(before())
    own.daemon.send_signal(signal.SIGKILL)
    own.daemon.wait(60)
    own.start_daemon()

    async def after():
        async with own.client() as client:
            answer = await call(client, "get_image_bitmap", image=image)
            assert answer["picture"].shape[:2] == (205, 310)
            assert (answer["picture"][..., :3] == (0, 128, 128)).all()

    asyncio.run(after())


def test_a_second_gimp_on_a_taken_port(own):
    second = own.start_gimp()

    async def scenario():
        async with own.client() as client:
            listed = (await call(client, "list_instances"))["instances"]
            assert len({row["port"] for row in listed}) == 2
            for row in listed:
                await call(client, "select_instance", id=row["id"])
                assert await value(client, "Gimp.get_pid() if hasattr(Gimp, 'get_pid') else 1") is not None
                await call(client, "create_new_image", width=row["port"] % 1000 + 1, height=5)
            for row in listed:
                await call(client, "select_instance", id=row["id"])
                images = (await call(client, "list_images"))["images"]
                assert [image["width"] for image in images] == [row["port"] % 1000 + 1]
        assert second["id"] in [row["id"] for row in listed]

    asyncio.run(scenario())


RUNAWAYS = {
    "pure loop": ("timeout", ["while True: pass"]),
    "loop of calls": ("timeout", ["while True: Gimp.context_get_foreground()"]),
    "swallows exceptions": ("timeout", ["while True:", "    try:", "        while True: pass", "    except BaseException: pass"]),
    "endless prints": ("timeout", ["while True: print('x' * 10000)"]),
    "recursion": ("python_error", ["def f(): return f()", "f()"]),
    "sys.exit": ("python_error", ["import sys", "sys.exit(3)"]),
    "os._exit": ("python_error", ["import os", "os._exit(3)"]),
    "os.abort": ("python_error", ["import os", "os.abort()"]),
    "kill itself": ("python_error", ["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"]),
}


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_runaway_is_ended_and_the_next_call_works(shared, name):
    kind, code = RUNAWAYS[name]

    async def scenario():
        async with shared.client() as client:
            started = time.monotonic()
            answer = await python(client, *code, timeout=2, _error=True)
            assert time.monotonic() - started < 60
            assert answer["kind"] in (kind, "forbidden"), answer
            assert len(str(answer)) < 200_000
            assert await value(client, "6 * 7") == 42

    asyncio.run(scenario())


def test_cancelling_ends_a_running_exec_at_once(shared):
    async def scenario():
        async with shared.client() as client:
            running = await begins(shared, client, "while True: Gimp.context_get_foreground()", timeout=100)
            running.cancel()
            started = time.monotonic()
            assert await value(client, "6 * 7") == 42
            assert time.monotonic() - started < 60  # of 100

    asyncio.run(scenario())


def test_a_real_death_of_the_plug_in_is_reported_and_mended(own):
    async def scenario():
        async with own.client() as client:
            crash = "__import__('ctypes').string_at(0)"
            answer = await python(client, crash, _error=True)
            assert answer["kind"] == "connection_lost", answer
            await ready(client)

    asyncio.run(scenario())


def test_clients_see_ends_not_hangs_when_gimp_stops(own):
    """A stopped (not dead) GIMP answers nothing: the caller gets an error, and all is well when it goes on."""

    async def scenario():
        async with own.client() as client:
            pid = (await call(client, "list_instances"))["instances"][0]["pid"]
            os.kill(pid, signal.SIGSTOP)
            try:
                started = time.monotonic()
                answer = await python(client, "print(1)", timeout=1, _error=True)
                assert answer["kind"] in ("busy", "timeout", "connection_lost", "no_gimp"), answer
                assert time.monotonic() - started < 120
            finally:
                os.kill(pid, signal.SIGCONT)
            await ready(client)

    asyncio.run(scenario())
    wait_for("health", lambda: own.health()["status"] == "ok", 60)
