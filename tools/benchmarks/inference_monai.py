"""One evaluation of a whole volume: our windows beside MONAI's `sliding_window_inference`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from monai.data.utils import compute_importance_map
from monai.inferers import sliding_window_inference

from meddiff_core.conditions.position import coordinates
from meddiff_core.conditions.regions import REGIONS
from meddiff_core.inferers.precision import network_autocast, network_dtype
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.windowed import Network, WindowedDenoiser
from meddiff_core.inferers.windows import Runtime, Windows

Evaluation = Callable[[torch.Tensor, int], torch.Tensor]

OVERLAP = 0.5
"""Where windows of a kind cost most beside the network, and MONAI's and ours lie in the same places."""


def monai_rows(
    network: Network,
    x_t: torch.Tensor,
    t: int,
    region: int,
    conditions: torch.Tensor,
    device: torch.device | str = "cpu",
    roi_size: int = 96,
    repeats: int = 3,
) -> Iterator[dict]:
    """A row per precision: the largest difference, seconds of either, and the share spent in the network.

    Args:
        network: the denoiser's.
        x_t: `(1, 1, X, Y, Z)`; sides are multiples of what the network asks for.
        t: timestep.
        region: class label.
        conditions: `(1, K, X, Y, Z)`.
        device: where the network lies.
        roi_size: largest window; MONAI gets the one that ours chooses.
        repeats: of each, in turn, after one that does not count; the fastest does.
    """
    precisions = {"float32": "float32", str(network_dtype(device)).removeprefix("torch."): "auto"}
    for name, precision in precisions.items():
        ours = WindowedDenoiser(
            network,
            Volume(x_t, conditions, REGIONS[region], {}),
            Windows(roi_size, OVERLAP),
            Runtime(device, precision),
        )
        evaluations = {"ours": ours, "monai": monai_evaluation(ours)}
        results, seconds, shares = {}, {}, {}
        for repeat in range(repeats + 1):
            for who, evaluation in evaluations.items():
                ours.network = clock = TimedNetwork(network)
                begin = time.perf_counter()
                results[who] = evaluation(x_t, t)
                took = time.perf_counter() - begin
                if repeat and took < seconds.get(who, float("inf")):
                    seconds[who], shares[who] = took, clock.seconds / took
        yield {
            "precision": name,
            "shape": list(x_t.shape[2:]),
            "window": list(ours.grid.roi_size),
            "windows": len(ours.grid.windows),
            "largest_difference": float((results["ours"] - results["monai"]).abs().max()),
            **{f"seconds_{who}": value for who, value in seconds.items()},
            **{f"network_share_{who}": value for who, value in shares.items()},
        }


class TimedNetwork:
    """A network that counts the seconds spent in it, and has all its other attributes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def __call__(self, x: torch.Tensor, **options: Any) -> torch.Tensor:
        begin = time.perf_counter()
        prediction = self.network(x, **options)
        if prediction.is_cuda:  # it has only been asked for so far
            torch.cuda.synchronize(prediction.device)
        self.seconds += time.perf_counter() - begin
        return prediction


def monai_evaluation(ours: WindowedDenoiser) -> Evaluation:
    """MONAI's function at its best, with the network, windows and conditions of a `WindowedDenoiser`.

    It gets the importance map, which it would otherwise make in each call.
    """
    roi = tuple(ours.grid.roi_size)
    weight = compute_importance_map(roi, mode="gaussian", sigma_scale=0.125).float()

    def evaluation(x_t: torch.Tensor, t: int) -> torch.Tensor:
        timesteps = torch.full((1,), t, dtype=torch.long, device=ours.runtime.device)
        labels = torch.full((1,), ours.region_id, dtype=torch.long, device=ours.runtime.device)

        def predict(window: torch.Tensor, place: list, condition: torch.Tensor) -> torch.Tensor:
            position = coordinates(x_t.shape[2:], place[0][2:]).to(window.device)
            inputs = torch.cat([window, position[None], condition], dim=1)
            inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
            with torch.no_grad(), network_autocast(ours.runtime.device, ours.runtime.precision):
                return ours.network(inputs, timesteps=timesteps, class_labels=labels).float()

        return sliding_window_inference(
            x_t,
            roi,
            sw_batch_size=1,
            predictor=predict,
            overlap=OVERLAP,
            mode="gaussian",
            sigma_scale=0.125,
            sw_device=ours.runtime.device,
            device=x_t.device,
            roi_weight_map=weight,
            with_coord=True,
            condition=ours.conditions,
        )

    return evaluation
