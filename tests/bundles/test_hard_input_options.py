"""A wrong option is named in one sentence before anything is written, in every bundle that has it."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from hard_input import BUNDLES, NAMES, OF_MAPS, refusal, save, small_anatomy, small_hu

from meddiff_core.errors import user_sentence

WRONG = {
    "steps": (0, -1, "abc", 1.5, math.nan, None),
    "samples": (0, "two", 1.5),
    "window_batch": (0, "abc", None),
    "overlap": (1, -0.1, "abc", math.nan),
    "seed": (-1, "abc", 1.5, None),
    "precision": ("double", 16),
    "region": ("leg", 5, None),
    "noise_level": (0, -5, "low", math.nan, None),
    "fidelity": (-1, "abc", math.inf),
    "timestep": (-1, 1000, "abc", None),
    "polarity": ("green", 1),
    "smoothing": (-1, "abc"),
    "erosion": (-1, "abc"),
    "background": (-1, "abc"),
    "threshold": (-1, "abc"),
    "organ": ("spaceship", 5),
    "slice_thickness": (0, -1, "abc", math.nan, 100, 0.1),
    "slice_profile": ("abc", [], [-1, 1], [math.nan]),
    "projection": ("no", 5),
    "guidance_scale": (-1, "abc"),
    "solver": ("euler", None),
    "lesion_count": (0, "abc", 1.5),
    "lesion_diameter": (10, [20, 10], [-5, 10], ["a", "b"], []),
    "irregularity": (-1, 2, "abc"),
    "jump_length": (0, "abc"),
    "jump_rounds": (0, "abc"),
    "start_from": (0, 1000, "abc"),
    "feather": (-1, "abc"),
    "context": (-1, "abc"),
    "layout": ("msd", 5),
    "device": ("cuda", "warp", 5),
    "foundation_root": ("nowhere",),
    "output_format": ("jpeg", 5),
    "anatomy": ("absent.nii.gz", 5),
    "lesion": ("absent.nii.gz", 5),
    "organ_mask": ("absent.nii.gz", 5),
}


def cases():
    """(bundle, option, value): the values of an option go through the bundles that have it in turn."""
    configs = {
        name: json.loads((BUNDLES / name / "configs" / "inference.json").read_text()) for name in NAMES
    }
    for option, values in WRONG.items():
        having = [name for name in NAMES if option in configs[name]]
        if option == "anatomy":
            having = [name for name in having if name not in OF_MAPS]
        yield from zip(itertools.cycle(having), itertools.repeat(option), values, strict=False)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The small scan and its map."""
    folder = tmp_path_factory.mktemp("scans")
    scan, labels = save(folder / "scan.nii.gz", small_hu()), save(folder / "map.nii.gz", small_anatomy())
    return {name: labels if name in OF_MAPS else scan for name in NAMES}


@pytest.mark.parametrize(("name", "option", "value"), list(cases()))
def test_options(name, option, value, scans, tmp_path):
    if option == "device" and value == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    sentence = refusal(name, scans[name], tmp_path / "out", **{option: value})
    if option not in ("foundation_root", "anatomy", "lesion", "organ_mask"):
        assert str(value) in sentence or repr(value) in sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_option_is_refused_before_anything_runs(name, scans, tmp_path):
    sentence = refusal(name, scans[name], tmp_path / "out", output_fromat="dicom")
    assert sentence == "There is no option output_fromat: did you mean output_format?"


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ct_foundation", "train.json"),
        ("ct_super_resolution", "train.json"),
        ("ct_lesion_generation", "train.json"),
        ("ct_lesion_generation", "segmenter.json"),
    ],
)
def test_training_refuses_it_too(bundle, name, config):
    for option, sentence in (
        ({"max_epoch": 3}, "There is no option max_epoch: did you mean max_epochs?"),
        ({"seed": "abc"}, "seed is 'abc': use a whole number from 0 to 4294967295."),
    ):
        with pytest.raises(RuntimeError) as caught:
            bundle(name, config, workflow_type="train", **option).run()
        assert user_sentence(caught.value) == sentence


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_MAPS])
def test_an_image_has_to_be_given(bundle, name):
    with pytest.raises(SystemExit, match="No image is given: name a CT by --image"):
        bundle(name, "inference.json").run()
