"""Options that a bundle does not have, and values that are none, are refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow

from meddiff_core import option_names
from meddiff_core.errors import InputError
from meddiff_core.option_names import check_options
from meddiff_core.option_values import COUNTS, PATHS

BUNDLES = Path(__file__).parents[1] / "bundles"
DENOISING = ("ct_denoising/inference.json",)
EVALUATION = (*DENOISING, "ct_denoising/evaluate.json")
TRAINING = ("ct_foundation/train.json",)


def check(files, options):
    """Merge config files, named as bundle/file or by path, with options, as MONAI does, and check them."""
    paths = [BUNDLES / file.replace("/", "/configs/") if isinstance(file, str) else file for file in files]
    root = paths[0].parents[1]
    options = {"bundle_root": str(root)} | options
    workflow = ConfigWorkflow(
        [str(path) for path in paths], logging_file=False, workflow_type=None, **options
    )
    workflow.parser.parse()
    check_options(workflow.parser, workflow.config_root_path)


UNKNOWN = [
    (DENOISING, "noise_levle", "did you mean noise_level?"),
    (DENOISING, "images", "did you mean image?"),
    (DENOISING, "Image", "did you mean image?"),
    (DENOISING, "outdir", "did you mean output_dir?"),
    (DENOISING, "logging_fil", "did you mean logging_file?"),
    (DENOISING, "help", "there are adapt, .*noise_level, .*window_size."),
    (DENOISING, "inferer#stepz", "did you mean inferer#steps?"),
    (DENOISING, "network_def#variantt", "did you mean network_def#variant?"),
    (DENOISING, "displayable_configs#noise", "did you mean displayable_configs#noise_level?"),
    (DENOISING, "presets#fast#step", "did you mean presets#fast#steps?"),
    (DENOISING, "postprocessing#transforms#0#key", "did you mean postprocessing#transforms#0#keys?"),
    (DENOISING, "data_list", "belongs to evaluate.json: add that file to --config_file"),
    (EVALUATION, "simulated_nois", "did you mean simulated_noise?"),
    (("ct_synthesis/inference.json",), "image", "there are anatomy, "),
    (TRAINING, "max_epoch", "did you mean max_epochs?"),
    (TRAINING, "train#max_epochs", "did you mean max_epochs?"),
    (TRAINING, "train#trainer#max_epoch", "did you mean train#trainer#max_epochs?"),
    (("ct_lesion_generation/segmenter.json",), "voxelsize", "did you mean voxel_size?"),
]


@pytest.mark.parametrize(("files", "name", "sentence"), UNKNOWN)
def test_an_unknown_option_is_refused_with_the_nearest(files, name, sentence):
    with pytest.raises(InputError, match=f"option {name}.*{sentence.replace('?', '[?]')}"):
        check(files, {name: 3})


KNOWN = [
    (DENOISING, {"noise_level": 30, "report": "true", "compile": False, "image": None}),
    (DENOISING, {"inferer#steps": 3, "inferer#fidelity": 5.0, "network_def#variant": "paper"}),
    (DENOISING, {"postprocessing#transforms#0#_disabled_": True, "_meta_#name": "other"}),
    (DENOISING, {"folder": "a", "output_dir": "$@folder + 'b'"}),
    (DENOISING, {"image": ["a.nii.gz", Path("b.nii.gz")], "dry_run": "$1 == 1"}),
    (DENOISING, {"run_name": "first", "experiment_name": "any", "_desc_": "mine"}),
    (DENOISING, {"presets#fast#_desc_": "mine", "steps": {"_target_": "torch.tensor", "data": 1}}),
    (EVALUATION, {"data_list": "list.json", "key_metric#other": {"_target_": "MeanDice"}}),
    # what MONAI Label gives
    (
        ("ct_lesion_generation/train.json",),
        {"train#data": [], "validate#data": [], "validate#dataset#data": [], "train#dataset#data": []}
        | {
            "train#trainer#max_epochs": 2,
            "train#handlers": [],
            "trained_part": "$@ema.ema_model",
            "device": "cpu",
        }
        | {"start_from": "$None", "tracking_uri": "file:runs", "output_dir": "runs"},
    ),
    (TRAINING, {"train#dataset#data": [], "train#trainer#amp": True, "start_from": "model.pt"}),
]


@pytest.mark.parametrize(("files", "options"), KNOWN)
def test_what_a_config_reads_is_taken(files, options):
    check(files, options)


UNREAD = [
    (EVALUATION, {"image": "scan.nii.gz", "seed": 3, "overlap": 0.5, "preset": "fast"}, ["image"]),
    (DENOISING, {"image": "scan.nii.gz", "seed": 3, "output_dir": "out"}, []),
    (TRAINING, {"seed": 3, "max_epochs": 2, "learning_rate": 1e-3, "start_from": "model.pt"}, []),
    (TRAINING, {"data_list": "list.json", "dataset_dir": "prepared2"}, ["dataset_dir"]),
]


@pytest.mark.parametrize(("files", "options", "unread"), UNREAD)
def test_an_option_that_a_run_does_not_read_is_told(files, options, unread, caplog):
    check(files, options)
    told = [record.args[0] for record in caplog.records if "changes nothing here" in record.msg]
    assert told == unread


def shipped():
    """Every combination of config files that a bundle ships."""
    for path in sorted(BUNDLES.glob("*/configs/*.json")):
        bundle, file = path.parents[1].name, path.name
        if file == "metadata.json":
            continue
        if file in ("inference.json", "train.json", "segmenter.json"):
            yield (f"{bundle}/{file}",)
        elif file.startswith("ablation"):
            yield ("ct_foundation/train.json", f"{bundle}/{file}")
            yield (f"{bundle}/inference.json", f"{bundle}/evaluate.json", f"{bundle}/{file}")
        else:
            training = "train" in file or file in ("from_scratch.json", "network_paper.json")
            yield (f"{bundle}/{'train' if training else 'inference'}.json", f"{bundle}/{file}")


@pytest.mark.parametrize("files", shipped())
def test_the_bundles_own_files_are_taken(files, caplog):
    check(files, {})
    assert not [record for record in caplog.records if record.name == "meddiff"]


def test_an_overlay_of_ones_own_may_add_what_it_reads(tmp_path):
    overlay = tmp_path / "mine.json"
    overlay.write_text(json.dumps({"folder": "mine", "output_dir": "$@folder + '/out'"}))
    check((BUNDLES / "ct_denoising" / "configs" / "inference.json", overlay), {})


def test_a_config_of_ones_own_is_checked_wherever_it_lies(tmp_path):
    own = tmp_path / "mine.json"
    own.write_bytes((BUNDLES / "ct_denoising" / "configs" / "inference.json").read_bytes())
    with pytest.raises(InputError, match="did you mean noise_level"):
        check((own,), {"noise_levle": 3})
    check_options(ConfigParser({"image": 3}), Path("/"))


def test_a_former_name_is_answered_with_the_new_one(monkeypatch):
    monkeypatch.setitem(option_names.RENAMED, "sigma", "noise_level")
    with pytest.raises(InputError, match="The option sigma is now called noise_level"):
        check(DENOISING, {"sigma": 3})


VALUES = [
    ({"image": 12345}, "image is 12345, a number: write ./ before .* such as ./12345."),
    ({"image": ["a.nii.gz", 7]}, "image is 7, a number"),
    ({"output_dir": 2024}, "output_dir is 2024, a number"),
    ({"foundation_root": 1.5}, "foundation_root is 1.5, a number"),
    ({"output_dir": ("a", "b")}, r"output_dir is \('a', 'b'\): give the path of one file or folder."),
    ({"anatomy": True}, "anatomy is True: give the path"),
    (
        {"image": "$scan.nii.gz"},
        "image is .scan.nii.gz: MONAI computes what begins with .* write ./.scan.nii.gz.",
    ),
    ({"output_dir": "@out"}, "output_dir is @out: MONAI computes what begins with @"),
    ({"output_dir": "out#1"}, "output_dir is out::1: MONAI's configs turn # into ::, so rename"),
    ({"report": "yes"}, "report is 'yes': use true or false."),
    ({"report": 1}, "report is 1: use true or false."),
    ({"report": 0}, "report is 0: use true or false."),
    ({"seed": "abc"}, "seed is 'abc': use a whole number from 0 to 4294967295."),
    ({"seed": -1}, "seed is -1: use a whole number"),
    ({"keep_identifiers": "on"}, "keep_identifiers is 'on': use true or false."),
]


@pytest.mark.parametrize(("options", "sentence"), VALUES)
def test_a_value_that_is_none_is_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        check(DENOISING, options)


@pytest.mark.parametrize("value", [-1, 1.5, "many", True])
@pytest.mark.parametrize("name", COUNTS)
def test_a_count_of_training_is_checked(name, value):
    with pytest.raises(
        InputError, match=f"{name} is {value!r}: use a whole number of at least {COUNTS[name]}"
    ):
        check(TRAINING, {name: value})


def test_every_option_that_names_a_file_is_one_of_a_config():
    configs = [json.loads(path.read_text()) for path in BUNDLES.glob("*/configs/*.json")]
    assert all(any(name in config for config in configs) for name in PATHS)
