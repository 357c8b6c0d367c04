"""Generated images in a real S3 server's bucket: stored, served, presigned, shared by two daemons, lost and found again."""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

import pytest
from painter import Server, png
from serving import BUCKET, CHECKED, S3, SECRET, clocked, ended, until

signed_only = pytest.mark.skipif(not S3.checks_signatures, reason="this server takes any signature: scripts/test-s3 --server s3s")


def test_two_daemons_share_a_bucket(daemon, bucket, painter):
    settings = bucket.settings()
    first = daemon(painter.url, **settings).ready()
    second = daemon(painter.url, **settings, GIMP_BRIDGE_STORAGE_PRESIGNED="true").ready()
    assert bucket.names() == [], "the check at the start leaves nothing"
    _, made = first.generate("a lake")
    id, expected = made["image_id"], png("a lake", 3, 128, 96)
    assert bucket.names() == [f"{id}.json", f"{id}.png"]
    head = bucket.client.head_object(Bucket=BUCKET, Key=f"mcp-server/{id}.png")
    assert head["ContentType"] == "image/png"
    for url in (made["url"], f"{second.url}/images/{id}"):
        assert second.get(url) == (200, expected)
    _, signed = second.generate("a boat")
    assert signed["url"].startswith(bucket.url) and "X-Amz-Signature" in signed["url"]
    assert second.get(signed["url"]) == (200, png("a boat", 3, 128, 96))
    listed = first.json("/images")
    assert [image["metadata"]["prompt"] for image in listed["images"]] == ["a boat", "a lake"]
    assert second.ask("DELETE", f"/images/{id}")[0] == 200
    assert first.get(made["url"])[0] == 404
    assert bucket.names() == [f"{signed['image_id']}.json", f"{signed['image_id']}.png"]


def test_a_signed_link_is_good_for_its_picture_until_it_expires(daemon, bucket, painter):
    one = daemon(painter.url, **bucket.settings(), GIMP_BRIDGE_STORAGE_PRESIGNED="true", IMAGE_TTL="10").ready()
    made = one.generate("a lake")[1]
    began, url = time.monotonic(), made["url"]
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    assert 1 <= int(asked["X-Amz-Expires"][0]) <= 10
    assert one.get(url) == (200, png("a lake", 3, 128, 96))
    if S3.checks_signatures:
        # It is a right to this object alone, to read it.
        assert one.get(url.replace(".png?", ".json?"))[0] == 403
        assert one.get(url.replace("X-Amz-Expires=", "X-Amz-Expires=9"))[0] == 403
        assert one.ask("DELETE", url)[0] == 403
        until(lambda: one.get(url)[0] == 403, "the link expires")
        assert time.monotonic() - began > 2
    until(lambda: one.get(f"/images/{made['image_id']}")[0] == 404, "the image expires")


def test_an_expired_image_is_gone_before_and_after_the_sweep(daemon, bucket, painter):
    short = daemon(painter.url, **bucket.settings(), IMAGE_TTL="2", IMAGE_CLEANUP_INTERVAL="1").ready()
    status, made = short.generate("a lake")
    assert status == 200
    until(lambda: short.get(made["url"])[0] == 404, "it expires")
    until(lambda: bucket.names() == [], "it is swept")


def test_a_bucket_that_is_away_is_said_and_the_fallback_takes_over(daemon, bucket, painter, tmp_path):
    settings = {**bucket.settings(), "STORAGE_PATH": str(tmp_path / "spare")}
    alone = daemon(painter.url, **settings).ready()
    spared = daemon(painter.url, **settings, GIMP_BRIDGE_STORAGE_FALLBACK="file").ready()
    before = spared.generate("before")[1]
    bucket.stop()
    status, refused = alone.generate("a lake")
    assert status == 503 and "S3_ENDPOINT_URL" in refused["error"]["hint"], refused
    status, made = spared.generate("a lake")
    assert status == 200 and "fallback" in made["message"], made
    assert spared.get(made["url"]) == (200, png("a lake", 3, 128, 96))
    assert len(list((tmp_path / "spare").iterdir())) == 2
    # Which of them there are cannot be said now, and what may be there is not said to be gone.
    assert spared.get(before["url"])[0] == 503
    bucket.start()
    assert alone.generate("a boat")[0] == 200
    if S3.checks_signatures:
        assert spared.get(before["url"]) == (200, png("before", 3, 128, 96))
    assert spared.generate("again in the bucket")[1]["metadata"].get("stored_in") is None
    prompts = {image["metadata"]["prompt"] for image in spared.json("/images")["images"]}
    assert {"a lake", "a boat", "again in the bucket"} <= prompts
    # The daemon begins anew with both, and finds what is in either.
    spared.stop()
    spared.start().ready()
    assert spared.get(made["url"]) == (200, png("a lake", 3, 128, 96))
    assert spared.ask("DELETE", f"/images/{made['image_id']}")[0] == 200
    assert list((tmp_path / "spare").iterdir()) == []


def test_a_server_that_takes_connections_and_says_nothing_holds_nobody_for_long(daemon, bucket, painter):
    one = daemon(painter.url, **bucket.settings()).ready()
    made = one.generate("a lake")[1]
    bucket.pause()
    try:
        began = time.monotonic()
        status, refused = one.generate("a boat")
        took = time.monotonic() - began
        assert status == 503 and refused["error"]["hint"], refused
        assert took < 50, took
        began = time.monotonic()
        assert one.ask("GET", "/health")[0] == 200
        assert time.monotonic() - began < took / 2, "it asks no store"
    finally:
        bucket.go_on()
    assert one.generate("a boat")[0] == 200
    assert one.get(made["url"]) == (200, png("a lake", 3, 128, 96))


def refused(daemon, painter, settings, said):
    one = daemon(painter.url, **settings)
    began = time.monotonic()
    assert one.process.wait(timeout=60) == 2
    assert time.monotonic() - began < 40  # without retries; asking again and again takes minutes
    text = one.said()
    assert all(part in text for part in said), text
    assert "test-secret" not in text and "no-such-secret" not in text and "<" not in text


@pytest.mark.parametrize("wrong, said", [
    ({"S3_BUCKET": S3.no_bucket}, [S3.no_bucket, "S3_BUCKET"]),
    ({"S3_ENDPOINT_URL": "http://127.0.0.1:9"}, ["S3_ENDPOINT_URL"]),
    ({"AWS_SECRET_ACCESS_KEY": ""}, ["AWS_SECRET_ACCESS_KEY"]),
])
def test_a_store_that_cannot_be_used_ends_the_start_with_what_to_set(daemon, bucket, painter, wrong, said):
    refused(daemon, painter, {**bucket.settings(), **wrong}, said)


def test_wrong_credentials_are_refused_with_a_word(daemon, painter, tmp_path):
    with ended(CHECKED(tmp_path)) as (bucket,):
        right = daemon(painter.url, **bucket.settings()).ready()
        assert right.get(right.generate("a lake")[1]["url"]) == (200, png("a lake", 3, 128, 96))
        for name, wrong in [("AWS_SECRET_ACCESS_KEY", "no-such-secret"), ("AWS_ACCESS_KEY_ID", "no-such-key")]:
            refused(daemon, painter, {**bucket.settings(), name: wrong}, ["does not take these credentials", name])


@pytest.mark.parametrize("status, code, said", [
    (403, "RequestTimeTooSkewed", ["clock", "NTP"]),
    (403, "AccessDenied", ["s3:PutObject"]),
    (400, "ExpiredToken", ["AWS_SESSION_TOKEN"]),
    (404, "NoSuchBucket", ["S3_BUCKET"]),
    (400, "InvalidBucketName", ["S3_BUCKET"]),
    (403, "NotSignedUp", ["AWS_ACCESS_KEY_ID"]),
    (301, "PermanentRedirect", ["AWS_REGION"]),
    (400, "AuthorizationHeaderMalformed", ["AWS_REGION"]),
    (503, "SlowDown", ["try again"]),
    (500, "InternalError", ["S3_ENDPOINT_URL"]),
    (200, "no S3 at all", ["S3_ENDPOINT_URL"]),
])
def test_what_a_server_refuses_with_is_told_with_what_to_set(daemon, painter, status, code, said):
    class Refusing(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>As it is.</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = do_HEAD = answer

        def log_message(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"STORAGE_BACKEND": "s3", "S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", **SECRET}
    # What stands in an object's name says nothing of what happened to it.
    settings["S3_PREFIX"] = "403 forbidden accessdenied nosuchbucket requestexpired/"
    try:
        refused(daemon, painter, settings, said)
    finally:
        server.shutdown()
        server.server_close()


@signed_only
def test_a_clock_that_is_an_hour_off_is_said(daemon, bucket, painter):
    one = daemon(painter.url, **bucket.settings(), **clocked("+1h"))
    assert one.process.wait(timeout=60) == 2
    assert "clock" in one.said() and "NTP" in one.said(), one.said()


def test_a_clock_that_is_some_minutes_off_is_a_warning(daemon, bucket, painter):
    one = daemon(painter.url, **bucket.settings(), **clocked("+10m")).ready()
    assert "clock" in one.said(), one.said()
    assert one.generate("a lake")[0] == 200


def test_the_quota_is_kept_across_daemons(daemon, bucket, painter):
    settings = {**bucket.settings(), "GIMP_BRIDGE_STORAGE_QUOTA_MB": "1", "IMAGE_CLEANUP_INTERVAL": "1"}
    with type(painter)(level=0) as large:
        daemons = [daemon(large.url, **settings).ready() for _ in range(2)]
        ids = []
        for number in range(8):
            # 270 kB each: three are within the bound.
            made = daemons[number % 2].generate(f"number {number}", width=300, height=300)[1]
            ids.append(made["image_id"])
        stored = lambda: [name[:36] for name in bucket.names() if name.endswith(".png")]  # noqa: E731
        until(lambda: len(stored()) <= 3, "the sweep keeps the quota")
        assert set(stored()) == set(ids[-len(stored()):]), "the oldest went first"
        assert json.loads(daemons[0].get("/images")[1])["total"] == len(stored())
