"""Shows on a short training that the README's claims hold: the same twice, the same when it was stopped in between, the
same when it was given more iterations later; and that the ONNX file answers what the network does."""

import pathlib
import tempfile

import numpy as np
import torch

from . import export, figures, scenes, trainer

ITERATIONS, FEWER, STOPS = 40, 30, (13, 27)
MOST_OFF = 0.02  # what weights of one byte may change on random pixels


class Stopped(Exception):
    pass


def trained(name, plan, cache, bank, stop=None):
    """Trains to the plan's end, or is stopped before the iteration `stop`; answers the averaged weights."""
    training = trainer.Training(name, plan, cache, bank, "cpu", say=lambda *words: None)
    step = training.step

    def until(batch):
        if training.done == stop:
            raise Stopped
        return step(batch)

    training.step = until
    try:
        training.run()
    except Stopped:
        pass
    return training.average.weights


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def reproducible(name, plan, bank, say):
    plan = {**plan, "iterations": ITERATIONS, "batch": 2}
    plan.pop("start", None)
    with tempfile.TemporaryDirectory() as folder:
        places = [pathlib.Path(folder) / place for place in ("whole", "stopped", "longer")]
        for place in places:
            place.mkdir()
        whole = trained(name, plan, places[0], bank)
        for stop in (*STOPS, None):
            stopped = trained(name, plan, places[1], bank, stop)
        trained(name, {**plan, "iterations": FEWER}, places[2], bank)
        longer = trained(name, plan, places[2], bank)
    assert same(whole, stopped), f"{name}: a stopped training came out different"
    assert same(whole, longer), f"{name}: a training that was made longer came out different"
    say(f"{name}: the same in one go, stopped at {STOPS}, and made longer at {FEWER}")
    return plan, whole


def exported(name, plan, weights, say):
    network = trainer.KINDS[plan["task"]](plan).network(plan)
    network.load_state_dict(weights)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        export.export(network, weights, path, "a check")
        session = figures.session(path)
    rng = np.random.default_rng(1)
    shapes = {
        port.name: [{"n": 1, "h": 64, "w": 80}.get(side, side) for side in port.shape] for port in session.get_inputs()
    }
    feed = {port: rng.random(shape, np.float32) for port, shape in shapes.items()}
    with torch.no_grad():
        wanted = network.eval()(*(torch.from_numpy(value) for value in feed.values())).numpy()
    off = np.abs(session.run(None, feed)[0] - wanted).max()
    assert off < MOST_OFF, f"{name}: the ONNX file is off by {off:.4f}"
    say(f"{name}: the ONNX file answers what the network does, to {off:.5f}")


def main(tables, bank, say):
    trainer.SAVE_EVERY = 5
    assert np.array_equal(scenes.batch(1000, 2, 64), scenes.batch(1000, 2, 64)), "the scenes differ"
    for name, plan in tables.items():
        exported(name, *reproducible(name, plan, bank, say), say)
