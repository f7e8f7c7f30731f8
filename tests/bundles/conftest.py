"""Run a bundle in process, on small phantoms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from meddiff_core.phantoms import make_phantom
from meddiff_core.physics.low_dose import white_noise

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.fixture
def bundle() -> Callable[..., ConfigWorkflow]:
    """bundle(name, *configs, workflow_type="infer", **options) -> an initialized workflow."""

    def build(name: str, *configs: str, workflow_type: str = "infer", **options) -> ConfigWorkflow:
        root = BUNDLES / name
        files = [str(root / "configs" / config) for config in configs]
        workflow = ConfigWorkflow(
            files,
            meta_file=str(root / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type=workflow_type,
            bundle_root=str(root),
            **options,
        )
        workflow.initialize()
        return workflow

    return build


@pytest.fixture
def short_training() -> dict:
    """Options of a training of two epochs of two small batches on the CPU."""
    return {
        "epoch_length": 2,
        "max_epochs": 2,
        "val_interval": 1,
        "patch_size": 16,
        "batch_size": 2,
        "num_workers": 0,
        "precision": "float32",
        "device": torch.device("cpu"),
    }


@pytest.fixture(scope="session")
def phantom():
    """An abdomen of 64 x 64 x 48 voxels."""
    return make_phantom("abdomen", shape=(64, 64, 48), spacing=(5.0, 5.0, 6.0), seed=1)


@pytest.fixture(scope="session")
def scans(tmp_path_factory, phantom) -> dict[str, Path]:
    """Files: the phantom `clean`, with 27 HU of white noise `noisy`, and its `anatomy`."""
    folder = tmp_path_factory.mktemp("scans")
    hu = np.asarray(phantom.hu, dtype=np.float32)
    volumes = {"clean": hu, "noisy": white_noise(hu, 27, seed=0), "anatomy": phantom.anatomy}
    for name, volume in volumes.items():
        dtype = np.uint8 if name == "anatomy" else np.int16
        nib.save(nib.Nifti1Image(np.rint(volume).astype(dtype), phantom.affine), folder / f"{name}.nii.gz")
    return {name: folder / f"{name}.nii.gz" for name in volumes}
