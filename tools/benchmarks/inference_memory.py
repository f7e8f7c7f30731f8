"""Peak memory of a real run on the command line, on a large phantom."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from benchmarks.bundle import BUNDLES

from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom

# The peak counts from the process that starts another, too: so a small one has to start it.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"\\npeak {peak * (1 if sys.platform == 'darwin' else 1024)}")
sys.exit(code)
"""
_NOISE_HU = 50.0
_PHANTOM_SHAPE = (128, 128, 96)
_HEADER_BYTES = 352


def memory_row(region: str, shape: Sequence[int]) -> dict:
    """Denoise a phantom with the bundle in a process of its own; peak memory in GB, seconds of wall clock.

    Args:
        region: of the phantom.
        shape: voxels `(X, Y, Z)`.

    Raises:
        InputError: the run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "phantom.nii"
        write_large_phantom(region, shape, scan)
        begin = time.perf_counter()
        peak, output = peak_memory(denoising_command(scan, region, folder))
        seconds = time.perf_counter() - begin
    announced = re.search(r"about ([\d.]+) GB", output)
    return {
        "shape": list(shape),
        "peak_gb": peak / 1e9,
        "announced_gb": float(announced[1]) if announced else None,
        "volume_gb": 4 * float(np.prod(shape)) / 1e9,
        "seconds": seconds,
    }


def denoising_command(scan: Path, region: str, output_dir: str) -> list[str]:
    """What a user types."""
    root = BUNDLES / "ct_denoising"
    config = root / "configs" / "inference.json"
    return [
        *(sys.executable, "-m", "monai.bundle", "run", "--config_file", str(config)),
        *("--bundle_root", str(root), "--image", str(scan), "--region", region, "--output_dir", output_dir),
    ]


def peak_memory(command: Sequence[str]) -> tuple[int, str]:
    """Largest resident memory of a command in bytes, and what it printed.

    Raises:
        InputError: it failed.
    """
    done = subprocess.run([sys.executable, "-c", _MEASURE, *command], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was stopped, perhaps for want of memory"])[-1]
        raise InputError(f"The run whose memory was to be measured failed ({reason}): use a smaller shape.")
    printed, _, peak = done.stdout.rpartition("peak ")
    return int(peak), printed + done.stderr


def write_large_phantom(region: str, shape: Sequence[int], path: Path) -> None:
    """A small phantom enlarged by repeating voxels, with noise, written slice by slice as int16."""
    small = make_phantom(region, _PHANTOM_SHAPE)
    index = [np.arange(n) * old // n for n, old in zip(shape, _PHANTOM_SHAPE, strict=True)]
    scale = np.divide(_PHANTOM_SHAPE, shape)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_zooms(small.spacing * scale)
    header.set_sform(small.affine @ np.diag([*scale, 1.0]), code=1)
    header.set_xyzt_units("mm")
    header["magic"], header["vox_offset"] = b"n+1", _HEADER_BYTES
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        header.write_to(file)
        file.write(bytes(_HEADER_BYTES - file.tell()))
        for k in index[2]:
            plane = small.hu[:, :, k][np.ix_(*index[:2])]
            plane = plane + rng.normal(0, _NOISE_HU, plane.shape)
            file.write(np.rint(plane).astype("<i2").tobytes(order="F"))
