"""Compare the bundles with the usual methods; one sub-command per task.

Example:
    python tools/benchmark.py denoising --images scan.nii.gz --regions chest --output_dir out
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fire
from benchmarks import denoising as denoising_benchmark
from benchmarks.scans import read_scans

from meddiff_core.user_errors import show_sentences

Words = str | Sequence[str]


def denoising(
    output_dir: str,
    images: Words | None = None,
    regions: Words = "chest,abdomen",
    sigma: float = 0.15,
    block: str | Sequence[int] | None = "192,192,64",
    kinds: Words = "white,correlated",
    methods: Words = "noisy,gaussian,tv,nlm,bm3d,bm4d,ours_1,ours_10",
    seed: int = 0,
    peers_from: str | None = None,
) -> None:
    """Denoise clean scans with simulated noise; write a table as Markdown and JSON.

    Args:
        output_dir: where `denoising.md` and `denoising.json` go.
        images: CTs or folders of them, comma-separated, or one data list; default a phantom of each region.
        regions: region of each image, comma-separated; one region serves all images.
        sigma: noise standard deviation in [-1, 1]; for sinogram noise the fraction of the dose that is left.
        block: voxels of the central block; None for the whole scan.
        kinds: white, correlated, sinogram.
        methods: noisy, gaussian, tv, nlm, bm3d, bm4d, ours_N (N steps).
        seed: of the noise.
        peers_from: `denoising.json` of an earlier run; its peers are not measured again.
    """
    rows = denoising_benchmark.run(
        read_scans(_words(images) if images else None, _words(regions)),
        noise_level=sigma,
        block=tuple(int(size) for size in _words(block)) if block else None,
        kinds=_words(kinds),
        methods=_words(methods),
        seed=seed,
        output_dir=Path(output_dir),
        peers_from=Path(peers_from) if peers_from else None,
    )
    print(denoising_benchmark.table(rows))


def _words(value: Words | Sequence[int]) -> list[str]:
    """`a,b` as a list; `fire` has split it already where it could."""
    words = value.split(",") if isinstance(value, str) else value
    return [str(word).strip() for word in words]


if __name__ == "__main__":
    show_sentences()
    fire.Fire({"denoising": denoising})
