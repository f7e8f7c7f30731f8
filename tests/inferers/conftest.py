"""Networks that know the answer, so that what is around them shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch

from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule()


class KnownImage:
    """Predicts a clean image per region, finds a window's part of it by the coordinates, notes its calls."""

    def __init__(self, images: Mapping[str, torch.Tensor]) -> None:
        self.images = {region_id(region): image for region, image in images.items()}
        self.inputs: list[torch.Tensor] = []
        self.timesteps: list[int] = []
        self.regions: list[int] = []

    def __call__(
        self,
        x: torch.Tensor,
        timesteps: torch.Tensor,
        class_labels: torch.Tensor,
        noise_code: torch.Tensor | None = None,
    ) -> torch.Tensor:
        self.inputs.append(x.clone())
        self.timesteps += timesteps.tolist()
        self.regions += class_labels.tolist()
        image = self.images[int(class_labels[0])]
        sizes = torch.tensor(image.shape[2:]).reshape(1, 3, 1, 1, 1)
        i, j, k = ((x[:, 1:4] + 1) / 2 * (sizes - 1)).round().long().unbind(dim=1)
        a = SCHEDULE.alpha(timesteps, x)
        return (a.sqrt() * x[:, :1] - image[0, 0, i, j, k][:, None]) / (1 - a).sqrt()


@pytest.fixture
def known_image() -> Callable[..., KnownImage]:
    """known_image(chest=image, ...) -> a network that predicts `(1, 1, X, Y, Z)` in [-1, 1] for a region."""
    return lambda **images: KnownImage(images)
