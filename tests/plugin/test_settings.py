"""plugin.json, the environment, state folders and instance files."""

import json
import os
import socket
import stat
import subprocess
import sys

import pytest
from gimp_bridge.core import instance, settings


def load(folder, given=None, environ=None):
    if given is not None:
        (folder / "plugin.json").write_text(given if isinstance(given, str) else json.dumps(given))
    return settings.load(str(folder), environ or {})


def test_without_the_file_only_reading_is_allowed(tmp_path):
    found = load(tmp_path)
    assert (found.exec, found.read_only, found.folders, found.bound) == (False, True, None, True)
    # GIMP's own user may say otherwise
    found = load(tmp_path, environ={"GIMP_BRIDGE_READ_ONLY": "false", "GIMP_BRIDGE_EXEC": "true"})
    assert (found.exec, found.read_only, found.bound) == (True, False, False)


@pytest.mark.parametrize(
    ("given", "environ", "exec"),
    [
        ({"folders": ["/a"]}, {}, False),
        ({"folders": []}, {}, False),
        ({"folders": ["/a"], "exec": True}, {}, True),
        ({"folders": None}, {}, True),
        ({"exec": True}, {"GIMP_BRIDGE_FOLDERS": "/a"}, False),
        ({}, {"GIMP_BRIDGE_FOLDERS": "/a", "GIMP_BRIDGE_EXEC": "true"}, True),
        ({"folders": ["/a"]}, {"GIMP_BRIDGE_EXEC": "true"}, False),
        ({"folders": ["/a"], "exec": True}, {"GIMP_BRIDGE_EXEC": "true"}, True),
        ({"folders": ["/a"], "exec": True}, {"GIMP_BRIDGE_EXEC": "false"}, False),
        ({"folders": ["/a"], "exec": True}, {"GIMP_BRIDGE_FOLDERS": "/b"}, False),
    ],
)
def test_folders_turn_code_off_unless_the_same_place_allows_it(tmp_path, given, environ, exec):
    found = load(tmp_path, given, environ)
    assert found.exec is exec


def test_a_file_cannot_name_private_folders(tmp_path):
    with pytest.raises(settings.SettingsError, match="private"):
        load(tmp_path, {"private": []})


def test_defaults(tmp_path):
    found = load(tmp_path, {})
    assert (found.port, found.auto_disconnect, found.exec, found.read_only, found.folders) == (
        9877,
        300,
        True,
        False,
        None,
    )


def test_the_environment_wins(tmp_path):
    found = load(
        tmp_path,
        {"port": 1, "read_only": False},
        {
            "GIMP_BRIDGE_PORT": "2",
            "GIMP_BRIDGE_READ_ONLY": "true",
            "GIMP_BRIDGE_FOLDERS": "/a:/b",
            "GIMP_BRIDGE_AUTO_DISCONNECT": "false",
        },
    )
    assert (found.port, found.read_only, found.folders, found.auto_disconnect) == (2, True, ["/a", "/b"], False)


@pytest.mark.parametrize(
    "given",
    [
        {"port": 65536},
        {"port": "9877"},
        {"port": True},
        {"read_only": "yes"},
        {"exec": 1},
        {"folders": "all"},
        {"folders": ["relative"]},
        {"auto_disconnect": "soon"},
        {"auto_disconnect": 0},
        {"checkpoints": -1},
        {"checkpoint_memory_mb": 1},
        {"prot": 1},
    ],
)
def test_a_bad_value_names_its_place(tmp_path, given):
    with pytest.raises(settings.SettingsError) as raised:
        load(tmp_path, given)
    assert str(tmp_path / "plugin.json") in str(raised.value) and f"`{next(iter(given))}`" in str(raised.value)


@pytest.mark.parametrize(("text", "seconds"), [("true", 300), ("on", 300), ("no", False), ("0", False), ("1", 1), ("90000", 90000)])
def test_auto_disconnect_is_a_switch_or_seconds(tmp_path, text, seconds):
    assert load(tmp_path, {}, {"GIMP_BRIDGE_AUTO_DISCONNECT": text}).auto_disconnect == seconds
    assert load(tmp_path, {"auto_disconnect": True}).auto_disconnect == 300


def test_the_environment_speaks_as_it_does_to_the_daemon(tmp_path):
    for word, meant in {"yes": True, "off": False, "1": True, "0": False, "TRUE": True}.items():
        assert load(tmp_path, {}, {"GIMP_BRIDGE_READ_ONLY": word}).read_only is meant
    # A Kubernetes Service called gimp-bridge sets this in every container
    assert load(tmp_path, {}, {"GIMP_BRIDGE_PORT": "tcp://10.0.0.1:80"}).port == 9877


def test_all_problems_are_told(tmp_path):
    with pytest.raises(settings.SettingsError) as raised:
        load(tmp_path, {"port": -1}, {"GIMP_BRIDGE_EXEC": "perhaps"})
    assert "`port`" in str(raised.value) and "GIMP_BRIDGE_EXEC" in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000])
def test_a_broken_file_is_told(tmp_path, text):
    (tmp_path / "plugin.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(settings.SettingsError, match="plugin.json"):
        load(tmp_path)


def test_state_folders():
    def folder(platform, **environ):
        return settings.state_dir(environ, platform)

    assert folder("linux", HOME="/h") == "/h/.local/state/gimp-bridge"
    assert folder("linux", HOME="/h", XDG_STATE_HOME="/s") == "/s/gimp-bridge"
    assert folder("linux", HOME="/h", GIMP_BRIDGE_STATE_DIR="/g") == "/g"
    assert folder("darwin", HOME="/h") == "/h/Library/Application Support/gimp-bridge"
    assert folder("win32", HOME="h", LOCALAPPDATA="l") == os.path.join("l", "gimp-bridge")


def test_an_instance_file_is_private_and_stale_ones_go(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = tmp_path / "instances"
    folder.mkdir()
    (folder / f"{ended.pid}.json").write_text("{}")
    (folder / "notes.json").write_text("{}")
    path = instance.announce(str(tmp_path), {"pid": os.getpid(), "port": 5})
    assert json.loads(open(path).read()) == {"pid": os.getpid(), "port": 5}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(os.listdir(folder)) == [f"{os.getpid()}.json", "notes.json"]
    instance.withdraw(path)
    instance.withdraw(path)
    assert os.listdir(folder) == ["notes.json"]


def test_the_file_of_a_container_whose_port_answers_stays(tmp_path):
    folder = tmp_path / "instances"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = folder / "4194304.json"  # above any process id here
        theirs.write_text(json.dumps({"port": listener.getsockname()[1]}))
        instance.remove_stale(str(folder))
        assert theirs.exists()
    instance.remove_stale(str(folder))
    assert not theirs.exists()


def test_the_location_beside_the_plug_in_names_the_state_folder(tmp_path):
    location = tmp_path / "location.json"
    location.write_text(json.dumps({"state_dir": "/elsewhere/state", "packaging": "flatpak"}))
    at = str(location)
    assert settings.state_dir({"HOME": "/h", "XDG_STATE_HOME": "/x"}, "linux", at) == "/elsewhere/state"
    assert settings.state_dir({"GIMP_BRIDGE_STATE_DIR": "/named"}, "linux", at) == "/named"
    assert settings.state_dir({"HOME": "/h"}, "linux", str(tmp_path / "none")) == "/h/.local/state/gimp-bridge"
