"""The noise schedule and the conversions between eps, v and x0, all in float32."""

from __future__ import annotations

import torch
from monai.networks.schedulers import NoiseSchedules

PREDICTION_TYPES = ("v_prediction", "epsilon", "sample")


class NoiseSchedule:
    """Cumulative alphas of a variance-preserving diffusion and what follows from them.

    Notation: `a = alphas_cumprod[t]`, `x_t = sqrt(a) x0 + sqrt(1 - a) eps`,
    `v = sqrt(a) eps - sqrt(1 - a) x0`, `sigma_t = sqrt((1 - a) / a)`. The tables are MONAI's; its schedulers'
    `step` and `add_noise` are not used, because the first cannot skip timesteps and the second changes the
    table's dtype.

    Args:
        num_train_timesteps: T, 1000 as in the paper.
        schedule: name of a table in `monai.networks.schedulers.NoiseSchedules`; `cosine` as in the paper.
        prediction_type: what the network predicts: `v_prediction`, `epsilon` (the paper) or `sample`.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "cosine",
        prediction_type: str = "v_prediction",
    ) -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"Unknown prediction type {prediction_type!r}: use one of {PREDICTION_TYPES}.")
        table = NoiseSchedules[schedule](num_train_timesteps)
        # the cosine table comes as (betas, alphas, alphas_cumprod), the others as betas alone
        self.alphas_cumprod = (
            table[2].float() if isinstance(table, tuple) else torch.cumprod(1 - table.double(), 0).float()
        )
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type

    def alpha(self, timesteps: torch.Tensor | int, like: torch.Tensor | None = None) -> torch.Tensor:
        """Cumulative alpha at `timesteps`, shaped to broadcast over `like` `(B, C, X, Y, Z)`; 1 for t < 0."""
        t = torch.as_tensor(timesteps)
        a = torch.where(t < 0, torch.ones(()), self.alphas_cumprod[t.clamp(min=0).cpu()].to(t.device))
        if like is None:
            return a
        return a.to(like.device).reshape(-1, *[1] * (like.ndim - 1))

    def sigma(self, timesteps: torch.Tensor | int) -> torch.Tensor:
        """Noise-to-signal ratio `sigma_t = sqrt((1 - a) / a)`."""
        a = self.alpha(timesteps)
        return torch.sqrt((1 - a) / a)

    def nearest_timestep(self, sigma: float) -> int:
        """The timestep whose `sigma_t` is nearest to `sigma` on the logarithmic scale."""
        sigmas = self.sigma(torch.arange(self.num_train_timesteps))
        return int(torch.argmin((sigmas.log() - torch.tensor(max(sigma, 1e-6)).log()).abs()))

    def add_noise(self, x0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor | int) -> torch.Tensor:
        """`x_t = sqrt(a) x0 + sqrt(1 - a) eps` (eq. 1)."""
        a = self.alpha(timesteps, x0)
        return _sum(a.sqrt(), x0.float(), (1 - a).sqrt(), noise.float())

    def target(self, x0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor | int) -> torch.Tensor:
        """What the network should predict for `x0` and `noise`."""
        if self.prediction_type == "sample":
            return x0
        if self.prediction_type == "epsilon":
            return noise
        a = self.alpha(timesteps, x0)
        return _sum(a.sqrt(), noise, -(1 - a).sqrt(), x0)

    def to_x0(
        self, prediction: torch.Tensor, x_t: torch.Tensor, timesteps: torch.Tensor | int
    ) -> torch.Tensor:
        """The clean image that a prediction at `x_t` stands for; not clamped."""
        prediction, x_t = prediction.float(), x_t.float()
        a = self.alpha(timesteps, x_t)
        if self.prediction_type == "sample":
            return prediction
        if self.prediction_type == "epsilon":
            return _sum(1 / a.sqrt(), x_t, -((1 - a) / a).sqrt(), prediction)
        return _sum(a.sqrt(), x_t, -(1 - a).sqrt(), prediction)

    def from_x0(self, x0: torch.Tensor, x_t: torch.Tensor, timesteps: torch.Tensor | int) -> torch.Tensor:
        """The prediction at `x_t` that stands for the clean image `x0`: the inverse of `to_x0`."""
        return self.target(x0, self.to_noise(x0, x_t, timesteps), timesteps)

    def to_noise(self, x0: torch.Tensor, x_t: torch.Tensor, timesteps: torch.Tensor | int) -> torch.Tensor:
        """The noise in `x_t` when its clean image is `x0`."""
        a = self.alpha(timesteps, x_t)
        return _sum(1 / (1 - a).sqrt(), x_t, -(a / (1 - a)).sqrt(), x0)


def _sum(a: torch.Tensor, x: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`a x + b y` without further copies of a large volume."""
    return (a * x).addcmul_(b, y)
