"""The user's Stop holds: through menu filters, a death of the plug-in and a restart of GIMP, until the user starts it."""

import json
import os
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
from client import CallError
from harness import Gimp
from test_call_command import BINARY
from test_filter_menu import ask, publish, wait_for

OIL = {"name": "oil-painting", "title": "Oil painting", "group": "Art", "help": "Paints it", "params": []}
START, STOP = "plug-in-gimp-bridge-start", "plug-in-gimp-bridge-stop"


def announced(gimp):
    files = (gimp.state_dir / "instances").glob("*.json")
    return [json.loads(file.read_text()) for file in files]


def until(what, condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_stopped_is_stopped_until_the_user_starts_it(gimp_version, tmp_path):
    environment = {"GIMP_BRIDGE_BIN": str(BINARY.resolve())}
    with Gimp(gimp_version, plug_ins=["caller"], environment=environment, home=tmp_path / "home") as gimp:
        publish(gimp, [OIL], str(BINARY.resolve()))
        wait_for(gimp, "SUCCESS", "oil-painting")
        port = gimp.port
        with gimp.client() as client:
            made = client.call("create_new_image", width=300, height=200, color="#204060")
            image, layer = made["image"], made["layer"]
            with pytest.raises(CallError, match="forbidden"):
                client.call("call_api", api_path=STOP, args=[])
            said = client.python(f"p = Gimp.get_pdb().lookup_procedure('{STOP}')", "p.run(p.create_config())",
                                 "print(Gimp.get_pdb().get_last_error())")
            assert "only GIMP's user starts and stops" in said
            assert ask(gimp, procedure=STOP)["status"] == "SUCCESS"
            with pytest.raises(ConnectionError):
                client.call("list_images")
        until("the port is closed", lambda: not listens(port))
        assert [(row["stopped"], row["port"]) for row in announced(gimp)] == [(True, 0)]

        # A menu filter works, through a door for its own worker only
        before = set(_listening(gimp.instance["pid"]))
        answer = ask(gimp, procedure="plug-in-gimp-bridge-oil-painting", image=image, drawables=[layer],
                     arguments={"result": "new_layer"}, seconds=120)
        assert answer["status"] == "SUCCESS", answer
        assert [(row["stopped"], row["port"]) for row in announced(gimp)] == [(True, 0)]
        assert set(_listening(gimp.instance["pid"])) == before == set(), "the door is closed again"

        # A client outside is sent to the user
        told = subprocess.run([BINARY, "call", "list_images"], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)})
        assert told.returncode != 0
        assert "the user has stopped GIMP Bridge" in told.stdout + told.stderr, told
        assert "gimp-bridge gimp" not in told.stdout + told.stderr

        # The plug-in's process dies and comes back: stopped
        pid = gimp.instance["pid"]
        os.kill(pid, signal.SIGKILL)
        until("another process", lambda: any(row["pid"] != pid for row in announced(gimp)))
        assert all(row["stopped"] for row in announced(gimp) if row["pid"] != pid)
        assert ask(gimp, procedure=START)["status"] == "SUCCESS"
        gimp.wait_ready(other_than=pid)
        with gimp.client() as client:
            layers = client.eval(f"len(Gimp.Image.get_by_id({image}).get_layers())")
            assert layers == 2, "the filter's layer is there"
            reply = client.stream("read_pixels", image=image)
            painted = np.frombuffer(bytes(reply.data), np.uint8).reshape(200, 300, -1)[..., :3].astype(int)
            assert 1 < abs(painted - (0x20, 0x40, 0x60)).mean() < 12, "it is painted in the layer's colour"
        assert ask(gimp, procedure=STOP)["status"] == "SUCCESS"
        gimp.kill()

        # GIMP is started again: stopped
        with Gimp(gimp_version, plug_ins=["caller"], home=gimp.home) as again:
            assert again.instance["stopped"] and again.port == 0
            assert "the user has stopped GIMP Bridge" in again.log()
            assert ask(again, procedure=START)["status"] == "SUCCESS"
            again.wait_ready(other_than=None)
            until("it listens", lambda: [row["stopped"] for row in announced(again)] == [False])
            again.wait_ready()
            with again.client() as client:
                assert client.python("print(6 * 7)").strip() == "42"
            again.kill()


def _listening(pid):
    """The ports that a process listens on."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes]
