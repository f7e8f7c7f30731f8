"""Lists of timesteps for a sampler: where it starts, where it goes next, where it ends."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule

CLEAN = -1
"""The timestep after the last one: no noise, cumulative alpha 1."""


def timestep_list(
    schedule: NoiseSchedule, num_inference_steps: int, t_start: int | None = None, spacing: str = "log_snr"
) -> list[int]:
    """Descending timesteps from `t_start`; the step after the last goes to `CLEAN`.

    Args:
        schedule: noise schedule.
        num_inference_steps: how many; fewer come back where the range holds fewer different timesteps.
        t_start: first timestep; default the last one of training.
        spacing: `log_snr` spaces the logarithm of the signal-to-noise ratio evenly (as DPM-Solver does),
            `linear` the timesteps.

    Raises:
        ValueError: for fewer than one step, a start outside the schedule, or an unknown spacing.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps is {num_inference_steps}: use at least 1.")
    last = schedule.num_train_timesteps - 1
    start = last if t_start is None else int(t_start)
    if not 0 <= start <= last:
        raise ValueError(f"t_start is {t_start}: use 0 to {last}.")
    if spacing == "linear":
        steps = torch.linspace(start, 0, num_inference_steps + 1)[:-1].round().long()
    elif spacing == "log_snr":
        sigmas = schedule.sigma(torch.arange(start + 1)).log()
        wanted = torch.linspace(float(sigmas[-1]), float(sigmas[0]), num_inference_steps)
        steps = (sigmas[None] - wanted[:, None]).abs().argmin(dim=1)
        steps[0] = start
    else:
        raise ValueError(f"Unknown spacing {spacing!r}: use log_snr or linear.")
    return sorted({int(t) for t in steps}, reverse=True)
