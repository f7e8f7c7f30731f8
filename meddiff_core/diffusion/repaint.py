"""RePaint, arXiv 2201.09865: a part of an image is sampled, the rest is known (MedDiff-FM, eq. 13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.sample import Solver
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import CLEAN


def resampling_plan(timesteps: Sequence[int], jump_length: int, rounds: int) -> list[int]:
    """The timesteps in the order in which they are visited, with jumps back up (RePaint, section 4.2).

    Every stretch of `jump_length` steps is walked `rounds` times: down, back to its top in one jump, down
    again. In a later round the sampled part sees what it made of itself beside the known part, and adapts.

    Args:
        timesteps: descending.
        jump_length: steps per stretch; the last stretch may be shorter.
        rounds: how often each is walked; 1 is without jumps.

    Returns:
        from `timesteps[0]` to `CLEAN`; each entry that is followed by a lower one is an evaluation.
    """
    levels = [*timesteps, CLEAN]
    plan = levels[:1]
    for top in range(0, len(timesteps), jump_length):
        stretch = levels[top + 1 : top + 1 + jump_length]
        plan += [*stretch, *(rounds - 1) * [levels[top], *stretch]]
    return plan


def evaluations(plan: Sequence[int]) -> int:
    """How often a walk along `plan` calls the denoiser."""
    return sum(t_next < t for t, t_next in pairwise(plan))


def repaint(
    denoiser: Callable[[torch.Tensor, int], torch.Tensor],
    x: torch.Tensor,
    plan: Sequence[int],
    schedule: NoiseSchedule,
    solver: Solver,
    known: torch.Tensor,
    mask: torch.Tensor,
    generator: torch.Generator | None = None,
    clamp: bool = True,
) -> torch.Tensor:
    """Go from noise to image where the mask is 1, along what is known where it is 0 (RePaint, algorithm 1).

    Args:
        denoiser: `(x_t, t) -> prediction` of the whole volume, `(B, 1, X, Y, Z)`; see `WindowedDenoiser`.
        x: where to start, at `plan[0]`.
        plan: timesteps to visit, see `resampling_plan`.
        schedule: noise schedule, which knows what the network predicts.
        solver: the step down; it must not remember earlier ones, which a jump would make wrong.
        known: the clean image, of which only what lies outside the mask is used.
        mask: in [0, 1]; between them the two are mixed.
        generator: source of the fresh noise.
        clamp: clamp x0 to [-1, 1], where the training data lies.

    Returns:
        The network's last clean image, float32, before it is mixed with the known one.
    """
    x0 = x
    for t, t_next in pairwise(plan):
        if t_next > t:
            x = _forward(x, t, t_next, schedule, generator)
            continue
        x0 = schedule.to_x0(denoiser(x, t), x, t)
        if clamp:
            x0 = x0.clamp(-1, 1)
        unknown = x0 if t_next == CLEAN else solver.step(x0, x, t, t_next)
        x = _mix(known, x0, unknown, mask, float(schedule.alpha(t_next)), generator)
    return x0


def _forward(
    x: torch.Tensor, t: int, t_next: int, schedule: NoiseSchedule, generator: torch.Generator | None
) -> torch.Tensor:
    """A draw of `q(x_{t_next} | x_t)`, t_next > t, exact over any distance."""
    kept = float(schedule.alpha(t_next) / schedule.alpha(t))
    return kept**0.5 * x + (1 - kept) ** 0.5 * noise_like(x, generator)


def _mix(
    known: torch.Tensor,
    x0: torch.Tensor,
    unknown: torch.Tensor,
    mask: torch.Tensor,
    a: float,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Eq. 13: the known image with fresh noise at cumulative alpha `a` outside the mask, `unknown` in it.

    On a soft edge a plain mixture would halve the noise's variance, and the network would take what is left
    for less noise than there is; so images are mixed, and the noises such that their level stays.
    """
    noise = torch.lerp((1 - a) ** 0.5 * noise_like(known, generator), unknown - a**0.5 * x0, mask)
    return a**0.5 * torch.lerp(known, x0, mask) + noise / torch.sqrt(mask**2 + (1 - mask) ** 2)
