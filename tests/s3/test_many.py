"""`filters run` over a bucket's pictures: every one once among several runs, and nothing half-written."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest
from painter import png
from serving import BINARY, BUCKET

NAMES = [f"in/{number}/photo {number}.png" for number in range(9)] + ["in/ümlaut+&=%.png"]


@pytest.fixture
def filled(bucket):
    for number, name in enumerate(NAMES):
        bucket.client.put_object(Bucket=BUCKET, Key=name, Body=png("a lake", number, 320, 210))
    bucket.client.put_object(Bucket=BUCKET, Key="in/notes.txt", Body=b"no picture")
    bucket.client.put_object(Bucket=BUCKET, Key="inside.png", Body=png("another folder", 1, 320, 210))
    return bucket


def run(bucket, *words, folder="."):
    settings = {name: value for name, value in bucket.settings().items() if name.startswith(("S3_ENDPOINT", "AWS_"))}
    environment = {**os.environ, **settings, "HOME": str(folder)}
    command = [BINARY, "filters", "run", "auto-enhance", *map(str, words), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def objects(bucket, prefix):
    # s3s-fs does not encode names, which boto3 takes for granted unless it is told that it is asked for.
    listed = bucket.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix, EncodingType="url").get("Contents", [])
    names = [unquote(found["Key"]) for found in listed]
    return {name: bucket.client.get_object(Bucket=BUCKET, Key=name) for name in names}


def test_runs_share_a_buckets_pictures(filled, tmp_path):
    with ThreadPoolExecutor() as at_once:
        runs = list(at_once.map(
            lambda index: run(filled, f"s3://{BUCKET}/in/", f"s3://{BUCKET}/out/", "--shard", f"{index}/3", folder=tmp_path),
            range(3),
        ))
    assert [status for status, *_ in runs] == [0, 0, 0], runs
    done = [line for _, lines, _ in runs for line in lines]
    assert sorted(line["in"] for line in done) == sorted(f"s3://{BUCKET}/{name}" for name in NAMES)
    assert all(lines for _, lines, _ in runs), "no run has all of them"
    made = objects(filled, "out/")
    assert sorted(made) == sorted(name.replace("in/", "out/", 1) for name in NAMES)
    assert {each["ContentType"] for each in made.values()} == {"image/png"}
    # The same pixels as from a file
    picture, result = tmp_path / "picture.png", tmp_path / "result.png"
    picture.write_bytes(png("a lake", 4, 320, 210))
    assert run(filled, picture, result, folder=tmp_path)[0] == 0
    assert made["out/4/photo 4.png"]["Body"].read() == result.read_bytes()
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("gimp-bridge-*/photo*")), "nothing stays behind"


def test_what_is_done_is_left_out_and_what_is_broken_is_named(filled, tmp_path):
    address = f"s3://{BUCKET}/in/"
    broken, cut = f"s3://{BUCKET}/in/0/photo 0.png", f"s3://{BUCKET}/in/1/photo 1.png"
    filled.client.put_object(Bucket=BUCKET, Key="in/0/photo 0.png", Body=b"not a picture at all" * 9)
    filled.client.put_object(Bucket=BUCKET, Key="in/1/photo 1.png", Body=png("a lake", 1, 320, 210)[:4000])
    status, lines, said = run(filled, address, tmp_path / "out", folder=tmp_path)
    assert status == 1 and f"error: {broken}: `{broken}` cannot be read" in said, said
    assert "9 of 10 pictures done" in said and "1 of them incomplete" in said
    assert [line["notes"][0].split(" is incomplete")[0] for line in lines if not line["complete"]] == [f"`{cut}`"]
    assert (tmp_path / "out" / "2" / "photo 2.png").is_file()
    status, lines, said = run(filled, address, tmp_path / "out", "--skip-existing", folder=tmp_path)
    assert (status, lines) == (1, []) and "9 left out: their results are there" in said


def test_single_objects(filled, tmp_path):
    status, [line], _ = run(filled, f"s3://{BUCKET}/in/ümlaut+&=%.png", f"s3://{BUCKET}/one.jpg", folder=tmp_path)
    assert (status, line["out"]) == (0, f"s3://{BUCKET}/one.jpg")
    found = filled.client.get_object(Bucket=BUCKET, Key="one.jpg")
    assert found["ContentType"] == "image/jpeg" and found["Body"].read(2) == b"\xff\xd8"


@pytest.mark.parametrize("words, said", [
    (["s3://{b}/in/", "s3://{b}/in/out/"], "lies in"),
    (["s3://{b}/in/", "s3://{b}/out"], "names one object"),
    (["s3://{b}/none/", "s3://{b}/out/"], "holds no pictures"),
    (["s3://{b}/in", "s3://{b}/out.png"], "there is no object"),
    (["s3://no-such-bucket/in/", "s3://{b}/out/"], "no bucket `no-such-bucket`"),
    (["s3:///in/", "s3://{b}/out/"], "names no bucket"),
    (["s3://{b}/in/", "s3://{b}/out/", "--shard", "3/3"], "0 to N-1"),
    (["s3://{b}/inside.png", "s3://{b}/out/", "--shard", "0/3"], "shares a folder"),
])
def test_places_that_do_not_fit_are_said(filled, tmp_path, words, said):
    if words[0] == "s3://{b}/in" and filled.has_folders:
        said = "cannot be read"  # It says no more than 500 of a folder.
    status, lines, error = run(filled, *(word.format(b=BUCKET) for word in words), folder=tmp_path)
    assert status in (1, 2) and not lines and said in error, error
    assert "hint: " in error
    assert not objects(filled, "out")
