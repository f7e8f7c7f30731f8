"""What a noisy scan teaches a network that is to denoise it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.data import list_data_collate
from monai.transforms import Compose, RandFlipd, RandRotate90d, SelectItemsd
from torch import nn

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.regions import FULL, region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.volume import Volume
from meddiff_core.physics.scan_noise import ScanNoise
from meddiff_core.training.adaptation import Adaptation, Lesson
from meddiff_core.training.network_call import OneStepInferer
from meddiff_core.training.scan_noise_batch import ScanNoisePrepareBatch
from meddiff_core.training.weighted_loss import WeightedLoss
from meddiff_core.transforms.multi_level import RandLevelPatchd
from meddiff_core.transforms.windowing import RegionWindowd

_PATCH = 32
_LEAST = 8
"""Sides of patches are multiples of this many voxels, as the network needs them."""
_FULL_SHARE = 0.2
"""Of the patches in the HU window of all HU, in which bone and air are denoised."""
_CHECKED = 8
"""Patches of a check."""


class DenoisingAdaptation(Adaptation):
    """Trains on the denoised scan with new noise of the scan's own level and spectrum on it.

    The check lays the noise that was removed from the scan on its denoised image at another place: real
    noise, which no drawn spectrum describes wholly, and an image that is known. Only the stream of full
    resolution is trained where the network has one: it gains as much as the whole network, in half the time.

    Args:
        minutes: see `Adaptation`.
        schedule: noise schedule, which knows what the network predicts.
        options: of `Adaptation`.
    """

    def __init__(self, minutes: float, schedule: NoiseSchedule, **options: Any) -> None:
        super().__init__(minutes, **options)
        self.schedule = schedule

    def __call__(
        self, network: nn.Module, scan: Volume, denoised: torch.Tensor, noise: ScanNoise
    ) -> tuple[nn.Module, dict[str, float]]:
        """The network that has learned from a scan, and what was done.

        Args:
            network: the denoiser; stays as it is.
            scan: the noisy volume in the scale of its region.
            denoised: what the network makes of it, `(1, 1, X, Y, Z)` in the same scale.
            noise: of the scan.

        Raises:
            InputError: the scan is too small.
        """
        shape = scan.image.shape[2:]
        if min(shape) < _LEAST:
            size = " x ".join(map(str, shape))
            raise InputError(
                f"adapt needs {_LEAST} slices or more to learn from, and this scan has {size} voxels: leave "
                "adapt out."
            )
        noisy, clean = (scan.hu_window.to_hu(image[0].cpu()) for image in (scan.image, denoised))
        item = {
            "image": clean,
            "anatomy": torch.zeros(()).expand(1, *shape)
            if scan.conditions is None
            else scan.conditions[0, :1].cpu(),
            "body": torch.from_numpy(body_mask(clean[0].numpy(), scan.spacing))[None],
            # neither axis of the shift leaves a place where its own anatomy was
            "noise": (noisy - clean).roll((shape[0] // 2, shape[2] // 2), (1, 3)),
            "region": scan.region,
        }
        prepare = ScanNoisePrepareBatch(self.schedule, noise)
        inferer = OneStepInferer(self.schedule, self.runtime.precision)
        check = _Check(item, self.seed, prepare, inferer, next(network.parameters()).device)
        lesson = Lesson(item, _training_patches(shape, scan.region), prepare, WeightedLoss(), check)
        return self.learn(network, _stream, lesson)


class _Check:
    """Error in HU, in the window of the region, on fixed patches with the noise that was removed elsewhere.

    Args:
        item: of the scan, with `noise`.
        seed: of the places of the patches.
        prepare: makes the state of the diffusion from a patch and its noise.
        inferer: one step.
        device: of the network.
    """

    def __init__(
        self,
        item: dict[str, Any],
        seed: int,
        prepare: ScanNoisePrepareBatch,
        inferer: OneStepInferer,
        device: torch.device,
    ) -> None:
        keys = ["image", "anatomy", "noise"]
        draw = Compose(
            [
                RandLevelPatchd(
                    keys, _roi(item["image"].shape[1:]), body_key="body", mode=["area", "nearest", "area"]
                ),
                RegionWindowd("image"),
                SelectItemsd([*keys, "coords", "region"]),
            ]
        ).set_random_state(seed)
        batch = list_data_collate([draw(item) for _ in range(_CHECKED)])
        patches = prepare.with_noise(batch["image"], batch["noise"], batch["region"])
        self.inputs = torch.cat([patches.noisy, batch["coords"], batch["anatomy"]], dim=1).to(
            device, memory_format=torch.channels_last_3d
        )
        self.conditions = {
            "timesteps": patches.timesteps.to(device),
            "class_labels": torch.tensor([region_id(name) for name in batch["region"]], device=device),
            "noise_code": patches.noise_code.to(device),
        }
        self.clean = batch["image"].to(device)
        self.hu = region_window(item["region"]).width / 2
        self.inferer = inferer

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> float:
        answer = self.inferer(self.inputs, network, **self.conditions)
        return self.hu * float((answer - self.clean).square().mean().sqrt())


def _training_patches(shape: Sequence[int], region: str) -> Compose:
    """Draws patches of the denoised scan, some of them in the window of all HU, turned and flipped."""
    placed = ["image", "anatomy", "coords"]
    return Compose(
        [
            RandLevelPatchd(["image", "anatomy"], _roi(shape), body_key="body"),
            RegionWindowd("image", alternatives={region: {FULL: _FULL_SHARE}}),
            *(RandFlipd(placed, prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandRotate90d(placed, prob=0.5),
            SelectItemsd([*placed, "region"]),
        ]
    )


def _roi(shape: Sequence[int]) -> list[int]:
    """Size of a patch, square in plane, that fits a volume and the network."""
    sides = [min(_PATCH, n // _LEAST * _LEAST) for n in shape]
    return [min(sides[:2])] * 2 + sides[2:]


def _stream(network: nn.Module) -> nn.Module:
    """The part that is trained."""
    return network.detail or network
