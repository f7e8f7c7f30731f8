"""Data terms `(x0, t) -> x0`: they pull the clean image towards what was measured (eq. 10, 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.physics.slabs import SlabMeans

SLICE_NOISE = 0.01
"""Nominal standard deviation of a thick slice in [-1, 1]: 9 HU in the window of the chest, 2 in others."""


class DenoisingDataTerm:
    """Pulls the clean image towards the measurement `y = x0 + n`, n of standard deviation `sigma_n` (eq. 10).

    `argmin |y - x|^2 / sigma_n^2 + lambda |x - x0|^2 / sigma_t^2 = x0 + w (y - x0)` with
    `w = sigma_t^2 / (sigma_t^2 + lambda sigma_n^2)`.

    Args:
        schedule: noise schedule.
        measurement: y, `(B, 1, X, Y, Z)` in [-1, 1] scale.
        noise_level: sigma_n in [-1, 1] scale.
        fidelity: lambda; 10. DiffPIR's own code mixes [0, 1] and [-1, 1], so its lambda is 4 times ours.
    """

    def __init__(
        self, schedule: NoiseSchedule, measurement: torch.Tensor, noise_level: float, fidelity: float = 10.0
    ) -> None:
        self.schedule = schedule
        self.measurement = measurement
        self.noise_variance = noise_level**2
        self.fidelity = fidelity

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image after the data step at timestep `t`."""
        variance = self.schedule.sigma(t) ** 2
        weight = variance / (variance + self.fidelity * self.noise_variance)
        return torch.lerp(x0, self.measurement, float(weight))


class SlabDataTerm:
    """Pulls the clean image towards the measurement `y = H x0 + n`, H the means of slabs (eq. 12).

    `argmin |y - H x|^2 + rho_t |x - x0|^2` with `rho_t = lambda sigma_n^2 / sigma_t^2`, as DiffPIR weights
    it. For whole slabs of s voxels that is `x0 + U(y - H x0) / (1 + s rho_t)`: nearly the whole difference
    while there is much noise, ever less of it towards the end, where the network knows better. sigma_n is
    `SLICE_NOISE`, because the result is made to agree with the slices afterwards whatever their noise.

    Args:
        schedule: noise schedule.
        slabs: H.
        measurement: y, `(B, 1, X, Y, n_thick)` in [-1, 1].
        fidelity: lambda; 10 as in denoising, 0 takes the whole difference in each step.
    """

    def __init__(
        self, schedule: NoiseSchedule, slabs: SlabMeans, measurement: torch.Tensor, fidelity: float = 10.0
    ) -> None:
        self.schedule = schedule
        self.slabs = slabs
        self.measurement = measurement
        self.fidelity = fidelity

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image after the data step at timestep `t`."""
        rho = self.fidelity * (SLICE_NOISE / float(self.schedule.sigma(t))) ** 2
        return self.slabs.correct(x0, self.measurement, rho)


class ClassMeans:
    """Moves the mean of the clean image within each class of voxels to its target.

    An anatomy map does not tell contrast medium; this does. Within a class all voxels move alike, so texture
    and borders stay the network's.

    Args:
        classes: `(B, 1, X, Y, Z)` long; 0 belongs to none, k to the k-th target.
        targets: means, in the scale of the image.
        counted: voxels that a mean is taken over, bool like `classes`; all are moved.
    """

    def __init__(self, classes: torch.Tensor, targets: Sequence[float], counted: torch.Tensor) -> None:
        self.classes = classes.reshape(-1)
        self.targets = torch.tensor([0.0, *targets])
        self.counted = torch.where(counted.reshape(-1), self.classes, 0)
        self.voxels = torch.bincount(self.counted, minlength=len(self.targets))

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image with these means; `t` does not matter."""
        sums = torch.bincount(self.counted.to(x0.device), x0.reshape(-1), minlength=len(self.targets))
        shift = self.targets.to(sums) - sums / self.voxels.to(sums).clamp_min(1)
        shift[(self.voxels.to(shift.device) == 0)] = 0
        shift[0] = 0
        return x0 + shift[self.classes.to(x0.device)].reshape(x0.shape).to(x0)


def class_means(labels: torch.Tensor, targets: Mapping[tuple[int, ...], float]) -> ClassMeans:
    """The data term of labels; the mean is that of voxels with no air beside them, where skin is half air.

    Args:
        labels: `(B, 1, X, Y, Z)` long, below 256.
        targets: mean by the labels that share it, in the scale of the image.
    """
    group = torch.zeros(256, dtype=torch.long, device=labels.device)
    for number, ids in enumerate(targets, start=1):
        group[list(ids)] = number
    beside_air = F.max_pool3d((labels == 0).float(), 3, stride=1, padding=1) > 0
    return ClassMeans(group[labels], list(targets.values()), ~beside_air)
