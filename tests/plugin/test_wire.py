"""net/wire.py against the shared framing vectors, and its cost."""

import json
import pathlib
import time

import pytest
from gimp_bridge.net import wire

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "vectors"
CASES = json.loads((VECTORS / "framing.json").read_text())["cases"]


def assemble(parts):
    return b"".join((bytes.fromhex(p["hex"]) if "hex" in p else p["text"].encode()) * p.get("times", 1) for p in parts)


def pieces(data, count):
    cuts = [len(data) * i // count for i in range(count + 1)]
    return [data[a:b] for a, b in zip(cuts, cuts[1:])]


def decode(packets, limit, end):
    decoder, events = wire.Decoder(limit), []
    try:
        for packet in packets:
            events.extend(decoder.feed(packet))
        if end:
            events.append(("close", "end" if decoder.at_boundary() else "truncated"))
    except wire.WireError as error:
        events.append(("close", error.reason))
    return events


def matches(event, expected):
    kind, value = event
    ((name, want),) = expected.items()
    if name == "close":
        return kind == "close" and value == want
    if name == "message":
        return kind == wire.MESSAGE and value == want
    if name == "message_length":
        return kind == wire.MESSAGE and len(json.dumps(value, separators=(",", ":"))) == want
    numbers = {"reply_chunk": wire.REPLY_CHUNK, "request_chunk": wire.REQUEST_CHUNK}
    same = value[1].hex() == want["hex"] if "hex" in want else len(value[1]) == want["length"]
    return kind == numbers[name] and value[0] == want["id"] and same


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_vector(case):
    limit = wire.MAX_FRAME_BEFORE_HANDSHAKE if case.get("before_handshake") else wire.MAX_FRAME
    data = assemble(case["bytes"])
    cuts = {case.get("packets", 1), 2, 3}
    if len(data) < 2000:
        cuts.add(max(len(data), 1))
    for count in cuts:
        events = decode(pieces(data, count), limit, case.get("end"))
        assert len(events) == len(case["events"]), (count, events)
        assert all(map(matches, events, case["events"])), (count, events)


def test_bytes_come_back_as_they_went():
    frames = [wire.encode_message({"a": "é\u2028"}), wire.encode_chunk(wire.REPLY_CHUNK, 9, b"\x00" * 70000)]
    events = list(wire.Decoder(wire.MAX_FRAME).feed(b"".join(frames)))
    assert events == [(wire.MESSAGE, {"a": "é\u2028"}), (wire.REPLY_CHUNK, (9, b"\x00" * 70000))]


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError):
        wire.encode_message({"a": float("nan")})
    with pytest.raises(OverflowError):
        wire.encode_message({"a": "x" * wire.MAX_MESSAGE})
    with pytest.raises(ValueError):
        wire.encode_chunk(wire.REPLY_CHUNK, 1, b"")


def test_a_lone_surrogate_does_not_break_the_reply():
    ((_, value),) = wire.Decoder(wire.MAX_FRAME).feed(wire.encode_message({"a": "x\udc80"}))
    assert value["a"] == "x?"


def seconds(function):
    """Of this process's own work, whatever else the machine does."""
    start = time.process_time()
    function()
    return time.process_time() - start


def test_cost_grows_with_the_bytes_only():
    """16 times as many small packets of one message cost about 16 times as much, not 256 times."""

    def feed(size):
        data = wire.encode_message({"a": "x" * size})
        return seconds(lambda: decode(pieces(data, size // 100), wire.MAX_FRAME, False))

    feed(100_000)
    assert feed(3_200_000) < 80 * max(feed(200_000), 1e-3)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":"' + b"\\" * 2_000_000, b'{"a":' + b"[]," * 1_000_000, b'"' * 4_000_000 + b"[" * 200],
    ids=["backslashes", "brackets", "quotes"],
)
def test_hostile_bodies_cost_linear_time(raw):
    def attempt():
        with pytest.raises(wire.WireError):
            wire.parse(raw)

    assert seconds(attempt) < 5
