"""The server without GIMP: fairness, limits, uploads, idle and slow peers, garbage, leaks."""

import json
import os
import random
import socket
import threading
import time

import pytest
from fake_side import FakeSide, echo
from client import CallError, Client
from gimp_bridge.core.own_thread import OwnThread
from gimp_bridge.net import auth, server, wire

SECRET = b"s" * 32


@pytest.fixture
def side():
    with FakeSide(SECRET) as running:
        yield running


def blocked_side():
    """A side whose operation `wait` waits for the returned event."""
    gate, order = threading.Event(), []

    def execute(request):
        if request.operation == "wait":
            assert gate.wait(60)
        else:
            order.append(request.client_id)
        return {}

    return FakeSide(SECRET, execute), gate, order


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


def test_a_flooding_client_does_not_starve_others():
    side, gate, order = blocked_side()
    with (
        side,
        Client(side.port, SECRET, client_id="flood") as flood,
        Client(side.port, SECRET, client_id="quiet") as quiet,
    ):
        first = flood.send_call("wait")
        until(lambda: flood.ping()["busy"])
        calls = [flood.send_call("note") for _ in range(100)]
        until(lambda: flood.ping()["queued"] == 100)
        late = quiet.send_call("note")
        until(lambda: flood.ping()["queued"] == 101)
        gate.set()
        quiet.wait(late)
        for call in [first, *calls]:
            flood.wait(call)
        assert order.index("quiet") <= 2 and len(order) == 101


def test_one_more_than_256_in_flight_is_busy():
    side, gate, _ = blocked_side()
    with side, Client(side.port, SECRET) as client:
        calls = [client.send_call("wait") for _ in range(256)]
        with pytest.raises(CallError) as raised:
            client.call("wait")
        assert raised.value.kind == "busy"
        gate.set()
        for call in calls:
            client.wait(call)
        assert client.call("note") == {}


def test_a_request_that_waits_too_long_is_busy(monkeypatch):
    monkeypatch.setattr("gimp_bridge.net.requests.QUEUE_PATIENCE", 0)
    side, gate, _ = blocked_side()
    with side, Client(side.port, SECRET) as client:
        first = client.send_call("wait")
        until(lambda: client.ping()["busy"])
        with pytest.raises(CallError) as raised:
            client.call("note", timeout=0.1)
        assert raised.value.kind == "busy"
        gate.set()
        client.wait(first)


def test_uploads_come_whole_and_leave_nothing(side):
    data = random.Random(1).randbytes(3_000_000)
    paths = []
    side.execute = lambda request: paths.append(request.upload.path) or echo(request)
    with Client(side.port, SECRET) as client:
        answer = client.call("echo", upload=data)
        assert answer["upload"]["bytes"] == 3_000_000
        assert client.call("echo", upload=b"")["upload"]["bytes"] == 0
        client.send_request(
            "call",
            {
                "operation": "echo",
                "arguments": {},
                "client": {"id": "a", "name": "a"},
                "timeout": 9,
                "upload": {"bytes": 9},
            },
        )
        client.ping()
        folder = os.path.dirname(paths[0])
        assert len(os.listdir(folder)) == 1
    until(lambda: os.listdir(folder) == [])


def test_an_upload_that_never_ends_times_out(side):
    with Client(side.port, SECRET) as client:
        call = client.send_request(
            "call",
            {
                "operation": "echo",
                "arguments": {},
                "client": {"id": "a", "name": "a"},
                "timeout": 0.2,
                "upload": {"bytes": 9},
            },
        )
        with pytest.raises(CallError) as raised:
            client.wait(call)
        assert raised.value.kind == "timeout"


def test_results_that_cannot_travel_become_errors(side):
    deep = value = []
    for _ in range(200):
        value.append([])
        value = value[0]
    for result, kind in (
        ({"a": float("nan")}, "internal"),
        ({"a": object()}, "internal"),
        ({"a": deep}, "internal"),
        ({"a": "x" * wire.MAX_MESSAGE}, "too_large"),
    ):
        side.execute = lambda request: result
        with Client(side.port, SECRET) as client:
            with pytest.raises(CallError) as raised:
                client.call("echo")
            assert raised.value.kind == kind


def test_idle_connections_close_unless_asked():
    with FakeSide(SECRET, auto_disconnect=1) as side:
        with Client(side.port, SECRET) as idle, Client(side.port, SECRET) as kept:
            assert kept.request("disable_auto_disconnect", {}) == {"auto_disconnect": False}
            start = time.monotonic()
            with pytest.raises(ConnectionError):
                idle.receive()
            assert 0.9 < time.monotonic() - start < 30
            assert kept.ping()["queued"] == 0


def test_a_stranger_gets_five_seconds_and_no_word(side):
    with socket.create_connection(("127.0.0.1", side.port), timeout=60) as sock:
        start = time.monotonic()
        assert sock.recv(100) == b""
        assert 4 < time.monotonic() - start < 30


def test_dripping_bytes_does_not_help(side):
    with socket.create_connection(("127.0.0.1", side.port), timeout=60) as sock:
        start = time.monotonic()
        frame = wire.encode_message(
            {"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"protocol": 1, "nonce": "x" * 3000}}
        )
        with pytest.raises(OSError):
            for byte in frame:
                sock.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - start < 60  # all of its bytes would take 150 s


def test_many_strangers_do_not_lock_out_a_friend(side):
    strangers = [socket.create_connection(("127.0.0.1", side.port)) for _ in range(40)]
    with Client(side.port, SECRET) as client:
        assert client.ping()["busy"] is None
    assert sum(c.is_open and not c.authenticated for c in side.server.connections()) <= 16
    for stranger in strangers:
        stranger.close()


def test_the_listener_outlives_that_there_is_no_thread(side, monkeypatch):
    class NoThread(OwnThread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(server, "OwnThread", NoThread)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", side.port), timeout=60) as sock:
            assert sock.recv(1) == b""
    monkeypatch.undo()
    with Client(side.port, SECRET) as client:
        assert client.ping()["queued"] == 0


def test_a_peer_without_the_secret_gets_a_nonce_and_nothing_else(side):
    with pytest.raises(ConnectionError):
        Client(side.port, b"t" * 32)
    assert all(not c.authenticated for c in side.server.connections())


def test_a_taken_port_gives_a_free_one(side):
    with FakeSide(SECRET, port=side.port) as second:
        assert second.port != side.port
        with Client(second.port, SECRET) as client:
            assert client.call("echo", a=1)["arguments"] == {"a": 1}


def test_a_peer_that_does_not_read_holds_up_nobody(side, monkeypatch):
    side.execute = lambda request: {"a": "x" * 2_000_000} if request.arguments.get("big") else {}
    with Client(side.port, SECRET) as slow, Client(side.port, SECRET) as other:
        calls = [slow.send_call("echo", {"big": True}) for _ in range(40)]
        start = time.monotonic()
        for _ in range(20):
            assert other.call("echo") == {}
        assert time.monotonic() - start < 20
        (held,) = [c for c in side.server.connections() if c.congested]
        assert held._outbox.pending < 20_000_000
        for call in calls:
            assert len(slow.wait(call).result["a"]) == 2_000_000


def test_a_peer_that_never_reads_is_cut_off(monkeypatch):
    monkeypatch.setattr("gimp_bridge.net.outbox.STALL_SECONDS", 1)
    with FakeSide(SECRET, lambda request: {"a": "x" * 8_000_000}) as side:
        with Client(side.port, SECRET) as slow:
            for _ in range(4):
                slow.send_call("echo")
            until(lambda: not side.server.connections(), 8)


def mutations(count, seed):
    """Valid frames, broken at random: bits, lengths, cuts, repeats, garbage between."""
    rng = random.Random(seed)
    base = [
        wire.encode_message({"jsonrpc": "2.0", "id": i, "method": m, "params": p})
        for i, (m, p) in enumerate(
            (
                ("hello", {"protocol": 1, "nonce": "11" * 32}),
                ("$/ping", {}),
                ("$/cancel", {"id": 3}),
                ("disable_auto_disconnect", {}),
                (
                    "call",
                    {"operation": "echo", "arguments": {"a": [1]}, "client": {"id": "c", "name": "n"}, "timeout": 3},
                ),
                (
                    "call",
                    {
                        "operation": "echo",
                        "arguments": {},
                        "client": {"id": "c", "name": "n"},
                        "timeout": 3,
                        "upload": {"bytes": 4},
                    },
                ),
            ),
            1,
        )
    ]
    base += [wire.encode_chunk(wire.REQUEST_CHUNK, 6, b"abcd"), wire.encode_chunk(wire.REPLY_CHUNK, 1, b"x")]
    for _ in range(count):
        data = bytearray(rng.choice(base))
        for _ in range(rng.randint(1, 4)):
            if not data:
                break
            kind, at = rng.randrange(6), rng.randrange(len(data))
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at] = rng.randrange(256)
            elif kind == 2:
                del data[at : at + rng.randint(1, 8)]
            elif kind == 3:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            elif kind == 4:
                data[:4] = rng.choice((0, 1, 9, len(data), 4097, 2**24 + 1, 2**32 - 1)).to_bytes(4, "big")
            else:
                data += data[: rng.randint(1, len(data))]
        yield bytes(data)


def threads():
    return sum(t.name.startswith("gimp-bridge") for t in threading.enumerate())


def test_10000_mutations_of_valid_frames(side):
    """Before and after the handshake; whatever comes, the side answers a friend and nothing is left behind."""
    before, client = threads(), None
    for number, data in enumerate(mutations(10_000, 7)):
        if number % 2 == 0:
            with socket.create_connection(("127.0.0.1", side.port), timeout=60) as sock:
                sock.sendall(data)
            continue
        if number % 20 == 1:
            if client is not None:
                client.close()
            client = Client(side.port, SECRET, timeout=60)
        try:
            client.sock.sendall(data)
        except OSError:
            client.close()
            client = Client(side.port, SECRET, timeout=60)
    client.close()
    with Client(side.port, SECRET) as friend:
        assert friend.call("echo", a=1)["arguments"] == {"a": 1}
    until(lambda: not side.server.connections() and threads() <= before)
    assert len(side.server.queue) == 0


def said(port, *packets):
    """All that the side answers to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        heard = b""
        try:
            for data in packets:
                sock.sendall(data)
            while data := sock.recv(4096):
                heard += data
        except ConnectionResetError:
            pass  # it closed with our bytes unread
        return heard


def test_who_speaks_no_frames_gets_one_line_that_says_nothing_of_gimp(side):
    lines = {
        said(side.port, data)
        for data in (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"POST /jsonrpc HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000,
            b"\x16\x03\x01\x02\x00",
            b"{}",
            b'{"cmds": ["print(1)"]}\n',
            b"h",
            b"A" + random.Random(3).randbytes(50_000),
        )
    }
    assert len(lines) == 1, "the line is the same whatever came"
    (line,) = lines
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and len(line) < 300
    text = json.loads(line)["error"]
    assert "frames" in text and "/jsonrpc" in text and "/mcp" in text
    assert "gimp" not in text.replace("gimp-bridge", "").lower(), "nothing about the GIMP behind the port"


def test_who_speaks_frames_badly_gets_no_word(side):
    hello = wire.encode_message({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"protocol": 1, "nonce": "11" * 32}})
    call = wire.encode_message({"jsonrpc": "2.0", "id": 1, "method": "$/ping", "params": {}})
    for data in (b"\0" * 1000, b"\0\0\1\1\x09", call, b"\0\0\0\x03\1{}"):
        assert said(side.port, data) == b"", data
    nonce = said(side.port, hello, b"GET / HTTP/1.1\r\n\r\n")
    assert b"nonce" in nonce and b"frames" not in nonce


def test_a_nonce_is_never_the_same(side):
    seen = set()
    for _ in range(20):
        with Client(side.port, SECRET, connect=False) as client:
            seen.add(client.request("hello", {"protocol": 1, "nonce": auth.new_nonce()})["nonce"])
    assert len(seen) == 20
