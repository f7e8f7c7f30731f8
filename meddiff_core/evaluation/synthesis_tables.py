"""The page of an evaluation of synthesis, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.evaluation.markdown import number, table
from meddiff_core.metrics.anatomy_dice import DICE_CLASSES

_INTRODUCTION = """\
# Synthetic CT beside real CT

{count} volume(s). The generated volumes are synthetic: they show no patient. Each is beside the real CT whose
anatomy map it was generated from. HU are clipped to [{lower:.0f}, {upper:.0f}].

FID {fid}, MMD {mmd}: features of {features}, {feature_vectors} vectors (blocks of volumes) on each side. MMD
is below 0 where the pairs agree."""
_SIMILARITY = """\
## Similarity and seams

Seam index: 1 is no seam. HU error: mean absolute difference of the classes below."""
_HU = """\
## HU per class

Generated / real; in the last line the mean difference. `body` is soft tissue without a class of its own."""
_DICE = """\
## Dice of the anatomy

Found by `{segmenter}` in the generated CT, against the map; in parentheses the same in the real CT, which
shows how far the rules of map and segmenter differ. `body` is everything inside it."""


def synthesis_markdown(result: Mapping) -> str:
    """Tables of what `SynthesisReport` collects.

    Args:
        result: content of `synthesis.json`.
    """
    mean, volumes = result["mean"], result["volumes"]
    distances = {"fid": number(mean["fid"], 4), "mmd": number(mean["mmd"], 4)}
    hu_window = {"lower": WIDEST_WINDOW.lower, "upper": WIDEST_WINDOW.upper}
    names = list(dict.fromkeys(name for volume in volumes for name in volume["hu_by_class"]))
    parts = [
        _INTRODUCTION.format(**result, **distances, **hu_window),
        _SIMILARITY,
        table(
            ["volume", "MS-SSIM", "scales", "seam index", "seam index (real)", "HU error"],
            [_similarity(volume) for volume in volumes] + [_mean_similarity(mean)],
        ),
        _HU,
        table(["volume", *names], [_hu(volume, names) for volume in volumes] + [_mean_hu(mean, names)]),
        _DICE.format(**result),
        table(["volume", *DICE_CLASSES], [_dice(volume) for volume in volumes] + [_mean_dice(mean)]),
    ]
    return "\n\n".join(parts) + "\n"


def _similarity(volume: Mapping) -> list[str]:
    seams = [number(volume["seam_index"][name]) for name in ("generated", "real")]
    ssim, scales = number(volume["ms_ssim"]), str(volume["ms_ssim_levels"])
    return [volume["volume"], ssim, scales, *seams, number(volume["hu_error"], 1)]


def _mean_similarity(mean: Mapping[str, float]) -> list[str]:
    ssim, *seams = (number(mean.get(key)) for key in ("ms_ssim", "seam_index", "seam_index_real"))
    return ["mean", ssim, "", *seams, number(mean.get("hu_error"), 1)]


def _hu(volume: Mapping, names: Sequence[str]) -> list[str]:
    entries = [volume["hu_by_class"].get(name) for name in names]
    return [volume["volume"], *(f"{e['generated']:.0f} / {e['real']:.0f}" if e else "-" for e in entries)]


def _mean_hu(mean: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return ["mean error", *(f"{mean[f'hu_error_{name}']:.1f}" for name in names)]


def _dice(volume: Mapping) -> list[str]:
    generated, real = volume["dice"]["generated"], volume["dice"]["real"]
    return [volume["volume"], *(_pair(generated[name], real[name]) for name in DICE_CLASSES)]


def _mean_dice(mean: Mapping[str, float]) -> list[str]:
    keys = [f"dice_{name}" for name in DICE_CLASSES]
    return ["mean", *(_pair(mean.get(key), mean.get(f"{key}_real")) for key in keys)]


def _pair(generated: float | None, real: float | None) -> str:
    shown = number(generated), number(real)
    return "-" if shown == ("-", "-") else f"{shown[0]} ({shown[1]})"
