"""What one client's code leaves behind ends with its call; a plug-in in which nothing runs any more is started again."""

import os
import signal
import threading
import time

import pytest
from client import CallError
from harness import Gimp


@pytest.fixture(scope="module")
def keeping(gimp_version):
    """A GIMP whose plug-in gives up 2 s after a call was to end."""
    with Gimp(gimp_version, settings={"restart_after": 2}) as running:
        yield running
        running.kill()  # a GIMP in which a procedure never answered does not quit by itself


@pytest.fixture
def one(keeping):
    """A client that the test before may have cost its plug-in."""
    keeping.wait_ready()
    with keeping.client() as connected:
        yield connected


def note_of(client, *lines, **options):
    return client.call("call_api", api_path="exec", args=["pyGObject-console", list(lines)], **options).get("note", "")


LEFT = {
    "a timer": (["GLib.timeout_add(20, lambda: [0 for i in iter(int, 1)])"], "1 timers", "True"),
    "an idle source": (["GLib.idle_add(lambda: [0 for i in iter(int, 1)])"], "1 timers", "True"),
    "a watch of a file handle": (
        ["import os", "r, w = os.pipe()", "os.write(w, b'x')", "GLib.io_add_watch(r, GLib.IOCondition.IN, lambda *a: [0 for i in iter(int, 1)])"],
        "1 timers", "True"),
    "a thread": (["import threading", "t = threading.Thread(target=lambda: [0 for i in iter(int, 1)])", "t.start()"],
                 "1 threads", "not t.is_alive()"),
    "a thread that swallows": (
        ["import threading, time", "def f():", "    try:", "        while True: time.sleep(0.01)", "    except Exception: f()",
         "u = threading.Thread(target=f)", "u.start()"], "1 threads", "not u.is_alive()"),
    "builtins": (["import builtins", "builtins.len = lambda x: 5", "builtins.mine = 1"], "builtins (len, mine)",
                 "len([]) == 0 and not hasattr(__import__('builtins'), 'mine')"),
    "builtins behind the back": (["import os", "os.__builtins__['len'] = lambda x: 5"], "`builtins.len`", "len([]) == 0"),
    "a function of a library": (["import json, time", "json.dumps = time.sleep = None"], "`json.dumps`",
                                "__import__('json').dumps([]) == '[]'"),
    "a function of the plug-in": (["from gimp_bridge.dispatch import dispatcher", "dispatcher.Dispatcher.execute = None"], "`Dispatcher.execute`", "True"),
    "a method of GIMP's": (["Gimp.Image.get_width = lambda self: 5", "Gimp.get_images = None"], "`Image.get_width`",
                           "Gimp.get_images() == []"),
    "a signal handler": (["import signal", "signal.signal(signal.SIGURG, signal.SIG_DFL)"], "handler of signal",
                         "callable(__import__('signal').getsignal(23))"),
    "blocked signals": (["import signal", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])"], "blocked signals", "True"),
    "a trace function": (["import sys", "sys.settrace(lambda *a: None)"], "sys.settrace", "__import__('sys').gettrace() is None"),
    "a profile function": (["import sys", "sys.setprofile(lambda *a: None)"], "sys.setprofile", "True"),
    "an exit function": (["import atexit", "atexit.register(print)"], "process's end", "True"),
    "the environment": (["import os", "os.environ['LEFT_HERE'] = '1'", "del os.environ['PATH']"], "LEFT_HERE, PATH",
                        "'LEFT_HERE' not in __import__('os').environ and bool(__import__('os').environ['PATH'])"),
    "the working folder": (["import os", "before = os.getcwd()", "os.chdir('/usr')"], "working folder",
                           "__import__('os').getcwd() == before"),
    "the recursion limit": (["import sys", "sys.setrecursionlimit(60)"], "recursion limit", "__import__('sys').getrecursionlimit() > 500"),
    "no garbage collection": (["import gc", "gc.disable()"], "garbage collection", "__import__('gc').isenabled()"),
    "the import path": (["import sys", "sys.path.insert(0, '/nowhere')"], "sys.path", "'/nowhere' not in __import__('sys').path"),
}


def test_what_code_leaves_behind_ends_with_its_call(one, keeping):
    pid = keeping.instance["pid"]
    wrong = {}
    for name, (lines, said, holds) in LEFT.items():
        note = note_of(one, *lines)
        if said not in note:
            wrong[name] = f"note: {note!r}"
        elif one.call("call_api", api_path="exec", args=["pyGObject-eval", [f"bool({holds})"]])["value"] is not True:
            wrong[name] = f"does not hold: {holds}"
    assert not wrong
    assert one.python("print(6 * 7)").strip() == "42" and keeping.wait_ready()["pid"] == pid
    assert note_of(one, "x = []", "x.append(1)", "globals()") == "", "nothing is said where nothing was left"


def test_code_cannot_close_what_the_plug_in_lives_by(one):
    for line in ("os.closerange(3, 256)", "os.close(0)", "os.dup2(1, 3)", "[os.close(n) for n in range(3, 64)]"):
        with pytest.raises(CallError, match="not allowed"):
            one.python("import os", line)
    assert one.python("import os", "r, w = os.pipe()", "os.close(r)", "os.close(w)", "print('own ones are its own')")


MAIN_LOOPS = {
    "GLib": ["GLib.MainLoop().run()"],
    "busy": ["GLib.timeout_add(5, lambda: True)", "GLib.MainLoop().run()"],
    "Gio": ["a = Gio.Application()", "a.connect('activate', lambda *_: None)", "a.hold()", "a.run([])"],
    "by hand": ["while True: GLib.main_context_default().iteration(True)"],
}


def test_a_main_loop_in_a_call_ends_at_the_calls_time_limit(one, keeping):
    pid = keeping.instance["pid"]
    for name, lines in MAIN_LOOPS.items():
        began = time.monotonic()
        with pytest.raises(CallError) as refused:
            pytest.fail(f"{name}: answered {one.python(*lines, timeout=1)!r}")
        assert refused.value.kind == "timeout" and time.monotonic() - began < 45, name  # the loops have no end
    assert one.python("loop = GLib.MainLoop()", "GLib.timeout_add(20, loop.quit)", "loop.run()", "print('ended')").strip() == "ended"
    assert keeping.wait_ready()["pid"] == pid


STUCK = {
    "a procedure that never answers": dict(api_path="extension-gimp-help", args=[]),
    "the interpreter held for good": dict(api_path="exec", args=["pyGObject-eval", ["9 ** 9 ** 9"]]),
    "a C call": dict(api_path="exec", args=["pyGObject-console", ["import ctypes", "ctypes.PyDLL(None).pause()"]]),
}


@pytest.mark.parametrize("name", STUCK)
def test_a_plug_in_that_hangs_is_started_again_with_its_images(keeping, name):
    before = keeping.wait_ready()
    with keeping.client("other") as other, keeping.client("stuck") as stuck:
        image = other.call("create_new_image", width=300, height=200, color="#3060a0")["image"]
        waiting = {}

        def hang():
            try:
                waiting["stuck"] = stuck.call("call_api", timeout=1, **STUCK[name])
            except (CallError, OSError) as error:
                waiting["stuck"] = error

        thread = threading.Thread(target=hang)
        thread.start()
        while name == "a procedure that never answers" and not other.request("$/ping", {})["busy"]:
            time.sleep(0.01)
        try:
            other.call("list_images")
        except (CallError, OSError) as error:
            waiting["other"] = error
        thread.join(120)
        if isinstance(waiting["stuck"], CallError):
            assert waiting["stuck"].kind == "timeout"
    after = keeping.wait_ready(other_than=before["pid"])
    assert after["gimp_pid"] == before["gimp_pid"], "GIMP and its images live on"
    with keeping.client("later") as later:
        assert image in [row["id"] for row in later.call("list_images")["images"]]
        color = later.python(f"print(Gimp.Image.get_by_id({image}).get_layers()[0].get_pixel(150, 100).get_rgba().red)")
        assert abs(float(color) - 0.0296) < 0.001  # 0x30, linear
        later.call("close_image", image=image, discard_changes=True)
    if name == "a procedure that never answers":
        assert "could not be ended" in after["restarted"]
        assert waiting["other"].kind == "connection_lost" and "started again" in str(waiting["other"])


def test_a_plug_in_that_dies_twice_within_seconds_is_started_again(keeping):
    first = keeping.wait_ready()
    os.kill(first["pid"], signal.SIGKILL)
    os.unlink(keeping.state_dir / "instances" / f"{first['pid']}.json")  # as a daemon does that meets a stale one
    second = keeping.wait_ready(other_than=first["pid"])
    os.kill(second["pid"], signal.SIGKILL)
    os.unlink(keeping.state_dir / "instances" / f"{second['pid']}.json")
    third = keeping.wait_ready()
    assert len({row["pid"] for row in (first, second, third)}) == 3
    assert third["gimp_pid"] == first["gimp_pid"]
    with keeping.client() as client:
        assert client.python("print(6 * 7)").strip() == "42"


def test_an_idle_gimp_is_not_called_busy(gimp):
    with gimp.client() as client:
        seen = []
        end = time.monotonic() + 7  # more than the 5 s after which a main loop without a turn counts as busy
        while time.monotonic() < end:
            seen.append(client.request("$/ping", {})["busy"])
            time.sleep(0.5)
        for _ in range(200):
            client.call("list_images")
            seen.append(client.request("$/ping", {})["busy"])
    assert not [busy for busy in seen if busy and busy["seconds"] > 5], seen
