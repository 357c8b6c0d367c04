"""Frames: bytes to messages and chunks, and back. Never imports Gimp, never touches a socket."""

import itertools
import json
import re
import struct

MESSAGE, REPLY_CHUNK, REQUEST_CHUNK = 1, 2, 3

MAX_MESSAGE = 16 * 1024 * 1024
MAX_CHUNK = 1024 * 1024
MAX_DEPTH = 128
MAX_FRAME = 1 + MAX_MESSAGE
MAX_FRAME_BEFORE_HANDSHAKE = 4096
MAX_ID = 2**53 - 1

_LENGTH = struct.Struct(">I")
_CHUNK_ID = struct.Struct(">Q")
_CHUNK_HEAD = struct.Struct(">IBQ")
_CHUNK_MIN = 1 + _CHUNK_ID.size + 1

WHY = {
    "zero_length": "a frame has length 0",
    "too_long": "a frame is longer than its limit",
    "unknown_kind": "a frame has an unknown kind",
    "short_chunk": "a chunk has no data or no whole request id",
    "not_utf8": "a message is not valid UTF-8",
    "not_json": "a message is not valid JSON",
    "too_deep": f"a message is nested deeper than {MAX_DEPTH} levels",
    "not_an_object": "a message is not a JSON object",
    "truncated": "the connection ended within a frame",
}


class WireError(Exception):
    """The peer broke the framing: the connection cannot go on. `reason` is a key of `WHY`."""

    def __init__(self, reason):
        super().__init__(WHY[reason])
        self.reason = reason


class Decoder:
    """Incremental: `feed` bytes as they come, get `(kind, value)` pairs as they are complete.

    For MESSAGE the value is the object, for chunks `(request id, bytes)`. Holds at most one incomplete frame and what
    was fed. After a WireError the decoder is done: the position of the next frame is unknown.
    """

    def __init__(self, limit=MAX_FRAME_BEFORE_HANDSHAKE):
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data):
        """Yields what is complete; raises WireError at the first broken frame, after all that came before it."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, start)
                if length == 0:
                    raise WireError("zero_length")
                if length > self.limit:
                    raise WireError("too_long")
                body = start + _LENGTH.size + 1
                if len(buffer) < body:
                    break
                kind = buffer[body - 1]
                if kind not in (MESSAGE, REPLY_CHUNK, REQUEST_CHUNK):
                    raise WireError("unknown_kind")
                if kind != MESSAGE:
                    if length < _CHUNK_MIN:
                        raise WireError("short_chunk")
                    if length > _CHUNK_MIN - 1 + MAX_CHUNK:
                        raise WireError("too_long")
                end = body + length - 1
                if len(buffer) < end:
                    break
                start = end  # before the yield: what the caller does with a frame must not bring it back
                if kind == MESSAGE:
                    with memoryview(buffer) as view:
                        raw = bytes(view[body:end])
                    yield kind, parse(raw)
                else:
                    with memoryview(buffer) as view:
                        value = (_CHUNK_ID.unpack_from(view, body)[0], bytes(view[body + _CHUNK_ID.size : end]))
                    yield kind, value
        finally:
            # One cut per feed, and a bytearray drops its head without moving its tail: never quadratic.
            del buffer[:start]

    def at_boundary(self):
        """Whether no frame is half read."""
        return not self._buffer


# A string, escapes included; possessive by construction, so that a long string costs linear time.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEP = bytes(1 if c in b"[{" else 255 for c in range(256))  # as signed bytes: +1 for an opening bracket, else -1
_NOT_BRACKETS = bytes(c for c in range(256) if c not in b"[]{}")


def depth(raw):
    """How deep the brackets outside of strings nest, without parsing: json.loads recurses, this does not."""
    openings = raw.count(b"[") + raw.count(b"{")
    if openings <= MAX_DEPTH:
        return openings  # an upper bound serves: it is within the limit
    brackets = _STRING.sub(b"", raw).translate(_STEP, _NOT_BRACKETS)
    return max(itertools.accumulate(memoryview(brackets).cast("b")), default=0)


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _finite(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is out of range")
    return value


_decode_json = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def parse(raw):
    """The object in a message's body, or a WireError."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("not_utf8") from None
    if depth(raw) > MAX_DEPTH:
        raise WireError("too_deep")
    try:
        value = _decode_json(text)
        if (
            b"\\ud" in raw or b"\\uD" in raw
        ):  # json.loads lets unpaired surrogates through, and no reply could quote them
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise WireError("not_json") from None
    if not isinstance(value, dict):
        raise WireError("not_an_object")
    return value


_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode_message(message):
    """A whole message frame; ValueError for what cannot be said (NaN, too deep), OverflowError past the limit."""
    # Unpaired surrogates reach strings through file names and user code; no JSON parser on the other side takes them.
    body = _encode_json(message).encode("utf-8", "replace")
    if len(body) > MAX_MESSAGE:
        raise OverflowError(f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE}")
    if depth(body) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return b"".join((_LENGTH.pack(len(body) + 1), b"\x01", body))


def chunk_header(kind, request_id, size):
    """What goes before `size` bytes of data in a chunk frame."""
    if not 1 <= size <= MAX_CHUNK:
        raise ValueError(f"a chunk has 1 to {MAX_CHUNK} bytes, not {size}")
    return _CHUNK_HEAD.pack(1 + _CHUNK_ID.size + size, kind, request_id)


def encode_chunk(kind, request_id, data):
    """A whole chunk frame."""
    return b"".join((chunk_header(kind, request_id, len(data)), data))
