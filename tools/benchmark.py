"""Compare the bundles with the usual methods; one sub-command per task.

Example:
    python tools/benchmark.py denoising --images scan.nii.gz --regions chest --output_dir out
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import anomaly as anomaly_benchmark
from benchmarks import denoising as denoising_benchmark
from benchmarks import detectability as detectability_benchmark
from benchmarks import foundation as foundation_benchmark
from benchmarks import inference as inference_benchmark
from benchmarks import lesion as lesion_benchmark
from benchmarks import small_structures as small_structures_benchmark
from benchmarks import super_resolution as super_resolution_benchmark
from benchmarks.anomaly_cases import phantom_cases, read_cases
from benchmarks.anomaly_methods import make_method as anomaly_method
from benchmarks.degraded import make_noisy, make_thick
from benchmarks.lesion_cases import phantom_lesion_cases, read_lesion_cases
from benchmarks.lesion_methods import make_method as lesion_method
from benchmarks.peers import PEERS
from benchmarks.scans import Scan, read_scans

from meddiff_core.commands import run_command, words_of
from meddiff_core.errors import InputError, check_choice
from meddiff_core.metrics.lesion_segmenter import lesion_segmenter

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
        sigma: noise standard deviation in [-1, 1]; sinogram noise has that of its dose.
        block: voxels of the central block; None for the whole scan.
        kinds: white, correlated, correlated_smooth, correlated_sharp, and sinogram_25 for 25 % of the dose.
        methods: noisy, gaussian, tv, nlm, bm3d, bm4d, ours_N (N steps).
        seed: of the noise.
        peers_from: `denoising.json` of an earlier run; its peers are not measured again.
    """
    scans, size = _scans(images, regions), _sizes(block)
    cases = [make_noisy(scan, kind, sigma, size, seed) for scan in scans for kind in words_of(kinds)]
    measure = partial(denoising_benchmark.measure, noise_level=sigma, seed=seed, peers_from=_path(peers_from))
    table, path = denoising_benchmark.TABLE, Path(output_dir, "denoising")
    print(table.page(table.fill(path, cases, words_of(methods), measure)))


def detectability(
    output_dir: str,
    doses: Words = "100,50,25,10",
    methods: Words = "ours_1",
    volumes: int = 32,
    seed: int = 0,
) -> None:
    """Find discs of low contrast in simulated noise by a model observer; write a table as Markdown and JSON.

    Args:
        output_dir: where `detectability.md` and `detectability.json` go.
        doses: percent that are left, comma-separated.
        methods: of denoising that are told the noise: ours_N, bm3d, bm4d. Those that are tuned on the clean
            volume would be told where the discs are.
        volumes: with discs, and as many without, for each dose; 4 images of each disc in each.
        seed: of the noise.
    """
    measure = partial(detectability_benchmark.measure, volumes=volumes, seed=seed)
    table, path = detectability_benchmark.TABLE, Path(output_dir, "detectability")
    print(
        table.page(table.fill(path, [_percent(dose) for dose in words_of(doses)], words_of(methods), measure))
    )


def foundation(
    output_dir: str,
    images: Words | None = None,
    regions: Words = "head_neck,chest,abdomen",
    sections: Words = "noise,steps,local,organs,texture",
    peers: Words = "nlm,bm4d",
    weights: str | None = None,
    peers_from: str | None = None,
) -> None:
    """Measure what the foundation knows, in one step on a central block; write a table as Markdown and JSON.

    Args:
        output_dir: where `foundation.md` and `foundation.json` go.
        images: a data list as `prepare_data.py` writes it, of which the validation section counts, with
            anatomy maps; default a phantom of each region.
        regions: region of each image, comma-separated, where the list does not say it.
        sections: noise (white and correlated), steps (from t = 300 to 999), local (balls of noise), organs
            (HU of each label), texture (of a synthetic CT, which takes minutes).
        peers: denoising methods beside the network: gaussian, tv, nlm, bm3d, bm4d.
        weights: of the foundation; default those of the bundle.
        peers_from: `foundation.json` of an earlier run; its peers are not measured again.
    """
    chosen = [check_choice("section", name, foundation_benchmark.SECTIONS) for name in words_of(sections)]
    known = json.loads(Path(peers_from).read_text()) if peers_from else []
    measure = partial(
        foundation_benchmark.measure,
        weights=weights or foundation_benchmark.WEIGHTS,
        peers=[check_choice("peer", name, PEERS) for name in words_of(peers)],
        known=known,
    )
    table, path = foundation_benchmark.TABLE, Path(output_dir, "foundation")
    scans = foundation_benchmark.with_anatomy(_scans(images, regions))
    print(table.page(table.fill(path, scans, chosen, measure)))


def anomaly(
    output_dir: str,
    datalist: str | None = None,
    spacing: float | None = 2.0,
    methods: Words = "zscore,blur,padim,ours",
    weights: str | None = None,
    seed: int = 0,
) -> None:
    """Find lesions in organs; write a table as Markdown and JSON.

    The data list has the cases under `validation` and healthy volumes under `reference`; a case never has its
    own patient as reference. Its items, with files relative to the list:

        {"image": "ct.nii.gz", "region": "chest", "polarity": "bright",
         "organ_name": "lung", "organ": "lungs.nii.gz", "lesion": "nodule.nii.gz"}

    `organ_name` names labels as the bundle's option `organ` does; `organ` is a mask, which is needed where a
    lesion touches the organ's surface; `anatomy` may be given, too. `"insert": {"value": 30}` instead of a
    lesion puts synthetic ones into a healthy organ (other keys: contrast, count, radius, see
    `benchmarks/lesions.py`). `name` tells cases of one image apart, `patient` images of one patient.

    Args:
        output_dir: where `anomaly.md` and `anomaly.json` go.
        datalist: the list; default phantoms with lesions, and other phantoms as reference.
        spacing: mm to which the volumes of a list are resampled; None for their own grid.
        methods: zscore, blur, padim, ours.
        weights: of the foundation; default those of the bundle.
        seed: of inserted lesions.
    """
    cases, references = (
        read_cases(Path(datalist), section, spacing, seed) if datalist else phantom_cases(section)
        for section in ("validation", "reference")
    )
    made = [anomaly_method(name, references, _path(weights)) for name in words_of(methods)]
    measure = partial(anomaly_benchmark.measure, references=references)
    table, path = anomaly_benchmark.TABLE, Path(output_dir, "anomaly")
    print(table.page(table.fill(path, cases, made, measure)))


def lesion(
    output_dir: str,
    datalist: str | None = None,
    methods: Words = "copy,texture,ours",
    samples: int = 3,
    seed: int = 0,
    segmenter: str | None = None,
    nnunet_model: str | None = None,
    generation_root: str | None = None,
) -> None:
    """Make lesions in the masks of real ones; write a table as Markdown and JSON.

    The data list has the cases under `validation` and the lesions to learn from under `training`, as
    `meddiff_core.preparation` writes it; a case never has its own patient as donor. Items without a lesion
    are left out.

    Args:
        output_dir: where `lesion.md` and `lesion.json` go.
        datalist: the list; default phantoms with lesions, and other phantoms as donors.
        methods: copy (a donor's lesion, warped and blended), texture (filtered noise), ours (inpainting).
        samples: lesions per case, of the methods that draw noise.
        seed: of the first of them.
        segmenter: `segmenter.pt` of ct_lesion_generation, for Dice.
        nnunet_model: folder of a trained nnU-Net v2 model instead.
        generation_root: bundle with the weights of ours; default ct_lesion_generation.
    """
    cases, donors = (
        read_lesion_cases(Path(datalist), section) if datalist else phantom_lesion_cases(section)
        for section in ("validation", "training")
    )
    root = _path(generation_root)
    made = [lesion_method(name, donors, samples, seed, root) for name in words_of(methods)]
    measure = partial(lesion_benchmark.measure, segment=lesion_segmenter(segmenter, nnunet_model))
    table, path = lesion_benchmark.TABLE, Path(output_dir, "lesion")
    print(table.page(table.fill(path, cases, made, measure)))


def super_resolution(
    output_dir: str,
    images: Words | None = None,
    regions: Words = "chest,abdomen",
    slabs: Words | int = "2,4",
    block: str | Sequence[int] | None = "192,192,64",
    methods: Words = "trilinear,trilinear_projected,cubic,cubic_projected,smooth,smooth_in_range,ours_1",
    axis: int | str = "auto",
    drop_slices: int = 1,
    weights: str | None = None,
) -> None:
    """Make thin slices from simulated thick ones; write a table as Markdown and JSON.

    Args:
        output_dir: where `super_resolution.md` and `super_resolution.json` go.
        images: thin CTs or folders of them, comma-separated, or one data list; default a phantom of each
            region.
        regions: region of each image, comma-separated; one region serves all images.
        slabs: thin slices that a thick one is the mean of, comma-separated; 5/2.5 is five, every 2.5.
        block: voxels of the central block; None for the whole scan.
        methods: nearest, trilinear, cubic, each also with _projected (agrees with the thick slices), smooth,
            smooth_in_range (the condition of ours), ours_N (N steps).
        axis: across the slices: 0 (sagittal), 1 (coronal), 2 (axial), or auto, that of the thickest voxels.
        drop_slices: thick slices at either end whose thin ones do not count.
        weights: trained part of ours, such as a checkpoint's; default that of the bundle.
    """
    chosen = [_slab(word) for word in words_of(slabs)]
    scans, size = _scans(images, regions), _sizes(block)
    cases = [make_thick(scan, slab, size, axis) for scan in scans for slab in chosen]
    measure = partial(super_resolution_benchmark.measure, drop_slices=drop_slices, weights=_path(weights))
    table, path = super_resolution_benchmark.TABLE, Path(output_dir, "super_resolution")
    print(table.page(table.fill(path, cases, words_of(methods), measure)))


def small_structures(
    output_dir: str,
    slabs: Words | int = "3,5,5/2.5,5/7",
    methods: Words = "trilinear,cubic,cubic_projected,smooth,smooth_in_range,ours_1",
    weights: str | None = None,
) -> None:
    """Make thin slices of small nodules and vessels from thick ones; write a table as Markdown and JSON.

    Args:
        output_dir: where `small_structures.md` and `small_structures.json` go.
        slabs: as in super_resolution; thin slices are 1 mm.
        methods: as in super_resolution.
        weights: trained part of ours, such as a checkpoint's; default that of the bundle.
    """
    scan = small_structures_benchmark.phantom()
    cases = [make_thick(scan, _slab(word), None, axis=2) for word in words_of(slabs)]
    measure = partial(small_structures_benchmark.measure, weights=_path(weights))
    table, path = small_structures_benchmark.TABLE, Path(output_dir, "small_structures")
    print(table.page(table.fill(path, cases, words_of(methods), measure)))


def inference(
    output_dir: str,
    images: Words | None = None,
    regions: Words = "chest",
    sections: Words = "monai,forwards,memory",
    block: str | Sequence[int] | None = "192,192,96",
    memory_shape: str | Sequence[int] | None = None,
    repeats: int = 3,
) -> None:
    """Measure what inference takes; write tables as Markdown and JSON.

    Args:
        output_dir: where `inference.md` and `inference.json` go.
        images: one CT; default a phantom of the region.
        regions: its region.
        sections: monai (beside its sliding_window_inference), forwards (counted for 384x384x256 voxels),
            memory (of a run).
        block: voxels of the central block for the section monai; None for the whole scan.
        memory_shape: voxels of the phantom for the section memory, such as 512,512,600; None leaves it out.
        repeats: measurements of one evaluation, of which the fastest counts.
    """
    scans = _scans(images, regions)
    if len(scans) != 1:
        raise InputError(f"{len(scans)} images are given: the inference benchmark takes one.")
    result = inference_benchmark.run(
        scans[0],
        sections=words_of(sections),
        block=_sizes(block),
        memory_shape=_sizes(memory_shape),
        repeats=repeats,
        output_dir=Path(output_dir),
    )
    print(inference_benchmark.page(result))


def _scans(images: Words | None, regions: Words) -> list[Scan]:
    return read_scans(words_of(images) or None, words_of(regions))


def _sizes(value: Words | Sequence[int] | None) -> tuple[int, ...] | None:
    """Numbers of voxels; None where there are none."""
    return tuple(int(size) for size in words_of(value)) or None


def _slab(word: str) -> tuple[float | str, float | str]:
    """Thin slices from one thick one to the next, and thin slices that a thick one is the mean of."""
    width, _, every = word.partition("/")
    numbers = [float(n) if n.replace(".", "", 1).isdigit() else n for n in (every or width, width)]
    return numbers[0], numbers[1]


def _percent(word: str) -> int:
    if not word.isdigit() or not 0 < int(word) <= 100:
        raise InputError(f"A dose is {word!r}: use whole percentages from 1 to 100, such as 100,25.")
    return int(word)


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


COMMANDS = {
    "foundation": foundation,
    "denoising": denoising,
    "detectability": detectability,
    "anomaly": anomaly,
    "lesion": lesion,
    "super_resolution": super_resolution,
    "small_structures": small_structures,
    "inference": inference,
}

if __name__ == "__main__":
    run_command(COMMANDS)
