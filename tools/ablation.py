"""Train and compare the parts of the method on synthesis (MedDiff-FM, table 3), each arm in the same way.

Example:
    python tools/ablation.py --dataset_dir prepared --output_dir runs/ablation --max_epochs 8
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from meddiff_core.commands import run_command, words_of
from meddiff_core.errors import InputError
from meddiff_core.files import whole_file, write_json

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"
ARMS = {
    "ddpm": "DDPM, patches alone",
    "patch_level": "patch level alone",
    "multi_level": "+ multi-level patches, coarse to fine",
    "position": "+ position",
    "position_embedding": "+ position embedding (the method)",
}
COLUMNS = {
    "hu_error_body": "body, HU",
    "hu_error_fat": "fat, HU",
    "hu_error_lung": "lung, HU",
    "hu_error_bone": "bone, HU",
    "dice_body": "Dice body",
    "dice_lung": "Dice lung",
    "dice_bone": "Dice bone",
    "seam_index": "seams",
    "seam_index_real": "seams, real",
    "ms_ssim": "MS-SSIM",
    "fid": "FID",
    "mmd": "MMD",
}


def main(
    dataset_dir: str,
    output_dir: str,
    arms: str | Sequence[str] = tuple(ARMS),
    max_epochs: int = 50,
    patch_size: int = 48,
    window_size: int = 192,
) -> None:
    """Train every arm, synthesize the validation volumes with it, write `ablation.md` and `ablation.json`.

    An arm that was trained or interrupted goes on where it stopped.

    Args:
        dataset_dir: what `prepare_data.py` wrote; its `validation` items are compared.
        output_dir: a folder per arm, and the tables.
        arms: names, comma-separated: ddpm, patch_level, multi_level, position, position_embedding.
        max_epochs: epochs of 100 iterations for each arm.
        patch_size: voxels of the training patches.
        window_size: voxels of the windows of synthesis.
    """
    names = words_of(arms)
    for name in names:
        if name not in ARMS:
            raise InputError(f"Unknown arm {name!r}: use {', '.join(ARMS)}.")
    rows = {}
    for name in names:
        folder = Path(output_dir, name)
        train = [f"--max_epochs={max_epochs}", f"--patch_size={patch_size}", f"--dataset_dir={dataset_dir}"]
        _run("ct_foundation", ["train"], name, [*train, f"--output_dir={folder}"])
        evaluate = [f"--data_list={Path(dataset_dir, 'datalist.json')}", f"--window_size={window_size}"]
        # load_weights looks in foundation_root/models
        weights = folder / "models" / "model.pt"
        with whole_file(weights) as draft:
            draft.write_bytes((folder / "model.pt").read_bytes())
        options = [*evaluate, f"--foundation_root={folder}", f"--output_dir={folder / 'eval'}"]
        _run("ct_synthesis", ["inference", "evaluate"], name, options)
        rows[name] = json.loads((folder / "eval" / "synthesis.json").read_text())
        _write(Path(output_dir), rows)
    print(_table(rows))


def _run(bundle: str, configs: Sequence[str], arm: str, options: Sequence[str]) -> None:
    files = [BUNDLES / bundle / "configs" / f"{config}.json" for config in configs]
    if arm != "position_embedding":  # the method as it is
        files.append(BUNDLES / "ct_synthesis" / "configs" / f"ablation_{arm}.json")
    command = [
        sys.executable,
        "-m",
        "monai.bundle",
        "run",
        "--config_file",
        str([str(file) for file in files]),
    ]
    command += ["--bundle_root", str(BUNDLES / bundle), "--logging_file", "False", *options]
    if subprocess.run(command).returncode != 0:
        raise InputError(f"The arm {arm} failed in {bundle}: see the messages above.")


def _write(folder: Path, rows: dict[str, dict]) -> None:
    write_json(folder / "ablation.json", {name: row["mean"] for name, row in rows.items()})
    with whole_file(folder / "ablation.md") as draft:
        draft.write_text(_table(rows))


def _table(rows: dict[str, dict]) -> str:
    first = next(iter(rows.values()))
    lines = [
        f"Means over {first['count']} volume(s). HU: how far a class mean is from the real one. FID, MMD on "
        f"{first['features']}. Dice by {first['segmenter']}.",
        "",
        f"| arm | {' | '.join(COLUMNS.values())} |",
        "|---|" + "---|" * len(COLUMNS),
    ]
    for name, row in rows.items():
        cells = [f"{row['mean'][key]:.3g}" if key in row["mean"] else "-" for key in COLUMNS]
        lines.append(f"| {ARMS[name]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_command(main)
