"""The wire to a real GIMP: many clients, garbage, policies, a second GIMP, a crash of the plug-in, menus."""

import json
import os
import random
import signal
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from client import CallError, Client
from harness import Gimp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugin"))


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def refused(kind, function, *args, **kwargs):
    with pytest.raises(CallError) as raised:
        function(*args, **kwargs)
    assert raised.value.kind == kind, raised.value
    return raised.value


def test_the_instance_file(gimp, gimp_version):
    path = gimp.state_dir / "instances" / f"{gimp.instance['pid']}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((gimp.state_dir / "secret").stat().st_mode) == 0o600
    assert gimp.instance["gimp_version"].startswith(gimp_version) and gimp.instance["headless"] is True
    assert gimp.instance["id"] == f"{gimp.instance['pid']}-{gimp.instance['port']}" and gimp.instance["protocol"] == 1
    assert Path(gimp.instance["profile"]) == gimp.profile


def test_the_welcome_tells_instance_and_policy(gimp, client):
    assert client.welcome["instance"]["port"] == gimp.port
    assert client.welcome["policy"] == {
        "exec": True,
        "read_only": False,
        "folders": None,
        "auto_disconnect": 300,
        "checkpoints": 20,
    }
    assert client.welcome["software"]["name"] == "gimp-bridge-plugin"


def test_the_plug_in_has_each_operation_of_the_catalogue_and_no_other(client):
    from gimp_bridge.dispatch import catalogue

    assert client.eval("sorted(__import__('gimp_bridge').dispatch.registry.OPERATIONS)") == sorted(catalogue.load())


def test_unknown_operations_and_arguments(client):
    assert "`list_images`" in refused("unknown_operation", client.call, "list_image").hint
    assert "`api_path`" in refused("invalid_argument", client.call, "call_api").message
    assert "did you mean `api_path`" in refused("invalid_argument", client.call, "call_api", api_pth="x").hint


def test_eight_clients_at_once_each_with_its_own_image(gimp, client):
    problems = []

    def work(number):
        rng = random.Random(number)
        try:
            with gimp.client(f"client {number}") as mine:
                made = mine.call("create_new_image", width=20 + number, height=10, color=[number * 10, 20, 30])
                for turn in range(15):
                    image = made["image"]
                    level = rng.randrange(256)
                    mine.python(
                        f"image = Gimp.Image.get_by_id({image})",
                        "layer = image.get_layers()[0]",
                        "buffer = layer.get_buffer()",
                        f"data = bytes([{number}, {level}, 7, 255]) * {200 + 10 * number}",
                        f"buffer.set(Gegl.Rectangle.new(0, 0, {20 + number}, 10), \"R'G'B'A u8\", data)",
                        f"buffer.flush(); layer.update(0, 0, {20 + number}, 10)",
                    )
                    read = mine.stream("read_pixels", image=image)
                    pixels = bytes(read.data)
                    channels = read.header["channels"]
                    row = pixels[:channels]
                    if (
                        row[:3] != bytes([number, level, 7])
                        or len(pixels) != (20 + number) * 10 * channels
                        or read.result["stream"]["bytes"] != len(pixels)
                    ):
                        problems.append((number, turn, row, read.header))
                    width = mine.eval("image.get_width()")
                    if width != 20 + number:
                        problems.append((number, turn, width))
                mine.call("close_image", image=made["image"], discard_changes=True)
        except Exception as error:
            problems.append((number, repr(error)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems
    assert client.call("list_images")["images"] == []
    assert client.ping() == {"busy": None, "queued": 0}


def test_pipelined_requests_all_get_their_own_answer(client):
    calls = [
        client.send_call("call_api", {"api_path": "exec", "args": ["pyGObject-eval", [str(n)]]}) for n in range(200)
    ]
    assert [client.wait(call).result["value"] for call in calls] == list(range(200))


def test_a_stream_that_nobody_reads_ends_at_its_time_limit(gimp, client):
    made = client.call("create_new_image", width=6000, height=4000)
    with gimp.client("slow") as slow:
        call = slow.send_call("read_pixels", {"image": made["image"]}, timeout=2)
        until(lambda: (client.ping()["busy"] or {}).get("operation") == "read_pixels")
        start = time.monotonic()
        assert client.eval("1 + 1") == 2
        assert time.monotonic() - start < 60  # the stream itself would never end
        assert refused("timeout", slow.wait, call)
    assert client.eval("2") == 2


def test_a_stream_is_cancelled(gimp, client):
    made = client.call("create_new_image", width=6000, height=4000)
    with gimp.client("slow") as slow:
        call = slow.send_call("read_pixels", {"image": made["image"]}, timeout=60)
        until(lambda: client.ping()["busy"])
        slow.cancel(call)
        refused("cancelled", slow.wait, call)
        whole = slow.stream("read_pixels", image=made["image"])
        assert len(whole.data) == 6000 * 4000 * whole.header["channels"] == whole.result["stream"]["bytes"]


def test_what_cannot_be_ended_is_told_and_answered(gimp_version):
    """One long call in C: no exception gets in. The caller still gets its answer, and GIMP comes back."""
    # In a GIMP of its own: what it may leave behind would be no other test's fault
    with Gimp(gimp_version) as gimp, gimp.client() as client:
        with gimp.client("stuck") as stuck:
            call = stuck.send_call(
                "call_api",
                {
                    "api_path": "exec",
                    "args": [
                        "pyGObject-console",
                        [
                            "import signal, time",
                            "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])",
                            "try: time.sleep(12)",  # it ends by itself, whatever becomes of this test
                            "finally: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGURG])",
                        ],
                    ],
                },
                timeout=0.5,
            )
            until(lambda: (client.ping()["busy"] or {}).get("unresponsive"))
            error = refused("timeout", stuck.wait, call)
            assert "cannot be ended" in error.message
        assert client.call("list_images", timeout=60)["images"] == []
        assert client.ping()["busy"] is None


def test_fuzz_garbage_and_http(gimp_version):
    # In a GIMP of its own: what it may leave behind would be no other test's fault. One client is idle meanwhile
    with Gimp(gimp_version, {"auto_disconnect": False}) as gimp, gimp.client() as client:
        from test_server import mutations

        def resources():
            """Threads, open files and resident bytes of the plug-in's process."""
            process = Path("/proc") / str(gimp.instance["pid"])
            pages = int((process / "statm").read_text().split()[1])
            return len(os.listdir(process / "task")), len(os.listdir(process / "fd")), pages * os.sysconf("SC_PAGE_SIZE")

        threads, files, memory = resources()
        for data in mutations(7000, 11):
            with socket.create_connection(("127.0.0.1", gimp.port), timeout=60) as sock:
                sock.sendall(data)
        rng = random.Random(5)
        for data in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST /mcp HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            rng.randbytes(200_000),
        ):
            with socket.create_connection(("127.0.0.1", gimp.port), timeout=60) as sock:
                sock.sendall(data)
                heard = b""
                try:
                    while part := sock.recv(4096):
                        heard += part
                except ConnectionResetError:
                    pass  # closed with our bytes unread
                assert not heard or json.loads(heard)["status"] == "error", "one line for who speaks no frames, and the end"
        for data in mutations(3000, 13):
            with gimp.client("fuzz") as broken:
                try:
                    broken.sock.sendall(data)
                except OSError:
                    pass  # a frame before was bad enough
        until(lambda: resources()[0] <= threads and resources()[1] <= files)
        assert resources()[2] < memory + 30_000_000
        assert client.eval("6 * 7") == 42


def test_a_peer_without_the_secret(gimp):
    with pytest.raises(ConnectionError):
        Client(gimp.port, b"x" * 32)


def test_status_by_its_procedure(gimp, client):
    text = client.python(
        "p = Gimp.get_pdb().lookup_procedure('plug-in-gimp-bridge-status')", "print(p.run(p.create_config()).index(1))"
    )
    assert f"Listening on 127.0.0.1:{gimp.port}" in text and "test" in text and "Python code allowed" in text


# --- a GIMP of their own ---


def test_policies(gimp_version, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to("/etc/passwd")
    with Gimp(gimp_version, {"exec": False, "folders": [str(allowed)]}) as gimp, gimp.client() as client:
        for procedure in ("python-fu-eval", "plug-in-script-fu-eval"):
            refused("forbidden", client.call, "call_api", api_path=procedure, args=["1"])
        refused("forbidden", client.python, "print(1)")
        made = client.call("create_new_image", width=300, height=200)
        for path in ("/tmp/out.png", str(allowed / ".." / "x.png"), str(allowed / "link")):
            refused(
                "forbidden",
                client.call,
                "call_api",
                api_path="file-png-export",
                kwargs={"image": made["image"], "file": path},
            )
        client.call(
            "call_api", api_path="file-png-export", kwargs={"image": made["image"], "file": str(allowed / "x.png")}
        )
        assert (allowed / "x.png").stat().st_size > 50


def test_read_only(gimp_version):
    with Gimp(gimp_version, {"read_only": True}) as gimp, gimp.client() as client:
        assert client.call("call_api", api_path="gimp-version")["values"]["version"].startswith(gimp_version)
        assert client.call("list_images")["images"] == []
        # No Python at all: nothing proves what code does
        refused("forbidden", client.python, "print(Gimp.version())")
        refused("forbidden", client.python, "Gio.File.new_for_path('/tmp/x').replace(None, False, 0, None)")
        refused("forbidden", client.python, "Gimp.Image.new(300, 200, 0)")
        refused("forbidden", client.call, "create_new_image", width=300, height=200)
        refused("forbidden", client.call, "call_api", api_path="gimp-image-new", args=[1, 1, "rgb"])
        refused("forbidden", client.python, "open('/tmp/x', 'w')")


def test_bad_settings_keep_it_from_listening(gimp_version):
    gimp = Gimp(gimp_version, {"read_only": "yes"}, wait=False)
    try:
        until(lambda: "`read_only`" in gimp.log() and "does not listen" in gimp.log(), 60)
        assert not list((gimp.state_dir / "instances").glob("*.json"))
    finally:
        gimp.process.terminate()
        gimp.process.wait(60)
        gimp.stop()


def test_a_second_gimp_takes_another_port_and_a_quit_removes_the_file(gimp_version, gimp, tmp_path):
    with Gimp(gimp_version, {"port": gimp.port}) as second:
        assert second.port != gimp.port
        with second.client() as client:
            assert client.eval("1") == 1
        file = second.state_dir / "instances" / f"{second.instance['pid']}.json"
        assert file.exists()
        os.kill(second.instance["gimp_pid"], signal.SIGTERM)
        until(lambda: not file.exists())


def test_a_crash_of_the_plug_in_is_survived(gimp_version):
    """A fault in C code ends the plug-in's process. The guard starts it again in the same GIMP; the image is there."""
    with Gimp(gimp_version) as gimp:
        for _ in range(2):
            pid = gimp.instance["pid"]
            with gimp.client() as client:
                known = client.call("list_images")["images"]
                if not known:
                    made = client.call("create_new_image", width=310, height=205)
                with pytest.raises(ConnectionError):
                    client.python("import ctypes", "ctypes.string_at(0)")
            gimp.wait_ready(other_than=pid)
            with gimp.client() as client:
                # The checkpoints of the process that died are gone too
                assert [row["id"] for row in client.call("list_images")["images"]] == [made["image"]]
                assert client.eval(f"Gimp.Image.get_by_id({made['image']}).get_width()") == 310
                assert (
                    client.call("call_api", api_path="gimp-image-flip", args=[made["image"], "horizontal"])["status"]
                    == "success"
                )
        files = [json.loads(path.read_text())["pid"] for path in (gimp.state_dir / "instances").glob("[0-9]*.json")]
        assert files == [gimp.instance["pid"]]
