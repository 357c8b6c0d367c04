"""Random sequences of fifty valid operations: GIMP lives, no undo group stays open, and undo all the way gives the first
image back, pixel for pixel. GIMP_BRIDGE_TEST_SEEDS=7,8,9 tries others."""

import os
import random

import numpy as np
import pytest
from client import CallError
from example_setups import SETUP
from harness import Gimp
from pixelwork import make
from test_examples import PICTURE, outline, rows
from truth import pixels

from gimp_bridge.dispatch import catalogue

SEEDS = [int(seed) for seed in os.environ.get("GIMP_BRIDGE_TEST_SEEDS", "1,2").split(",")]
LENGTH = 50
# They end the image's life, go back themselves, take long, or are about something else than this image
LEFT_OUT = {"close_image", "undo", "restore_checkpoint", "apply_gegl_operation", "tone_map", "call_procedure", "delete_resource"}


def pool():
    """(name, arguments) of changes to one image that need nothing beforehand."""
    for parameter in rows():
        row, example = parameter.values
        entry = catalogue.Entry(row)
        alone = row["name"] not in SETUP and row["name"] not in LEFT_OUT and row["pack"] not in ("export", "script")
        if entry.checkpoint and entry.changes and row["image"] == "required" and alone:
            yield row["name"], example


@pytest.fixture(scope="module")
def gimp(gimp_version):
    """One that keeps enough checkpoints to go back all the way."""
    with Gimp(gimp_version, settings={"checkpoints": 2 * LENGTH}) as running:
        yield running


@pytest.mark.parametrize("seed", SEEDS)
def test_fifty_changes_and_back(client, seed):
    chance = random.Random(seed)
    image, _ = make(client, PICTURE)
    before, structure = pixels(client.stream("read_pixels", image=image)), outline(client, image)
    choices, done = list(pool()), []
    for _ in range(10 * LENGTH):  # an indexed image refuses most
        if len(done) == LENGTH:
            break
        name, arguments = chance.choice(choices)
        try:
            answer = client.call(name, image=image, timeout=60, **arguments)
        except CallError as problem:
            # What came before may make it impossible: no layer selected, an empty selection. It says so, and is no fault
            assert problem.kind not in ("internal", "timeout", "connection_lost"), (seed, done, name, arguments, problem)
            assert problem.message, (name, arguments)
            continue
        done.append(name)
        assert answer["effect"]["verified"] == "full", (seed, done, answer["effect"])
    assert len(done) == LENGTH
    steps = sum(row["undoable"] for row in client.call("list_checkpoints", image=image)["checkpoints"])
    if steps:
        client.call("undo", image=image, steps=steps, timeout=60)
    assert outline(client, image) == structure, (seed, done)
    assert np.array_equal(pixels(client.stream("read_pixels", image=image)), before), (seed, done)
    # The one group that is open is this call's own; another would swallow the next steps of the user's undo
    ends = f"[Gimp.Image.get_by_id({image}).undo_group_end() for _ in range(2)]"
    assert client.eval(ends) == [True, False], (seed, done)
