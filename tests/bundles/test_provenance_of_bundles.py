"""Every volume that a bundle writes says where it comes from."""

from __future__ import annotations

import json

import nibabel as nib
import pytest
from hard_input import NAMES, OF_MAPS, RESULTS, save, small_anatomy, small_hu, workflow

from meddiff_core.transforms.results import DESCRIPTION_LENGTH

WHERE = {
    *("bundle_root", "foundation_root", "generation_root", "foundation_weights", "control_weights"),
    *("image", "dataset_dir", "output_dir", "local_weights", "network_weights"),
}
"""Where things lie is not to be written down."""
NO_EFFECT = {
    *("displayable_configs", "presets", "chosen", "settings", "usual", "report", "start"),
    *("memory_limit", "split_windows", "dry_run", "part", "existing", "journal", "save_adapted"),
}
"""What changes nothing in the voxels."""


@pytest.mark.parametrize("name", NAMES)
def test_header_and_record(name, tmp_path):
    array = small_anatomy() if name in OF_MAPS else small_hu()
    source = save(tmp_path / "Doe^Jane" / "scan.nii.gz", array)
    several = {"samples": 2} if "lesion" in name or name == "ct_synthesis" else {}
    workflow(name, source, tmp_path / "out", seed=7, **several).run()
    for postfix in RESULTS[name]:
        stem = f"scan_{postfix}" if not several else f"scan_{postfix.replace('_mask', '_2_mask')}"
        stem += "_2" if several and "mask" not in postfix else ""
        record = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        line = nib.load(tmp_path / "out" / f"{stem}.nii.gz").header["descrip"].item().decode()
        seed = 8 if several else 7
        assert record["seed"] == seed and f"seed {seed}" in line
        assert record["bundle"] == name and line.startswith(name) and "research use only" in line
        assert len(line) <= DESCRIPTION_LENGTH
        assert record["scan"]["region"] == "abdomen" and record["input"] == "scan.nii.gz"
        assert "Doe" not in json.dumps(record) and str(tmp_path) not in json.dumps(record)
        if "lesion" in name:
            assert {"lesion_hu", "lesion_deviation"} <= record["scan"].keys()
        if name in ("ct_synthesis", "ct_lesion_generation"):
            assert record["scan"]["unusual_hu"]
        if name == "ct_denoising":
            assert record["scan"]["noise_level"] == 20


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_recorded(name, tmp_path):
    parser = workflow(name, tmp_path / "scan.nii.gz", tmp_path).parser
    config = parser.get()
    options = {key for key, value in config.items() if not (isinstance(value, dict) and "_target_" in value)}
    options -= {"imports", "run", "handlers", "_meta_"}
    assert options - WHERE - NO_EFFECT <= parser.get_parsed_content("results").options.keys()
