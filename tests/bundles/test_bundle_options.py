"""Options that all task bundles share: presets, a dry run, several processes."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.errors import user_sentence
from meddiff_core.inferers.windows import Windows
from meddiff_core.phantoms import make_phantom

BUNDLES = Path(__file__).parents[2] / "bundles"

FEW = {"steps": 2}
# What a bundle takes, its picture, and what makes a thorough preset short; the files' names are filled in.
TASKS = {
    "ct_denoising": ({"image": "hu", "noise_level": 27}, 7, FEW),
    "ct_synthesis": ({"anatomy": "anatomy"}, 3, FEW),
    "ct_anomaly_detection": ({"image": "hu", "organ": "body"}, 4, {}),
    "ct_super_resolution": ({"image": "hu", "slice_thickness": 6.0}, 4, FEW),
    "ct_lesion_generation": ({"anatomy": "anatomy", "lesion": "lesion"}, 4, FEW),
    "ct_lesion_inpainting": ({"image": "hu", "lesion": "lesion"}, 5, FEW),
}
PRESETS = ("fast", "balanced", "paper")


def config(name: str, file: str = "inference.json") -> dict:
    """A config as it is written."""
    return json.loads((BUNDLES / name / "configs" / file).read_text())


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """A small abdomen, its anatomy, and a lesion mask."""
    folder = tmp_path_factory.mktemp("abdomen")
    phantom = make_phantom("abdomen", (32, 32, 24), (10.0, 10.0, 12.0), seed=1)
    lesion = np.zeros(phantom.anatomy.shape, np.uint8)
    lesion[12:16, 14:18, 10:13] = 1
    arrays = {"hu": np.int16(phantom.hu), "anatomy": phantom.anatomy, "lesion": lesion}
    for name, array in arrays.items():
        nib.save(nib.Nifti1Image(array, phantom.affine), folder / f"{name}.nii.gz")
    return {name: str(folder / f"{name}.nii.gz") for name in arrays}


@pytest.fixture
def start(bundle, files, tmp_path):
    """start(name, *configs, **options) -> a workflow of that bundle on the small abdomen, not yet run."""

    def build(name, *configs, **options):
        inputs, picture, _ = TASKS[name]
        inputs = {key: files.get(value, value) for key, value in inputs.items()}
        options = {
            "region": "abdomen",
            "output_dir": str(tmp_path / "out"),
            f"postprocessing#transforms#{picture}#_disabled_": True,
        } | options
        return bundle(name, "inference.json", *configs, **inputs | options)

    return build


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", TASKS)
def test_every_preset_runs(start, tmp_path, name, preset):
    short = TASKS[name][2] if preset != "fast" or "steps" in TASKS[name][2] else {}
    workflow = start(name, preset=preset, **short)
    workflow.run()
    inferer = workflow.parser.get_parsed_content("inferer")
    expected = config(name)["presets"][preset] | short
    assert {option: getattr(inferer, option) for option in expected} == expected
    assert inferer.windows == Windows.of(preset)
    written = list((tmp_path / "out").glob("*.nii.gz"))
    assert written
    assert all(np.isfinite(nib.load(path).get_fdata()).all() for path in written)


@pytest.mark.parametrize("name", TASKS)
def test_presets_differ_only_in_what_they_are_for(name):
    presets = config(name)["presets"]
    assert tuple(presets) == PRESETS
    assert config(name)["preset"] == "@displayable_configs#preset"
    assert config(name)["displayable_configs"]["preset"] == "balanced"
    assert len({tuple(preset) for preset in presets.values()}) == 1
    for option in presets["fast"]:
        assert config(name)[option] == f"$@chosen['{option}']"
    for option in ("window_size", "overlap", "moving_windows", "skip_air"):
        assert config(name)[option] is None


@pytest.mark.parametrize("name", TASKS)
def test_a_dry_run_says_the_cost_and_writes_nothing(start, tmp_path, caplog, name):
    with caplog.at_level("INFO", logger="meddiff"):
        start(name, dry_run="true", **FEW if name != "ct_anomaly_detection" else {}).run()
    assert "network call(s), about 0:00:" in caplog.text
    assert "Wrote" not in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_dry_run_of_an_evaluation_measures_nothing(bundle, files, tmp_path):
    items = [{"image": files["hu"], "region": "abdomen"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
    options = {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "out")}
    workflow = bundle("ct_denoising", "inference.json", "evaluate.json", dry_run=True, **options)
    workflow.run()
    assert not workflow.parser.get_parsed_content("evaluator").state.metrics
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "slow"}, "preset is 'slow': use one of fast, balanced, paper."),
        ({"dry_run": "yes"}, "dry_run is 'yes': use true or false."),
        ({"skip_air": 3}, "skip_air is 3: use true or false."),
        ({"window_size": "large"}, "window_size is 'large': use a whole number of at least 1."),
        ({"compile": "maybe"}, "compile is 'maybe': use true or false."),
    ],
)
@pytest.mark.parametrize("name", ["ct_denoising", "ct_lesion_inpainting"])
def test_mistakes_are_one_sentence(start, tmp_path, name, options, sentence):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        start(name, **options).run()
    error = caught.value
    assert (str(error) if isinstance(error, SystemExit) else user_sentence(error)) == sentence
    assert not (tmp_path / "out").exists()


def test_too_little_memory_is_one_sentence(start, tmp_path):
    with pytest.raises(SystemExit, match=r"memory_limit allows 0\.0 GB: raise memory_limit, or crop"):
        start("ct_denoising", memory_limit=0.001).run()
    assert not (tmp_path / "out").exists()


def test_the_overlay_for_several_processes_is_the_same_in_all():
    overlays = [config(name, "multi_gpu_inference.json") for name in TASKS]
    assert all(overlay == overlays[0] for overlay in overlays)
    # what it replaces must not be what a bundle adds to
    plain = {"dataset": "@dataset", "batch_size": 1, "num_workers": 0, "_target_": "DataLoader"}
    assert all(config(name)["dataloader"] == plain for name in TASKS)
    assert all(config(name)["run"] == ["@start", "$@evaluator.run()"] for name in TASKS)


def test_without_torchrun_the_overlay_says_so(start, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(RuntimeError) as caught:
        start("ct_denoising", "multi_gpu_inference.json").run()
    assert "torchrun" in user_sentence(caught.value)
