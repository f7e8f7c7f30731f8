"""Started by `test_hard_input_files.py`: a run that stops in the middle of writing its result."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nibabel as nib
from hard_input import workflow


def half(image, path):
    """Write a part, say so, and wait to be stopped."""
    Path(path).write_bytes(image.to_bytes()[:1000])
    print("half", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    run = workflow("ct_denoising", Path(sys.argv[1]), Path(sys.argv[2]))
    nib.save = half
    run.run()
