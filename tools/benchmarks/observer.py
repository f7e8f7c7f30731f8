"""A channelized Hotelling observer: how well a known signal is told from its absence in noise."""

from __future__ import annotations

import numpy as np
from scipy.special import eval_laguerre

_CHANNELS = 6
_DRAWS = 500
_QUANTILES = (0.025, 0.975)


def laguerre_gauss(size: int, width: float) -> np.ndarray:
    """Channels `(6, size * size)`: rotationally symmetric, as the signal (Barrett et al., PNAS 1993).

    Args:
        size: pixels of a side.
        width: of the Gaussian, in pixels.
    """
    x, y = np.indices((size, size)) - (size - 1) / 2
    scaled = 2 * np.pi * (x**2 + y**2) / width**2
    channels = [np.exp(-scaled / 2) * eval_laguerre(order, scaled) for order in range(_CHANNELS)]
    return np.stack([channel.ravel() / np.linalg.norm(channel) for channel in channels])


def observer_scores(present: np.ndarray, absent: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """What the observer says of each image, `(2, n)`: with the signal, and without.

    Half of the images give the template `S^-1 (mean with - mean without)`, which is applied to the other
    half, and the other way round. There is no internal noise.

    Args:
        present: images with the signal, `(n, size, size)`.
        absent: as many without.
        channels: of `laguerre_gauss`.
    """
    seen = np.stack([images.reshape(len(images), -1) @ channels.T for images in (present, absent)])
    scores = np.empty(seen.shape[:2])
    for half in (0, 1):
        learned, tested = seen[:, half::2], seen[:, 1 - half :: 2]
        means = learned.mean(axis=1)
        template = np.linalg.solve(sum(np.cov(images.T) for images in learned) / 2, means[0] - means[1])
        scores[:, 1 - half :: 2] = (tested - means.mean(axis=0)) @ template
    return scores


def detection(before: np.ndarray, after: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Area under the ROC curve before and after, and 95 % intervals of bootstrap draws of the images.

    Args:
        before: of `observer_scores`.
        after: the same images after processing.
        seed: of the draws.
    """
    wins = [(present[:, None] > absent).astype(float) for present, absent in (before, after)]
    n = before.shape[1]
    # how often each image is drawn
    present, absent = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), (2, _DRAWS)) / n
    drawn = np.stack([((present @ won) * absent).sum(axis=1) for won in wins], axis=1)
    low, high = np.quantile(drawn[:, 1] - drawn[:, 0], _QUANTILES)
    auc = [float(won.mean()) for won in wins]
    error = float(np.diff(np.quantile(drawn[:, 0], _QUANTILES))[0] / 2)
    return {
        "auc_before": auc[0],
        "auc_after": auc[1],
        "auc_error": error,
        "gain": auc[1] - auc[0],
        "gain_low": float(low),
        "gain_high": float(high),
    }
