"""The training loop: Muon for the convolutions and Adam for the rest, a constant learning rate with a linear descent
at the end, an average of the weights that is what gets exported, and checkpoints that a stopped training goes on from.

The state before the descent is kept apart: a training that is later given more iterations goes on from there, as if it
had been planned so from the beginning."""

import contextlib
import pathlib
import time

import numpy as np
import torch

from . import export
from .muon import Muon
from .tasks import KINDS

WARM_UP = 200  # iterations
DESCENT = 0.3  # share of the iterations
BIAS_RATE = 1e-3  # Adam's
PRECISE = 0.9  # after this share of the iterations bfloat16 is left for float32: small residuals profit
SAVE_EVERY = 250


class Batches(torch.utils.data.Dataset):
    """Item i is iteration i's batch: from the seed and i alone, and late ones from `descent` on."""

    def __init__(self, task, bank, seed, descent):
        self.task, self.bank, self.seed, self.descent = task, bank, seed, descent

    def __getitem__(self, iteration):
        rng = np.random.default_rng([self.seed, iteration])
        return tuple(torch.from_numpy(part) for part in self.task.batch(rng, self.bank, iteration >= self.descent))


class Average:
    """Exponential moving average of the weights; short memory at first, a thousand iterations later."""

    def __init__(self, network):
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network, iteration):
        keep = min(0.999, (1 + iteration) / (10 + iteration))
        for name, value in network.state_dict().items():
            self.weights[name].lerp_(value, 1 - keep)


def rate(done, total):
    """The learning rate's factor at iteration `done` of `total`."""
    descent = (total - done) / (DESCENT * total)
    return min((1 + done) / WARM_UP, 1, descent)


def start_from(network, path, plan):
    """Takes over the weights of another training where they fit; answers what was taken. Without its checkpoint those
    of the file that it made, which has one byte for each."""
    own = network.state_dict()
    if path.exists():
        have, whence = torch.load(path, map_location="cpu", weights_only=True)["average"], path.name
    else:
        have, whence = export.weights(plan["start_file"]), plan["start_file"].name
    if hasattr(network, "adapted"):
        have = network.adapted(have)
    if plan.get("spread"):
        have = network.spread(have)
    taken = {name: value for name, value in have.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict({**own, **taken})
    return f"{len(taken)} tensors taken over from {whence}"


class Training:
    """One model's training in `cache`; `plan` is its table in plan.toml."""

    def __init__(self, name, plan, cache, bank, device, say=print):
        self.name, self.plan, self.device, self.say = name, plan, device, say
        self.cache, self.path = pathlib.Path(cache), pathlib.Path(cache) / f"{name}.pt"
        self.before_descent = self.path.with_suffix(".before-descent.pt")
        self.total, self.descent = plan["iterations"], round(plan["iterations"] * (1 - DESCENT))
        torch.manual_seed(plan["seed"])
        self.task = KINDS[plan["task"]](plan)
        network = self.task.network(plan)
        self.done, self.started = 0, {}
        if not self.path.exists() and "start" in plan:
            taken = start_from(network, self.cache / f"{plan['start']}.pt", plan)
            say(f"{name}: {taken}")
            self.started = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self.network = network.to(device, memory_format=torch.channels_last)
        parameters = list(self.network.parameters())
        self.optimisers = [
            Muon([p for p in parameters if p.ndim == 4], lr=plan["rate"]),
            torch.optim.Adam([p for p in parameters if p.ndim != 4], lr=BIAS_RATE, betas=(0.9, 0.99)),
        ]
        self.peaks = [plan["rate"], BIAS_RATE]
        self.average = Average(self.network)
        if self.path.exists():
            self.resume()
        self.batches = Batches(self.task, bank, plan["seed"], self.descent)

    def resume(self):
        """From the last checkpoint; if its descent had begun and more iterations are wanted, from before that."""
        kept = torch.load(self.path, map_location=self.device, weights_only=True)
        if kept["total"] < self.total and kept["done"] > round(kept["total"] * (1 - DESCENT)):
            kept = torch.load(self.before_descent, map_location=self.device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        for optimiser, state in zip(self.optimisers, kept["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.average.weights, self.done, self.started = kept["average"], kept["done"], kept.get("started", {})

    def save(self, path):
        part = path.with_suffix(".part")
        kept = {"network": self.network.state_dict(), "optimisers": [o.state_dict() for o in self.optimisers]}
        kept |= {"average": self.average.weights, "started": self.started, "done": self.done, "total": self.total}
        torch.save(kept, part)
        part.rename(path)

    def step(self, batch):
        for optimiser, peak in zip(self.optimisers, self.peaks, strict=True):
            optimiser.param_groups[0]["lr"] = peak * rate(self.done, self.total)
        batch = [part.to(self.device, non_blocking=True) for part in batch]
        batch = [part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part for part in batch]
        if self.done >= self.descent and hasattr(self.task, "descend"):
            self.task.descend()
        precise = self.plan.get("precise") or self.done >= PRECISE * self.total
        autocast = contextlib.nullcontext() if precise else torch.autocast(self.device, torch.bfloat16)
        self.network.zero_grad(set_to_none=True)
        loss = self.task.loss(self.network, *batch, autocast)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        for optimiser in self.optimisers:
            optimiser.step()
        self.done += 1
        self.average.update(self.network, self.done)
        return loss.detach()

    def run(self, workers=0):
        """Trains to the planned iteration; `workers` processes make batches ahead (0: this one does)."""
        total = self.total
        if self.done >= total:
            self.say(f"{self.name}: trained, {self.done} iterations")
            return
        self.say(f"{self.name}: iteration {self.done} to {total} on {self.device}")
        order = range(self.done, total)
        loader = torch.utils.data.DataLoader(self.batches, batch_size=None, sampler=order, num_workers=workers)
        began, first, mean = time.monotonic(), self.done, None
        for batch in loader:
            loss = self.step(batch).item()
            mean = loss if mean is None else 0.99 * mean + 0.01 * loss
            if self.done == self.descent:
                self.save(self.before_descent)
            if self.done % SAVE_EVERY == 0 or self.done == total:
                self.save(self.path)
                each = (time.monotonic() - began) / (self.done - first)
                left = each * (total - self.done) / 60
                self.say(
                    f"{self.name}: {self.done} of {total}, loss {mean:.5f}, {each:.3f} s each, {left:.0f} min left"
                )
