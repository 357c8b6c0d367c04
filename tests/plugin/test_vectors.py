"""The plug-in's side of the shared handshake and session vectors."""

import json
import socket
import sys
from pathlib import Path

import pytest
from fake_side import FakeSide
from gimp_bridge.net import auth, wire

VECTORS = Path(__file__).resolve().parents[2] / "protocol" / "vectors"
HANDSHAKE = json.loads((VECTORS / "handshake.json").read_text())
SESSION = json.loads((VECTORS / "session.json").read_text())
SECRET = bytes.fromhex(HANDSHAKE["secret"])


def for_plugin(cases):
    return [case for case in cases if case["side"] in ("plugin", "both")]


class Peer:
    """Plays the daemon's steps and expects the plug-in's."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._decoder, self._events = wire.Decoder(wire.MAX_FRAME), iter(())

    def play(self, exchange):
        for step in exchange:
            ((who, what),) = step.items()
            if who == "daemon" and what == "close":
                self.sock.close()
            elif who == "daemon":
                self.sock.sendall(wire.encode_message(what))
            elif who == "daemon_hex":
                self.sock.sendall(bytes.fromhex(what))
            elif what == "close":
                assert self.receive() is None
            elif who == "plugin_line":
                line = b""
                while not line.endswith(b"\n"):
                    line += self.sock.recv(65536) or b"\n"
                assert what in line.decode() and line.count(b"\n") == 1, line
            else:
                got = self.receive()
                assert matches(got, what), (got, what)

    def receive(self):
        while True:
            event = next(self._events, None)
            if event:
                assert event[0] == wire.MESSAGE
                return event[1]
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._events = self._decoder.feed(data)


def matches(got, expected):
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(key in got and matches(got[key], value) for key, value in expected.items())
    return type(got) is type(expected) and got == expected


@pytest.mark.parametrize("row", HANDSHAKE["proofs"])
def test_proofs(row):
    for role in ("daemon", "plugin"):
        given = auth.proof(bytes.fromhex(row["secret"]), role, row["port"], row["daemon_nonce"], row["plugin_nonce"])
        assert given == row[f"{role}_proof"]


@pytest.mark.parametrize("case", for_plugin(HANDSHAKE["cases"]), ids=lambda c: c["name"])
def test_handshake(case):
    with FakeSide(SECRET, new_nonce=lambda: HANDSHAKE["plugin_nonce"]) as side:
        side.server.port = HANDSHAKE["port"]  # what the proofs are made for; the socket has a free one
        peer = Peer(side.port)
        peer.play(case["exchange"])
        peer.sock.close()


@pytest.fixture(scope="module")
def side():
    with FakeSide(SECRET) as running:
        yield running


@pytest.mark.parametrize("case", for_plugin(SESSION["cases"]), ids=lambda c: c["name"])
def test_session(side, case):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gimp"))
    from client import Client

    with Client(side.port, SECRET) as client:
        peer = Peer.__new__(Peer)
        peer.sock, peer._decoder, peer._events = client.sock, wire.Decoder(wire.MAX_FRAME), iter(())
        client.sock.settimeout(8)
        peer.play(case["exchange"])
