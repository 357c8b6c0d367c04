"""The 18 variables of the image generation plan: each is set, and seen to act."""

import json
import os
import re
import time
from pathlib import Path

from painter import png
from serving import SECRET, free_port, until

ROOT = Path(__file__).resolve().parents[2]
# As the plan has them, and what is seen of each.
ACT = {
    "SERVICE_NAME": "in health, metrics and the log",
    "LOG_LEVEL": "in the log",
    "STORAGE_BACKEND": "in what health says of the store",
    "STORAGE_PATH": "in the folder's files",
    "S3_BUCKET": "in the bucket's objects",
    "S3_PREFIX": "in the objects' names",
    "S3_ENDPOINT_URL": "in which server has them",
    "AWS_ACCESS_KEY_ID": "in the signed link",
    "AWS_SECRET_ACCESS_KEY": "in the signed link's signature",
    "KSERVE_ENDPOINT": "in who is asked",
    "KSERVE_MODEL_NAME": "in what is asked for",
    "KSERVE_TIMEOUT": "in how long a silent backend may take",
    "IMAGE_CLEANUP_INTERVAL": "in how soon an expired image's file is gone",
    "IMAGE_TTL": "in how long an image is there",
    "MAX_IMAGE_SIZE": "in what is refused",
    "HOST": "in the address that is listened on",
    "PORT": "in the port",
    "WORKERS": "in the process's threads",
}


def test_all_names_of_the_plan_are_here():
    known = (ROOT / "docs" / "configuration.md").read_text()
    assert len(ACT) == 18 and all(f"`{name}`" in known for name in ACT)


def test_a_service_is_called_as_it_is_set_and_logs_as_much_as_is_set(daemon, painter):
    one = daemon(painter.url, SERVICE_NAME="lake-painter", LOG_LEVEL="DEBUG", GIMP_BRIDGE_LOG_JSON="true").ready()
    other = daemon(painter.url, LOG_LEVEL="ERROR").ready()
    for each in (one, other):
        assert each.generate("a lake")[0] == 200
    assert one.json("/health")["service"] == "lake-painter"
    assert re.search(r'gimp_bridge_service\{name="lake-painter"\} 1', one.get("/metrics")[1].decode())
    lines = [json.loads(line) for line in one.stop().splitlines()]
    assert lines and {line.get("service") for line in lines} == {"lake-painter"}, lines[0]
    assert "DEBUG" in {line["level"] for line in lines}
    assert other.json("/health")["service"] == "gimp-bridge"
    assert other.stop() == ""


def test_a_folder_for_images(daemon, painter, tmp_path):
    one = daemon(painter.url, STORAGE_BACKEND="file", STORAGE_PATH=str(tmp_path / "some where"), SERVICE_NAME="").ready()
    id = one.generate("a lake")[1]["image_id"]
    assert (tmp_path / "some where" / f"{id}.png").read_bytes() == png("a lake", 3, 128, 96)
    assert one.json("/health")["generation"]["store"] == str(tmp_path / "some where")


def test_a_bucket_for_images(daemon, painter, bucket):
    bucket.client.create_bucket(Bucket="another")
    one = daemon(painter.url, STORAGE_BACKEND="s3", S3_BUCKET="another", S3_PREFIX="a/b-", S3_ENDPOINT_URL=bucket.url,
                 **SECRET, GIMP_BRIDGE_STORAGE_PRESIGNED="true").ready()
    made = one.generate("a lake")[1]
    names = [found["Key"] for found in bucket.client.list_objects_v2(Bucket="another")["Contents"]]
    assert names == [f"a/b-{made['image_id']}.json", f"a/b-{made['image_id']}.png"] and bucket.names() == []
    assert made["url"].startswith(f"{bucket.url}/another/") and f"X-Amz-Credential={SECRET['AWS_ACCESS_KEY_ID']}%2F" in made["url"]
    # Signed with this secret: with another one the server would not have it (the server that checks).
    assert one.get(made["url"]) == (200, png("a lake", 3, 128, 96))
    assert "another" in one.json("/health")["generation"]["store"]


def test_a_model_server(daemon, painter):
    root = painter.url.split("/v1/")[0]
    named = daemon(root, KSERVE_MODEL_NAME="painter").ready()
    status, made = named.generate("a lake")
    assert status == 200 and made["metadata"]["model"] == "painter"
    unknown = daemon(root, KSERVE_MODEL_NAME="nobody").ready()
    status, refused = unknown.generate("a lake")
    assert status == 400 and "/v1/models/nobody:predict" in refused["message"], refused
    nobody = daemon("").ready()
    assert "KSERVE_ENDPOINT" in nobody.generate("a lake")[1]["error"]["hint"]
    short = daemon(painter.url, KSERVE_TIMEOUT="1").ready()
    painter.gate.clear()
    began = time.monotonic()
    status, refused = short.generate("a lake")
    assert refused["error"]["kind"] == "timeout" and "within 1 s" in refused["message"]
    assert 0.9 < time.monotonic() - began < 30


def test_how_long_and_how_large(daemon, painter, tmp_path):
    files = lambda one: list((tmp_path / one).iterdir())  # noqa: E731
    swept = daemon(painter.url, STORAGE_PATH=str(tmp_path / "swept"), IMAGE_TTL="2", IMAGE_CLEANUP_INTERVAL="1").ready()
    kept = daemon(painter.url, STORAGE_PATH=str(tmp_path / "kept"), IMAGE_TTL="2", IMAGE_CLEANUP_INTERVAL="3600").ready()
    long = daemon(painter.url, STORAGE_PATH=str(tmp_path / "long"), IMAGE_TTL="3600", IMAGE_CLEANUP_INTERVAL="1").ready()
    urls = [one.generate("a lake")[1]["url"] for one in (swept, kept, long)]
    until(lambda: swept.get(urls[0])[0] == kept.get(urls[1])[0] == 404, "both expire")
    until(lambda: not files("swept"), "the sweep takes it")
    assert len(files("kept")) == 2 and long.get(urls[2])[0] == 200
    large = png("a lake", 3, 640, 400)
    small = daemon(painter.url, MAX_IMAGE_SIZE=str(len(large) - 1)).ready()
    exact = daemon(painter.url, MAX_IMAGE_SIZE=str(len(large))).ready()
    status, refused = small.generate("a lake", width=640, height=400)
    assert status == 413 and str(len(large) - 1) in refused["message"] and "MAX_IMAGE_SIZE" in refused["error"]["hint"]
    assert exact.generate("a lake", width=640, height=400)[0] == 200


def test_where_it_listens_and_with_how_many_threads(daemon, painter):
    port, threads = free_port(), {}
    for host, workers in [("127.0.0.2", 1), ("127.0.0.3", 9)]:
        one = daemon(painter.url, HOST=host, PORT=str(port), WORKERS=str(workers))
        one.url = f"http://{host}:{port}"
        one.ready()
        threads[workers] = len(list(Path(f"/proc/{one.process.pid}/task").iterdir()))
        made = one.generate("a lake")[1]
        assert made["url"].startswith(one.url) and one.get(made["url"])[0] == 200, made["url"]
        one.stop()
    # Some more are for work that blocks.
    assert 6 <= threads[9] - threads[1] <= 10, threads
    # Other machines are let in by a key alone, which is said.
    everywhere = daemon(painter.url, HOST="0.0.0.0")
    assert everywhere.process.wait(timeout=60) == 2 and "api_key" in everywhere.said()
    assert os.environ.get("PORT") != str(port)
