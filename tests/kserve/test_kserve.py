"""The same model here and on a KServe server: same pixels, by v2 with binary tensors and by v1."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent / "filters" / "mocks" / "half-blur.onnx"
BINARY = os.environ["GIMP_BRIDGE_BIN"]
MANIFEST = """schema = 1
id = "{id}"
name = "Test"
task = "filter"
license = "project"
{where}
[size]
policy = "multiple"
multiple = 2
tile = {{ mode = "ok", size = 64, overlap = 16 }}
[[input]]
name = "x"
source = "image"
[[output]]
name = "y"
as = "image"
"""


@pytest.fixture
def folder(tmp_path):
    y, x = np.mgrid[0:150, 0:210]
    waves = 128 + 100 * np.stack([np.sin(x / 9) * np.cos(y / 7), np.sin(x / 23), np.cos(y / 5)], -1)
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "in.png")
    return tmp_path


def install(folder, id, where):
    home = folder / "filters" / id
    home.mkdir(parents=True)
    (home / "manifest.toml").write_text(MANIFEST.format(id=id, where=where))
    return home


def run(folder, id):
    out = folder / f"{id}.png"
    # ONNX Runtime is the user's own; the filters are this test's.
    data = pathlib.Path(os.environ.get("XDG_DATA_HOME", pathlib.Path.home() / ".local/share")) / "gimp-bridge/onnxruntime"
    library = os.environ.get("ORT_DYLIB_PATH") or next(data.glob("*/libonnxruntime.so"))
    environment = dict(os.environ, GIMP_BRIDGE_FILTERS_FOLDER=str(folder / "filters"), ORT_DYLIB_PATH=str(library))
    command = [BINARY, "filters", "run", id, str(folder / "in.png"), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done, out


def here(folder):
    home = install(folder, "here", '[[file]]\npath = "half-blur.onnx"')
    (home / "half-blur.onnx").write_bytes(MODEL.read_bytes())
    done, out = run(folder, "here")
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(out))


@pytest.mark.parametrize("protocol", ["v2", "v1"])
def test_same_pixels(folder, blur, protocol):
    install(folder, "there", f'[remote]\nurl = "{blur().url}"\nmodel = "blur"\nprotocol = "{protocol}"')
    done, out = run(folder, "there")
    assert done.returncode == 0, done.stderr
    there = np.asarray(Image.open(out))
    assert there.std() > 20
    np.testing.assert_array_equal(there, here(folder))


def test_a_server_that_is_not_ready_yet_is_tried_again(folder, blur):
    install(folder, "there", f'[remote]\nurl = "{blur(fail_first=2).url}"\nmodel = "blur"\nretries = 3')
    done, out = run(folder, "there")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(out)), here(folder))


def test_a_model_that_is_not_there_and_a_server_that_is_not(folder, blur):
    server = blur()
    install(folder, "wrong", f'[remote]\nurl = "{server.url}"\nmodel = "sharp"')
    done, out = run(folder, "wrong")
    server.end()
    assert done.returncode == 1 and "`sharp`" in done.stderr and "hint:" in done.stderr and not out.exists()
    install(folder, "gone", f'[remote]\nurl = "{server.url}"\nmodel = "blur"')
    done, out = run(folder, "gone")
    assert done.returncode == 1 and "cannot be asked" in done.stderr and not out.exists()
