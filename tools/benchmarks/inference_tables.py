"""The page of the inference benchmark, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meddiff_core.evaluation.markdown import number, table

_INTRODUCTION = """\
# What the speed of inference is made of

{volume}, {region}, {shape} voxels of {spacing} mm, on {device}: {cpu}, {threads} thread(s); torch {torch},
MONAI {monai}. Noise is simulated. `~` marks seconds that are extrapolated from two measured windows."""
_MONAI = """\
## Beside MONAI's `sliding_window_inference`

One evaluation of a central block, same network, windows and overlap (0.5), fastest of {repeats} in turn.
MONAI gets the coordinates of the windows, the conditions, its importance map ready made and the same memory
layout. Share: of the wall time, spent inside the network. Asked for: a difference of at most 1e-5 in float32,
a share of at least 90 %."""
_LEVERS = """\
## Levers, {task}

Each row has the levers of all rows above it; presets stand for themselves. Forwards are windows that go
through the network, with guidance twice. {quality}"""
_QUALITY = {
    "denoising": "White noise of 0.15 in [-1, 1]; PSNR (dB) in the region's HU window, noisy {psnr_noisy}.",
    "synthesis": "From the scan's coarse anatomy, without guidance where no preset has it. HU error: mean "
    "absolute difference of the classes from the scan. Seam index: 1 is no seam, in parentheses the scan's "
    "own at the same planes.",
}
_FORWARDS = """\
## A volume of {shape} voxels

Counted, not run; the scan enlarged to that size. The plain recipe (1000 steps, windows of 128, overlap 0.5)
beside the bundle's presets."""
_SCALING = """\
## Growth with the body

One evaluation of a cube with an elliptic cylinder of body in it, air skipped, one thread per process."""
_MEMORY = """\
## Memory of a run on the command line

`ct_denoising` on a phantom; announced is what the run itself says beforehand."""


def page(result: Mapping) -> str:
    """Tables of what `inference.json` holds; sections that were not run are left out."""
    facts = result["facts"]
    parts = [_INTRODUCTION.format(**facts | {"shape": _by(facts["shape"]), "spacing": _by(facts["spacing"])})]
    if result.get("monai"):
        parts += [_MONAI.format(repeats=facts["repeats"]), _monai(result["monai"])]
    for task in _QUALITY:
        rows = [row for row in result.get("levers", []) if row["task"] == task]
        if rows:
            noisy = next((number(row["psnr_noisy"], 2) for row in rows if "psnr_noisy" in row), "-")
            quality = _QUALITY[task].format(psnr_noisy=noisy)
            parts += [_LEVERS.format(task=task, quality=quality), _levers(task, rows)]
    if result.get("forwards"):
        parts += [
            _FORWARDS.format(shape=_by(result["forwards"][0]["shape"])),
            _forwards(result["forwards"]),
        ]
    if result.get("scaling"):
        parts += [_SCALING, _scaling(result["scaling"]["rows"]), _fits(result["scaling"]["fit"])]
    if result.get("memory"):
        parts += [_MEMORY, _memory(result["memory"])]
    return "\n\n".join(parts) + "\n"


def _monai(rows: Sequence[Mapping]) -> str:
    header = [
        "precision",
        "block",
        "windows",
        "largest difference",
        "ours, s",
        "MONAI, s",
        "share",
        "MONAI's",
    ]
    return table(
        header,
        [
            [
                row["precision"],
                _by(row["shape"]),
                f"{row['windows']} of {_by(row['window'])}",
                f"{row['largest_difference']:.1e}",
                *(number(row[f"seconds_{who}"], 2) for who in ("ours", "monai")),
                *(f"{row[f'network_share_{who}']:.1%}" for who in ("ours", "monai")),
            ]
            for row in rows
        ],
    )


def _levers(task: str, rows: Sequence[Mapping]) -> str:
    quality = ["PSNR"] if task == "denoising" else ["HU error", "seam index"]
    return table(
        ["lever", "forwards", "million voxels", "seconds", "voxels, of plain", *quality],
        [
            [
                row["lever"],
                str(row["forwards"]),
                number(row["voxels"] / 1e6, 1),
                number(row["seconds"], 1) if "seconds" in row else f"~{row['expected_seconds']:.0f}",
                _share(row["voxels"], rows[0]["voxels"]),
                *_quality(task, row),
            ]
            for row in rows
        ],
    )


def _quality(task: str, row: Mapping) -> list[str]:
    if task == "denoising":
        return [number(row.get("psnr"), 2)]
    seams = [number(row.get(key)) for key in ("seam_index", "seam_index_real")]
    return [number(row.get("hu_error"), 1), "-" if seams[0] == "-" else f"{seams[0]} ({seams[1]})"]


def _forwards(rows: Sequence[Mapping]) -> str:
    lines = [
        [
            row["task"],
            recipe,
            str(row[f"forwards_{recipe}"]),
            number(row[f"voxels_{recipe}"] / 1e6, 1),
            _share(row[f"voxels_{recipe}"], row["voxels_plain"]),
        ]
        for row in rows
        for recipe in ("plain", "balanced", "fast")
    ]
    return table(["task", "recipe", "forwards", "million voxels", "voxels, of plain"], lines)


def _scaling(rows: Sequence[Mapping]) -> str:
    header = ["processes", "side", "million voxels of body", "windows", "seconds", "windows per second"]
    return table(
        header,
        [
            [
                str(row["processes"]),
                str(row["size"]),
                f"{row['body_voxels'] / 1e6:.2f}",
                f"{row['windows']} of {row['window']}",
                number(row["seconds"], 2),
                number(row["windows_per_second"], 2),
            ]
            for row in rows
        ],
    )


def _fits(fits: Mapping[str, Mapping | None]) -> str:
    return "\n".join(
        f"* {count} process(es): {line['us_per_body_voxel']:.2f} microseconds per voxel of body "
        f"and {line['intercept']:.2f} s, r^2 {line['r2']:.4f}"
        for count, line in fits.items()
        if line
    )


def _memory(row: Mapping) -> str:
    header = ["voxels", "one float32 copy, GB", "peak, GB", "announced, GB", "seconds"]
    sizes = [number(row[key], 1) for key in ("volume_gb", "peak_gb", "announced_gb", "seconds")]
    return table(header, [[_by(row["shape"]), *sizes]])


def _share(count: int, whole: int) -> str:
    return f"1/{whole / count:.{1 if whole < 10 * count else 0}f}" if count else "0"


def _by(sizes: Sequence[float]) -> str:
    return "x".join(f"{size:g}" for size in sizes)
