"""What strangers send, and what a backend may answer that is not well or not a friend."""

import base64
import http.client
import json
import socket
import struct
import time
import urllib.parse
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from painter import Answering, StandIn, png

TOOL = "/mcp/v1/tools/generate_image"


def small(prompt="a lake", **more):
    return {"prompt": prompt, "width": 64, "height": 64, **more}


@pytest.fixture
def one(daemon, painter):
    return daemon(painter.url)


@pytest.fixture
def made(one):
    status, made = one.generate("a lake", width=300, height=200)
    assert status == 200
    return made


def raw(daemon, method, path, **headers):
    """A path as it is, which urllib would mend: status, headers, bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_words_that_are_too_many_or_strange(one, painter):
    for prompt in ["x" * 1_000_000, "\0" * 1001, "é" * 1001, "", " \t\n\u2003", "x" * 20_000_000]:
        status, _, body = one.ask("POST", TOOL, small(prompt))
        said = json.loads(body)
        assert status == 400 and said["error"]["kind"] == "invalid_argument" and len(body) < 2000, body[:300]
    for body in [b'{"prompt": "\\ud800"}', b'{"prompt": "\xff"}', b"[" * 100_000, b'{"prompt": {"a": []}}', b"null", b"7"]:
        answer = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
        answer.request("POST", TOOL, body, {"Content-Type": "application/json"})
        answer = answer.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 400 and said["error"]["hint"], said
    assert painter.requests == []
    # What is strange and within the bounds goes on as it is, and comes back as it is.
    for prompt in ["a\0b", "x\r\nSet-Cookie: a=b\r\n\r\n<html>", "../../etc/passwd", "{{seed}} %s $(id) `id`", "\u202egnp.exe", "🏔" * 1000]:
        status, answer = one.generate(prompt)
        assert status == 200 and answer["metadata"]["prompt"] == prompt
        assert painter.requests[-1]["prompt"] == prompt
        for path in (f"/images/{answer['image_id']}", f"/images/{answer['image_id']}/metadata", "/images"):
            status, headers, _ = one.ask("GET", path)
            assert status == 200 and "Set-Cookie" not in headers
            assert "passwd" not in str(headers) and "html" not in headers["Content-Type"]
    assert {path.suffix for path in (one.folder / "images").iterdir()} == {".png", ".json"}


def test_ids_that_are_paths(one, made):
    id = made["image_id"]
    (one.folder / "secret.json").write_text("hidden")
    for path in [
        "/images/../secret.json", "/images/..%2fsecret.json", "/images/%2e%2e%2fsecret.json", "/images/%00", f"/images/{id}%00",
        f"/images/{id}.json", f"/images/{id}.png", f"/images/{id}/", f"/images/{id}/../{id}.json", "/images/" + "a" * 8000,
        f"/images/{{{id}}}", f"/images/urn:uuid:{id}", f"/images/{id.replace('-', '')}", "/images//etc/passwd", f"/images/{id}%0d%0aA:b",
        f"/images/{id}/metadata/..", "/images/%ff%fe", f"//images/{id}",
    ]:
        for method in ("GET", "HEAD", "DELETE"):
            status, headers, body = raw(one, method, path)
            assert status in (400, 404, 405, 414, 431), (method, path, status)
            assert body != b"hidden" and not body.startswith(b"\x89PNG") and "A" not in headers
    for name in ("../secret", "secret.json", "3", "", id + "/../" + id, "\0" * 36):
        body = {"jsonrpc": "2.0", "id": 1, "method": "delete_image", "params": {"image_id": name}}
        said = json.loads(one.ask("POST", "/jsonrpc", body)[2])
        assert "error" in said or said["result"]["success"] is False, said
    assert (one.folder / "secret.json").read_text() == "hidden"
    # The same id in capitals is the same id.
    assert raw(one, "GET", f"/images/{id.upper()}")[0] == 200


def test_ranges_tags_and_heads(one, made):
    path, whole = f"/images/{made['image_id']}", png("a lake", 3, 300, 200)
    size = len(whole)
    for asked, expected in [
        ("bytes=0-0", whole[:1]), ("bytes=-1", whole[-1:]), (f"bytes={size - 1}-", whole[-1:]), ("bytes=0-99999999999", whole),
        ("bytes=5-5", whole[5:6]), (f"bytes=-{size * 3}", whole), ("bytes= 1-2", whole[1:3]),
        (f"bytes={size}-", 416), ("bytes=-0", 416), ("bytes=18446744073709551615-", 416),
        ("bytes=0-1,5-6", None), ("bytes=2-1", None), ("bytes=a-b", None), ("bytes=--1", None), ("bytes=1", None), ("bytes", None),
        ("BYTES=0-1", None), ("bytes=18446744073709551616-", None), ("bytes=0-18446744073709551616", None), ("x" * 5000, None),
    ]:
        status, headers, body = raw(one, "GET", path, Range=asked)
        if expected is None:
            assert (status, body) == (200, whole), (asked, status)
        elif expected == 416:
            assert status == 416 and headers["Content-Range"] == f"bytes */{size}" and body == b"", (asked, status)
        else:
            assert (status, body) == (206, expected), (asked, status, len(body))
            assert headers["Content-Range"].endswith(f"/{size}")
        status, headers, body = raw(one, "HEAD", path, Range=asked)
        assert status in (200, 206, 416) and body == b""
    status, headers, body = raw(one, "HEAD", path)
    assert (status, int(headers["Content-Length"]), body) == (200, size, b"")
    tag = headers["ETag"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Accept-Ranges"] == "bytes"
    for known, status in [(tag, 304), (f"W/{tag}", 304), ("*", 304), (f'"x", {tag}', 304), ('"x"', 200), (tag.strip('"'), 200), ("", 200)]:
        found, headers, body = raw(one, "GET", path, If_None_Match=known)
        assert found == status and headers["ETag"] == tag and (body == b"") == (status == 304), (known, found)
    for method in ("POST", "PUT", "PATCH"):
        assert raw(one, method, path)[0] == 405


def test_widths_and_pages_that_are_none(one, made):
    path = f"/images/{made['image_id']}"
    for query in ["0", "15", "2049", "99999999", "4294967296", "abc", "-1", "", "64.5", "1e3", "0x40", "64&width=65", "%00", "６４"]:
        status, headers, body = one.ask("GET", f"{path}?width={urllib.parse.quote(query, safe='&=%')}")
        said = json.loads(body)
        assert status == 400 and "width" in said["message"] and said["hint"], (query, status, body[:200])
    assert one.ask("GET", f"{path}?widht=64")[0] in (200, 400)
    for width in (16, 300, 2048):
        assert one.ask("GET", f"{path}?width={width}")[0] == 200
    for query in ["limit=0", "limit=-1", "limit=1000000", "limit=x", "offset=-1", "offset=1e9", "nothing=3", "limit=1&limit=2"]:
        status, _, body = one.ask("GET", f"/images?{query}")
        assert status in (200, 400) and (status == 200 or json.loads(body)["error"]["hint"]), (query, status, body)
        assert status == 400 or "limit=1&" in query, query
    for offset in (1, 1000):
        answer = one.json(f"/images?offset={offset}")
        assert (answer["images"], answer["total"], answer["next_offset"]) == ([], 1, None)


def test_thousands_of_pages_and_small_pictures_stay_within_bounds(one, made):
    status = Path(f"/proc/{one.process.pid}/status")
    most = lambda: int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024  # noqa: E731
    for number in range(5):
        one.generate(f"number {number}", width=1024, height=1024)
    large = one.generate("large", width=2048, height=2048)[1]["image_id"]
    before = most()
    with ThreadPoolExecutor(16) as pool:
        pages = pool.map(lambda page: one.get(f"/images?limit=1&offset={page % 7}")[0], range(1000))
        assert set(pages) == {200}
        # Each takes some 50 MB while it is made.
        sizes = pool.map(lambda width: one.ask("GET", f"/images/{large}?width={width}", limit=180)[0], range(100, 110))
        assert set(sizes) == {200}
    assert most() - before < 220, f"{before:.0f} MB before, {most():.0f} at most"


class Strange(Answering):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.owner.tokens.append(self.headers["Authorization"])
        self.owner.answer(self)

    do_POST = do_GET


class Stranger(StandIn):
    """A backend that answers what `answer` says: a function of the handler."""

    handler = Strange

    def __init__(self, answer):
        super().__init__()
        self.tokens, self.answer = [], answer


def send(handler, status, body, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def picture(bytes_):
    return json.dumps({"predictions": [{"image": {"b64": base64.b64encode(bytes_).decode()}}]}).encode()


def header_of(width, height, rest=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rest) + chunk(b"IEND", b"")


# A hundredth of a percent of what it becomes.
BOMB = zlib.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize("answered, said", [
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no picture"),
    (b"<!doctype html><script>alert(1)</script>", "no picture"),
    (b"GIF89a", "picture"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"%PDF-1.7", "no picture"),
    (b"", "picture"),
    (header_of(60000, 60000, BOMB), "60000 x 60000"),
    (header_of(0, 5), "picture"),
    (header_of(2**31 - 1, 2**31 - 1), "picture"),
    (b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", 65500, 65500) + b"\x03" + b"\0" * 9 + b"\xff\xd9", "picture"),
])
def test_what_is_no_picture_that_was_asked_for_is_not_kept(daemon, answered, said):
    with Stranger(lambda handler: send(handler, 200, picture(answered))) as stranger:
        one = daemon(f"{stranger.url}/v1/models/m")
        status, refused = one.generate("a lake")
        assert status >= 400 and said in refused["message"] and refused["error"]["hint"], refused
        assert one.json("/images")["total"] == 0
        assert not list((one.folder / "images").glob("*"))


def test_a_picture_that_unpacks_to_more_than_it_says_harms_nobody(daemon):
    with Stranger(lambda handler: send(handler, 200, picture(header_of(300, 200, BOMB)))) as stranger:
        one = daemon(f"{stranger.url}/v1/models/m")
        status, made = one.generate("a lake", width=300, height=200, preview=64)
        if status == 200:
            assert one.get(f"/images/{made['image_id']}?width=64")[0] in (200, 400, 500)
        most = next(line for line in Path(f"/proc/{one.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert int(most.split()[1]) < 180_000, most
        assert one.get("/health")[0] == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_no_token_travels(daemon, status):
    with Stranger(lambda handler: send(handler, 200, picture(png("a lake", 3, 64, 64)))) as other:
        with Stranger(lambda handler: send(handler, status, b"", Location=f"{other.url}/v1/models/m:predict")) as stranger:
            one = daemon(f"{stranger.url}/v1/models/m", GIMP_BRIDGE_TOKEN_KSERVE="the-token-of-the-test")
            refused = one.generate("a lake")[1]
            assert not refused["success"] and str(status) in refused["message"], refused
            assert stranger.tokens == ["Bearer the-token-of-the-test"] and other.tokens == []
            assert "the-token-of-the-test" not in one.stop() + json.dumps(refused)


def test_an_answer_that_trickles_ends_at_the_time_limit(daemon):
    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            for _ in range(300):
                handler.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    def slow_head(handler):
        try:
            for _ in range(300):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: b\r\n" if _ == 0 else b"X-B: c\r\n")
                time.sleep(0.1)
        except OSError:
            pass

    for answer in (trickle, slow_head):
        with Stranger(answer) as stranger:
            one = daemon(f"{stranger.url}/v1/models/m", KSERVE_TIMEOUT="2")
            began = time.monotonic()
            status, refused = one.generate("a lake")
            assert refused["error"]["kind"] == "timeout" and "within 2 s" in refused["message"], refused
            assert time.monotonic() - began < 20  # the answer would take 30 s


def test_headers_without_end_and_lengths_that_lie(daemon):
    def endless(handler):
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(20_000):
                handler.wfile.write(b"X-%d: %s\r\n" % (number, b"y" * 1000))
        except OSError:
            pass

    def lies(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{}")
        handler.close_connection = True

    for answer in (endless, lies):
        with Stranger(answer) as stranger:
            one = daemon(f"{stranger.url}/v1/models/m", KSERVE_TIMEOUT="5")
            status, refused = one.generate("a lake")
            assert status >= 400 and refused["error"]["hint"], refused
            assert one.get("/health")[0] == 200


def test_a_client_that_sends_its_request_a_byte_at_a_time_keeps_nobody_waiting(one):
    slow = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", one.port))
        connection.sendall(b"POST " + TOOL.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        slow.append(connection)
    began = time.monotonic()
    assert one.generate("a lake")[0] == 200
    assert time.monotonic() - began < 25  # a half request has 30 s
    for connection in slow:
        connection.close()
