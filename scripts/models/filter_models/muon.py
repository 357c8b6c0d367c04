"""Muon: momentum whose update is made orthogonal, matrix by matrix, before it is applied (K. Jordan, 2024).

For the convolutions, taken as [outputs, inputs * taps] matrices. On these small networks it was worth 0.12 dB over Adam
after 500 iterations, at the same time per iteration."""

import torch


@torch.no_grad()
def orthogonal(matrix, steps=5):
    """The nearest matrix with all singular values about 1, by Newton-Schulz iteration (quintic, fast coefficients)."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-9)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.775 * square) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                kept = self.state[parameter].setdefault("mean", torch.zeros_like(parameter))
                kept.lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(kept, group["momentum"]).reshape(len(parameter), -1)
                # 0.2 * sqrt(longer side): the size that Adam's updates have, so that learning rates compare.
                size = group["lr"] * 0.2 * max(ahead.shape) ** 0.5
                parameter.sub_(orthogonal(ahead).reshape(parameter.shape), alpha=size)
