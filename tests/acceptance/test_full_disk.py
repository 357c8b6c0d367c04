"""GIMP and the daemon on a disk without room: a clear error with the path, the old file kept, nothing half-written.

Both run with a limit on the size of what they write, which is met where a full disk is and needs no rights.
"""

import asyncio
import os
import subprocess

import numpy
import pytest
import support
from PIL import Image
from support import call, value

BLOCKS = 8192  # of 512 bytes: GIMP's own files are smaller, pictures of noise are not


class Cramped(support.Bridge):
    def start(self, *command):
        log = open(os.path.join(self.folder.name, f"{command[0]}-{len(self.processes)}.log"), "w+")
        # Without the trap the first write over the limit would end the process, as no full disk does.
        shell = ["sh", "-c", f"trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"", support.BIN, *command]
        process = subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
                                   env=self.env, start_new_session=True)
        process.log = log
        self.processes.append(process)
        return process


@pytest.fixture(scope="module")
def cramped(version):
    made = Cramped(version)
    try:
        made.start_gimp()
        made.start_daemon()
        yield made
    finally:
        made.close()


async def noise(client, folder):
    path = os.path.join(folder, "noise.png")
    pixels = numpy.random.default_rng(1).integers(0, 256, (1600, 1400, 3), "uint8")
    Image.fromarray(pixels).save(path)
    return (await call(client, "open_image", path=path))["image"]


def test_an_image_that_does_not_fit_is_not_half_saved(cramped):
    folder = os.path.join(cramped.folder.name, "saved")
    os.mkdir(folder)

    async def scenario():
        async with cramped.client(read_timeout_seconds=120) as client:
            image = await noise(client, cramped.folder.name)
            for ending in ("png", "xcf", "tif", "bmp"):
                path = os.path.join(folder, f"picture.{ending}")
                with open(path, "w") as file:
                    file.write("what was there")
                problem = await call(client, "save_image", _error=True, image=image, path=path)
                assert problem["kind"] == "io_error", (ending, problem)
                text = f"{problem['message']} {problem.get('hint', '')}"
                assert path in text and "space" in text, (ending, problem)
                with open(path) as file:
                    assert file.read() == "what was there", ending
                assert os.listdir(folder) == [f"picture.{ending}"], ending
                os.remove(path)
                assert await value(client, "6 * 7") == 42
            problem = await call(client, "save_image", _error=True, image=image)
            assert problem["kind"] == "io_error" and "space" in f"{problem['message']} {problem['hint']}", problem
            # What fits still goes.
            small = (await call(client, "create_new_image", width=20, height=10, color="teal"))["image"]  # small: what fits
            await call(client, "save_image", image=small, path=os.path.join(folder, "small.png"))
            assert Image.open(os.path.join(folder, "small.png")).size == (20, 10)
            for one in (image, small):
                await call(client, "close_image", image=one, discard_changes=True)

    asyncio.run(scenario())
